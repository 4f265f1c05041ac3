"""What people see of the catalogue; lists cost a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Count, Prefetch, Q, QuerySet

from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import (
    AccessPolicy,
    Dataset,
    DatasetVersion,
    MockOrigin,
    Population,
    ResearchArea,
    Steward,
    VersionTable,
)
from domains.errors import InvalidInput, NotFound
from domains.people.models import User
from domains.people.permissions import Permission, Role, require

_SHOWN = (DatasetStatus.PUBLISHED, DatasetStatus.FROZEN)


def _datasets() -> QuerySet[Dataset]:
    """Return datasets with all that `roles_of` and `current` read, so that neither asks for each row."""
    return Dataset.objects.select_related("area", "population").prefetch_related(
        "area__seats",
        "stewards",
        "use_conditions",
        Prefetch("versions", DatasetVersion.objects.prefetch_related("columns", "tables__columns")),
    )


def _lines() -> QuerySet[Dataset]:
    """Return datasets with what a line of a list shows: schemas and roles are read where one is opened."""
    return Dataset.objects.select_related("area", "population").prefetch_related(
        Prefetch("versions", DatasetVersion.objects.annotate(column_count=Count("columns")))
    )


def _owned_by(user: User) -> Q:
    owned = Dataset.objects.filter(
        stewards__user=user, stewards__role=Role.DATASET_OWNER, stewards__ended_at=None
    ).values("pk")
    return Q(pk__in=owned)


def _reviewed_by(user: User) -> QuerySet[ResearchArea]:
    if Role.REVIEWER not in user.node_roles:
        return ResearchArea.objects.none()
    return ResearchArea.objects.filter(seats__user=user, seats__role=Role.AREA_REVIEWER, seats__ended_at=None)


def catalogue(user: User, *, search: str = "", area: str | None = None, use: str = "") -> QuerySet[Dataset]:
    """Return what can be asked now, or is only frozen, and the user's own datasets in any state; by title.

    `area` is a research area's slug; `search` looks in title, summary and column names; `use` is the
    code of a condition of use.
    """
    require(user, Permission.CATALOGUE_READ)
    rows = _lines().filter(Q(status__in=_SHOWN) | _owned_by(user))
    if area:
        rows = rows.filter(area__slug=area)
    if use:
        rows = rows.filter(use_conditions__code=use)
    for word in search.split()[:10]:
        named = Q(columns__name__icontains=word) | Q(tables__columns__name__icontains=word)
        columns = DatasetVersion.objects.filter(named).values("dataset")
        rows = rows.filter(Q(title__icontains=word) | Q(summary__icontains=word) | Q(pk__in=columns))
    return rows.order_by("title", "id")


def described(user: User) -> QuerySet[Dataset]:
    """Return the datasets that can be asked, or are only frozen, with their schemas, by title."""
    require(user, Permission.CATALOGUE_READ)
    return _datasets().filter(status__in=_SHOWN).order_by("title", "id")


def dataset(slug: str, user: User) -> Dataset:
    """Return one dataset, or raise NotFound.

    A draft is there for its owners, and for the area's reviewers only while an uploaded mock waits for them.
    """
    require(user, Permission.CATALOGUE_READ)
    asked = Q(pk__in=mocks_waiting(user).values("dataset"))
    row = _datasets().filter(~Q(status=DatasetStatus.DRAFT) | _owned_by(user) | asked, slug=slug).first()
    if row is None:
        raise NotFound("There is no such dataset that you can see.")
    return row


def versions(row: Dataset, user: User) -> list[DatasetVersion]:
    """Return the versions of a dataset that `user` may see, newest first: drafts are the owners' own.

    A reviewer of the area sees a draft as long as its uploaded mock waits for a second person.
    """
    roles = row.roles_of(user)
    is_owner, is_second = Role.DATASET_OWNER in roles, Role.AREA_REVIEWER in roles
    return [
        v
        for v in row.versions.all()
        if is_owner or v.published_at is not None or (is_second and has_waiting_mock(v))
    ]


def has_waiting_mock(row: DatasetVersion) -> bool:
    """Say whether this draft's uploaded mock waits for a second person (DECISIONS 23)."""
    is_uploaded = row.mock_origin == MockOrigin.UPLOADED and bool(row.mock_sha256)
    return is_uploaded and row.mock_approved_by_id is None and row.status == VersionStatus.DRAFT


def version(slug: str, number: int, user: User) -> DatasetVersion:
    """Return one version of a dataset, or raise NotFound."""
    for candidate in versions(dataset(slug, user), user):
        if candidate.number == number:
            return candidate
    raise NotFound("There is no such version that you can see.")


def table(row: DatasetVersion, name: str) -> VersionTable:
    """Return a version's further table of that name, or raise NotFound."""
    for candidate in row.tables.all():
        if candidate.name == name:
            return candidate
    raise NotFound("This version has no such table.", code="table_missing")


def mock_source(row: DatasetVersion, name: str = "") -> DatasetVersion | VersionTable:
    """Return what holds the mock of a version's table: the version for its main one, named or not."""
    return row if name in ("", row.main_name) else table(row, name)


def draft_of(row: Dataset, user: User) -> DatasetVersion:
    """Return the version that its owner is working on, or raise NotFound."""
    found = next((v for v in versions(row, user) if v.published_at is None), None)
    if found is None:
        raise NotFound("This dataset has no draft version; start one first.", code="no_draft")
    return found


def mock_version(row: Dataset) -> DatasetVersion | None:
    """Return the newest published version whose mock may be downloaded, if it has one.

    A mock generated from the public schema may always; an uploaded one needs a second person (DECISIONS 23).
    """
    current = row.current
    if current is None or not current.mock_sha256:
        return None
    is_out = current.mock_origin == MockOrigin.GENERATED or current.mock_approved_by_id is not None
    return current if is_out else None


def mock_of(slug: str, number: int, user: User) -> DatasetVersion:
    """Return a version whose mock `user` may download, or raise NotFound: a draft's is for owner and second person."""
    found = version(slug, number, user)
    is_out = (
        found.published_at is None or found.mock_origin == MockOrigin.GENERATED or found.mock_approved_by_id
    )
    if not found.mock_sha256 or not is_out:
        raise NotFound("This version has no mock data that you can see.", code="no_mock")
    return found


def policies(row: Dataset, user: User) -> QuerySet[AccessPolicy]:
    """Return the dataset's policies, newest first: rules in force are public, proposals the stewards' own."""
    rows = AccessPolicy.objects.filter(dataset=row).select_related(
        "proposed_by", "activated_by", "ended_by", "dataset__area", "dataset__population", "dry_run"
    )
    rows = rows.defer("dry_run__lines")
    if not row.roles_of(user):
        rows = rows.filter(activated_at__isnull=False)
    return rows.order_by("-number")


def policy(row: Dataset, number: int, user: User) -> AccessPolicy:
    """Return one policy of a dataset, or raise NotFound."""
    found = policies(row, user).filter(number=number).first()
    if found is None:
        raise NotFound("There is no such policy that you can see.")
    return found


def named(keys: Sequence[str], roles: Iterable[Role]) -> list[User]:
    """Return the active people with one of these roles of the node, by key or exact e-mail, or raise InvalidInput.

    One sentence answers for every reason, so that nobody learns who else has an account.
    """
    wanted = sorted(roles)
    asked = {key.strip().lower() for key in keys}
    rows = User.objects.filter(Q(email__in=asked) | Q(pk__in=[key.upper() for key in asked]), is_active=True)
    found = list(rows.filter(memberships__role__in=wanted, memberships__ended_at=None).distinct())
    missing = asked - {user.email.lower() for user in found} - {user.pk.lower() for user in found}
    if missing:
        names = " or ".join(role.value for role in wanted)
        raise InvalidInput(
            f"Nobody here with the role {names} is “{sorted(missing)[0][:80]}”.", code="person_unknown"
        )
    return found


def stewards(row: Dataset) -> QuerySet[Steward]:
    """Return who cares for a dataset now; it is no secret to those who see the dataset."""
    return (
        Steward.objects.filter(dataset=row, ended_at=None).select_related("user").order_by("created_at", "id")
    )


def steward(row: Dataset, key: str) -> Steward:
    """Return one of them, or raise NotFound."""
    found = stewards(row).select_related("dataset__area").filter(pk=key).first()
    if found is None:
        raise NotFound("Nobody has this role here now.")
    return found


def areas(user: User) -> QuerySet[ResearchArea]:
    """Return the research areas by name, with the people who sit in them."""
    require(user, Permission.CATALOGUE_READ)
    return ResearchArea.objects.prefetch_related("seats__user").order_by("name", "id")


def area(slug: str, user: User) -> ResearchArea:
    """Return one research area, or raise NotFound."""
    found = areas(user).filter(slug=slug).first()
    if found is None:
        raise NotFound("There is no such research area.")
    return found


def populations(user: User) -> QuerySet[Population]:
    """Return the populations by name, for whoever describes a dataset."""
    require(user, Permission.CATALOGUE_READ)
    return Population.objects.order_by("name", "id")


def population(name: str, user: User) -> Population:
    """Return the population of that name or key, or raise NotFound."""
    found = populations(user).filter(Q(name=name) | Q(pk=name)).first()
    if found is None:
        raise NotFound("There is no such population.")
    return found


def mocks_waiting(user: User) -> QuerySet[DatasetVersion]:
    """Return the draft versions whose uploaded mock waits for `user` as the second person."""
    rows = DatasetVersion.objects.filter(
        dataset__area__in=_reviewed_by(user).values("pk"),
        status=VersionStatus.DRAFT,
        mock_origin=MockOrigin.UPLOADED,
        mock_approved_by=None,
    )
    return rows.exclude(mock_sha256="").select_related("dataset").order_by("id")


def drafts_of(user: User) -> QuerySet[DatasetVersion]:
    """Return the draft versions of `user`'s own datasets, which wait to be prepared and published."""
    if Role.OWNER not in user.node_roles:
        return DatasetVersion.objects.none()
    own = Dataset.objects.filter(_owned_by(user)).exclude(status=DatasetStatus.WITHDRAWN).values("pk")
    rows = DatasetVersion.objects.filter(dataset__in=own, status=VersionStatus.DRAFT)
    return rows.select_related("dataset").order_by("id")


def frozen_of(user: User) -> QuerySet[Dataset]:
    """Return `user`'s own datasets that are frozen: nobody can ask them until somebody decides."""
    if Role.OWNER not in user.node_roles:
        return Dataset.objects.none()
    rows = Dataset.objects.filter(_owned_by(user), status=DatasetStatus.FROZEN)
    return rows.select_related("area").order_by("id")


def policies_waiting(user: User) -> QuerySet[AccessPolicy]:
    """Return the proposed policies that `user` may activate."""
    reviewed = _reviewed_by(user).values("pk")
    rows = AccessPolicy.objects.filter(dataset__area__in=reviewed, activated_at=None, ended_at=None)
    return rows.exclude(proposed_by=user).select_related("dataset", "proposed_by").order_by("id")
