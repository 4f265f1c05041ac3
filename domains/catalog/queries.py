"""What people see of the catalogue; lists cost a constant number of queries."""

from __future__ import annotations

from django.db.models import Prefetch, Q, QuerySet

from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import AccessPolicy, Dataset, DatasetVersion, MockOrigin, Population, ResearchArea
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, Role, require

_SHOWN = (DatasetStatus.PUBLISHED, DatasetStatus.FROZEN)


def _datasets() -> QuerySet[Dataset]:
    """Return datasets with all that `roles_of` and `current` read, so that neither asks for each row."""
    return Dataset.objects.select_related("area", "population").prefetch_related(
        "area__seats", "stewards", Prefetch("versions", DatasetVersion.objects.prefetch_related("columns"))
    )


def _owned_by(user: User) -> Q:
    owned = Dataset.objects.filter(
        stewards__user=user, stewards__role=Role.DATASET_OWNER, stewards__ended_at=None
    ).values("pk")
    return Q(pk__in=owned)


def catalogue(user: User, *, search: str = "", area: str | None = None) -> QuerySet[Dataset]:
    """Return what can be asked now, or is only frozen, and the user's own datasets in any state; by title.

    `area` is a research area's slug; `search` looks in title, summary and column names.
    """
    require(user, Permission.CATALOGUE_READ)
    rows = _datasets().filter(Q(status__in=_SHOWN) | _owned_by(user))
    if area:
        rows = rows.filter(area__slug=area)
    for word in search.split()[:10]:
        columns = DatasetVersion.objects.filter(columns__name__icontains=word).values("dataset")
        rows = rows.filter(Q(title__icontains=word) | Q(summary__icontains=word) | Q(pk__in=columns))
    return rows.order_by("title", "id")


def dataset(slug: str, user: User) -> Dataset:
    """Return one dataset, or raise NotFound: a draft is there for its owners only."""
    require(user, Permission.CATALOGUE_READ)
    row = _datasets().filter(~Q(status=DatasetStatus.DRAFT) | _owned_by(user), slug=slug).first()
    if row is None:
        raise NotFound("There is no such dataset that you can see.")
    return row


def versions(row: Dataset, user: User) -> list[DatasetVersion]:
    """Return the versions of a dataset that `user` may see, newest first: drafts are the owners' own."""
    is_owner = Role.DATASET_OWNER in row.roles_of(user)
    return [v for v in row.versions.all() if is_owner or v.published_at is not None]


def version(slug: str, number: int, user: User) -> DatasetVersion:
    """Return one version of a dataset, or raise NotFound."""
    for candidate in versions(dataset(slug, user), user):
        if candidate.number == number:
            return candidate
    raise NotFound("There is no such version that you can see.")


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


def policies(row: Dataset, user: User) -> QuerySet[AccessPolicy]:
    """Return the dataset's policies, newest first: rules in force are public, proposals the stewards' own."""
    rows = AccessPolicy.objects.filter(dataset=row).select_related(
        "proposed_by", "activated_by", "dataset__area"
    )
    if not row.roles_of(user):
        rows = rows.filter(activated_at__isnull=False)
    return rows.order_by("-number")


def policy(row: Dataset, number: int, user: User) -> AccessPolicy:
    """Return one policy of a dataset, or raise NotFound."""
    found = policies(row, user).filter(number=number).first()
    if found is None:
        raise NotFound("There is no such policy that you can see.")
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
    """Return the published versions whose uploaded mock waits for `user` as the second person."""
    reviewed = ResearchArea.objects.filter(
        seats__user=user, seats__role=Role.AREA_REVIEWER, seats__ended_at=None
    ).values("pk")
    rows = DatasetVersion.objects.filter(
        dataset__area__in=reviewed,
        published_at__isnull=False,
        mock_origin=MockOrigin.UPLOADED,
        mock_approved_by=None,
    )
    return rows.select_related("dataset").order_by("id")


def policies_waiting(user: User) -> QuerySet[AccessPolicy]:
    """Return the proposed policies that `user` may activate."""
    reviewed = ResearchArea.objects.filter(
        seats__user=user, seats__role=Role.AREA_REVIEWER, seats__ended_at=None
    ).values("pk")
    rows = AccessPolicy.objects.filter(dataset__area__in=reviewed, activated_at=None, ended_at=None)
    return rows.exclude(proposed_by=user).select_related("dataset", "proposed_by").order_by("id")
