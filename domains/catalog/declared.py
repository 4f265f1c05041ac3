"""Declared columns, and the tables that a version has beside its main one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q

from domains.base import Model
from privacy import schema
from privacy.unit import PrivacyUnit

if TYPE_CHECKING:
    from domains.people.models import User
    from domains.people.permissions import Role


class BoundSource(models.TextChoices):
    """Where a bound or code list comes from; never the private data."""

    PROTOCOL = "protocol", "study protocol"
    CODEBOOK = "codebook", "code book"
    DP_QUERY = "dp_query", "charged DP query"


class DeclaredColumn(Model):
    """One declared column, with public bounds, codes and missing sentinels; a date's bounds are day numbers."""

    position = models.PositiveIntegerField()
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in schema.Kind])
    description = models.CharField(max_length=200, blank=True)
    lower = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    upper = models.DecimalField(max_digits=24, decimal_places=6, null=True, blank=True)
    step = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(1))
    codes = models.JSONField(default=list, blank=True)
    missing = models.JSONField(default=list, blank=True)
    nullable = models.BooleanField(default=True)
    source = models.CharField(max_length=10, choices=BoundSource.choices, default=BoundSource.CODEBOOK)

    class Meta:
        abstract = True
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(condition=Q(step__gt=0), name="%(class)s_step"),
            models.CheckConstraint(
                # Both written out: a comparison with NULL is neither true nor false, and a CHECK lets it pass.
                condition=Q(lower__isnull=True, upper__isnull=True)
                | Q(lower__isnull=False, lower__lt=F("upper"), upper__isnull=False),
                name="%(class)s_bounds",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def lower_text(self) -> str | None:
        """The lower bound as people write it: an ISO date, or a plain decimal."""
        return schema.bound_text(schema.Kind(self.kind), self.lower)

    @property
    def upper_text(self) -> str | None:
        """The upper bound as people write it."""
        return schema.bound_text(schema.Kind(self.kind), self.upper)

    def value(self) -> schema.Column:
        """Return the column as the engine's value."""
        return schema.Column(
            name=self.name,
            kind=schema.Kind(self.kind),
            lower=self.lower,
            upper=self.upper,
            step=self.step,
            codes=tuple(self.codes),
            missing=tuple(self.missing),
            description=self.description,
            nullable=self.nullable,
        )


class VersionTable(Model):
    """A table of a version beside its main one: private, about the same units, or a public look-up table."""

    version = models.ForeignKey("catalog.DatasetVersion", on_delete=models.CASCADE, related_name="tables")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=63)
    is_public = models.BooleanField(default=False)
    key = models.CharField(
        max_length=63, blank=True
    )  # the public table's column whose values are all different
    unit_column = models.CharField(max_length=63, blank=True)  # the private table's privacy unit
    max_groups = models.PositiveIntegerField(default=1)
    max_rows = models.PositiveIntegerField(default=1)
    max_units = models.BigIntegerField(
        default=1, help_text="A public bound on its units, or on a public table's rows."
    )
    declared_rows = models.BigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)  # of its file; private where the table is
    mock_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "name"], name="table_name_once"),
            models.UniqueConstraint(fields=["version", "position"], name="table_position_once"),
            models.CheckConstraint(
                condition=Q(max_groups__gte=1) & Q(max_rows__gte=1) & Q(max_units__gte=1), name="table_bounds"
            ),
            models.CheckConstraint(
                condition=Q(is_public=True, unit_column="", max_groups=1, max_rows=1)
                | Q(is_public=False, key=""),
                name="table_public_or_about_units",
            ),
            # A file is made under a declaration, so it has a key or a unit by then, and a mock beside it.
            models.CheckConstraint(
                condition=Q(sha256="", mock_sha256="")
                | (~Q(sha256="") & ~Q(mock_sha256="") & (~Q(key="") | ~Q(unit_column=""))),
                name="table_made_is_declared",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.version}"

    def roles_of(self, user: User) -> set[Role]:
        return self.version.roles_of(user)

    @property
    def is_declared(self) -> bool:
        """Whether its columns are declared."""
        return bool(self.columns.all())

    def value(self) -> schema.Table:
        """Return the declared table as the engine's value."""
        return schema.Table(
            name=self.name,
            columns=tuple(column.value() for column in self.columns.all()),
            unit=PrivacyUnit(self.unit_column or None, self.max_groups, self.max_rows),
            max_units=self.max_units,
            is_public=self.is_public,
            key=self.key or None,
        )


class TableColumn(DeclaredColumn):
    """One declared column of a further table."""

    table = models.ForeignKey(VersionTable, on_delete=models.CASCADE, related_name="columns")

    class Meta(DeclaredColumn.Meta):
        constraints = [
            *DeclaredColumn.Meta.constraints,
            models.UniqueConstraint(fields=["table", "name"], name="tablecolumn_name_once"),
            models.UniqueConstraint(fields=["table", "position"], name="tablecolumn_position_once"),
        ]
