"""Public descriptions of private data. Nothing here is measured from the data itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import HasLifecycle, Model, paired
from domains.catalog.connection import Connection
from domains.catalog.declared import BoundSource, DeclaredColumn, TableColumn, VersionTable
from domains.catalog.lifecycle import DATASET, VERSION, DatasetStatus, VersionStatus
from domains.catalog.policy_models import AccessPolicy, DryRun
from domains.catalog.use_models import UseCondition
from domains.people.models import User
from domains.people.permissions import Role
from privacy import schema
from privacy.unit import PrivacyUnit

__all__ = [
    "NEEDS",
    "AccessPolicy",
    "BoundSource",
    "Column",
    "Dataset",
    "DatasetVersion",
    "DryRun",
    "MockOrigin",
    "Population",
    "ResearchArea",
    "Seat",
    "Steward",
    "TableColumn",
    "UseCondition",
    "VersionTable",
]

# Which node-wide role a seat or stewardship needs, when it is given and as long as it counts: whoever loses
# the node's role, or becomes an administrator (S2), loses what hangs on it at once.
NEEDS = {
    Role.AREA_OWNER: frozenset({Role.OWNER}),
    Role.AREA_REVIEWER: frozenset({Role.REVIEWER}),
    Role.DATASET_OWNER: frozenset({Role.OWNER}),
    Role.DATASET_REVIEWER: frozenset({Role.OWNER, Role.REVIEWER}),
}


def roles_held(rows: Iterable[Seat | Steward], user: User) -> set[Role]:
    """Return the roles that `rows` give `user` now."""
    held = {Role(row.role) for row in rows if row.user_id == user.pk and row.ended_at is None}
    return {role for role in held if user.node_roles & NEEDS[role]}


class ResearchArea(Model):
    """A discipline with its own owners and reviewers; one node may hold several."""

    is_public = True  # members of the node see every area

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def roles_of(self, user: User) -> set[Role]:
        return roles_held(self.seats.all(), user)


class Seat(Model):
    """A person's role in a research area (owner or reviewer); ended, never deleted."""

    area = models.ForeignKey(ResearchArea, on_delete=models.PROTECT, related_name="seats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="area_seats")
    role = models.CharField(
        max_length=20, choices=[(r.value, r.value) for r in (Role.AREA_OWNER, Role.AREA_REVIEWER)]
    )
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            paired("ended", "seat"),
            models.UniqueConstraint(
                fields=["area", "user", "role"], condition=Q(ended_at__isnull=True), name="seat_once"
            ),
            models.CheckConstraint(condition=~Q(granted_by=F("user")), name="seat_not_self_given"),
            models.CheckConstraint(
                condition=Q(role__in=[Role.AREA_OWNER.value, Role.AREA_REVIEWER.value]), name="seat_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.area}"


class Population(Model):
    """The people (or other units) whom datasets may share; the topmost ledger account hangs on it."""

    name = models.CharField(max_length=160, unique=True)
    unit_label = models.CharField(max_length=80, help_text="What one privacy unit is, such as “one patient”.")
    # Fixed for good: half for the conversion from rho to epsilon, half for the thresholds of unknown keys.
    delta = models.DecimalField(max_digits=20, decimal_places=18, default=Decimal("0.000001"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(delta__gt=0) & Q(delta__lte=Decimal("0.001")), name="population_delta"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def conversion_delta(self) -> float:
        """The half of delta that the rho-to-epsilon conversion uses."""
        return float(self.delta) / 2


class Dataset(Model, HasLifecycle):
    """A dataset in the catalogue; its versions hold the schema and the data."""

    lifecycle = DATASET

    area = models.ForeignKey(ResearchArea, on_delete=models.PROTECT, related_name="datasets")
    population = models.ForeignKey(Population, on_delete=models.PROTECT, related_name="datasets")
    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=160)
    summary = models.TextField(blank=True)
    provenance = models.TextField(blank=True)
    licence = models.CharField(max_length=80, blank=True)
    status = models.CharField(
        max_length=16, default=DatasetStatus.DRAFT, choices=[(k, s.label) for k, s in DATASET.items()]
    )
    tick = models.DecimalField(max_digits=6, decimal_places=2, default=Decimal("0.25"))  # seconds
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["title"]
        constraints = [models.CheckConstraint(condition=Q(tick__gt=0), name="dataset_tick")]

    def __str__(self) -> str:
        return self.title

    def roles_of(self, user: User) -> set[Role]:
        return self.area.roles_of(user) | self.steward_roles_of(user)

    def steward_roles_of(self, user: User) -> set[Role]:
        """Return the roles that the dataset itself gives, without its area's."""
        return roles_held(self.stewards.all(), user)

    @property
    def is_public(self) -> bool:
        """Whether its existence is no secret to members of the node: a draft is its owners' own."""
        return self.status != DatasetStatus.DRAFT

    @property
    def current(self) -> DatasetVersion | None:
        """The newest published version, or None."""
        published = [v for v in self.versions.all() if v.status == VersionStatus.PUBLISHED]
        return max(published, key=lambda v: v.number, default=None)


class Steward(Model):
    """A person's role on one dataset: an owner, or a reviewer whom an owner assigned."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="stewards")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stewardships")
    role = models.CharField(
        max_length=20, choices=[(r.value, r.value) for r in (Role.DATASET_OWNER, Role.DATASET_REVIEWER)]
    )
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            paired("ended", "steward"),
            models.UniqueConstraint(
                fields=["dataset", "user", "role"], condition=Q(ended_at__isnull=True), name="steward_once"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[Role.DATASET_OWNER.value, Role.DATASET_REVIEWER.value]),
                name="steward_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.dataset}"


class MockOrigin(models.TextChoices):
    GENERATED = "generated", "generated from the public schema alone"
    UPLOADED = "uploaded", "published by the owner, no privacy guarantee"


class DatasetVersion(Model, HasLifecycle):
    """One immutable state of a dataset: a schema declared in public terms and a content-hashed file."""

    lifecycle = VERSION

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(
        max_length=16, default=VersionStatus.DRAFT, choices=[(k, s.label) for k, s in VERSION.items()]
    )
    notes = models.TextField(blank=True)
    # The privacy unit and its contribution bound; an empty unit column means that one row is one unit.
    unit_column = models.CharField(max_length=63, blank=True)
    max_groups = models.PositiveIntegerField(default=1)
    max_rows = models.PositiveIntegerField(default=1)
    max_units = models.BigIntegerField(help_text="A public bound on how many units there can be.")
    declared_rows = models.BigIntegerField(
        null=True, blank=True, help_text="The size you are content to publish."
    )
    # Private: the content hash leaves the node only as an HMAC under the domain's key.
    sha256 = models.CharField(max_length=64, blank=True)
    # In place: where the rows stay, and what the catalogue there said of them. Then `sha256` is the declaration's.
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="versions"
    )
    relation = models.CharField(max_length=127, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    mock_sha256 = models.CharField(max_length=64, blank=True)
    mock_origin = models.CharField(max_length=10, choices=MockOrigin.choices, blank=True)
    mock_approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    attested_at = models.DateTimeField(null=True, blank=True)
    attested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    erase_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(erase_due_at__isnull=True) ^ Q(status__in=["erasing", "erased"]),
                name="version_erasing_is_due",
            ),
            paired("attested", "version"),
            paired("published", "version"),
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number"),
            models.CheckConstraint(
                condition=Q(max_groups__gte=1) & Q(max_rows__gte=1) & Q(max_units__gte=1),
                name="version_bounds",
            ),
            models.CheckConstraint(
                condition=Q(status=VersionStatus.DRAFT)
                | (Q(published_at__isnull=False) & Q(attested_at__isnull=False) & ~Q(sha256="")),
                name="version_published_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(connection__isnull=True, relation="", fingerprint="")
                | (Q(connection__isnull=False) & ~Q(relation="") & ~Q(fingerprint="")),
                name="version_in_place_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"

    def roles_of(self, user: User) -> set[Role]:
        return self.dataset.roles_of(user)

    @property
    def is_public(self) -> bool:
        """Whether members of the node may know of it."""
        return self.status != VersionStatus.DRAFT

    @property
    def is_in_place(self) -> bool:
        """Whether its rows stay in a database of their own, where they may change."""
        return self.connection_id is not None

    def table(self) -> schema.Table:
        """Return the declared schema as the engine's value: the main table with all others in it."""
        others = tuple(table.value() for table in self.tables.all())
        return replace(self.main_table(), others=others) if others else self.main_table()

    @property
    def content_sha256(self) -> str:
        """Hash every table's file; a version of one table has its file's own hash. As private as those."""
        files = {table.name: table.sha256 for table in self.tables.all()}
        if not files:
            return self.sha256
        lines = [f"{name} {digest}" for name, digest in sorted(files.items())]
        return hashlib.sha256("\n".join([self.sha256, *lines]).encode()).hexdigest()

    @property
    def main_name(self) -> str:
        """The main table's name in SQL."""
        return self.dataset.slug.replace("-", "_")

    def main_table(self) -> schema.Table:
        """Return the main table alone."""
        return schema.Table(
            name=self.main_name,
            columns=tuple(column.value() for column in self.columns.all()),
            unit=PrivacyUnit(self.unit_column or None, self.max_groups, self.max_rows),
            max_units=self.max_units,
        )


class Column(DeclaredColumn):
    """One declared column of a version's main table."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="columns")

    class Meta(DeclaredColumn.Meta):
        constraints = [
            *DeclaredColumn.Meta.constraints,
            models.UniqueConstraint(fields=["version", "name"], name="column_name_once"),
            models.UniqueConstraint(fields=["version", "position"], name="column_position_once"),
        ]
