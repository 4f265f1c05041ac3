"""What people see of synthetic mocks: everybody what was published, those who decide the proposals as well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.db.models import Q, QuerySet

from domains.catalog import storage
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import NEEDS, Dataset, ResearchArea
from domains.errors import NotFound
from domains.ledger import queries as books
from domains.ledger.queries import Effect
from domains.people.models import User
from domains.people.permissions import TABLE, Permission, Role, allows, require
from domains.requests.specification import Specification
from domains.synthetic.actions import askable
from domains.synthetic.lifecycle import PUBLIC, MockStatus
from domains.synthetic.models import SyntheticMock
from domains.synthetic.specification import respecify, specify
from privacy.errors import QueryRejected

_RELATED = (
    "version__dataset__population",
    "version__dataset__area",
    "proposed_by",
    "decided_by",
    "retracted_by",
)
_DECIDERS = frozenset(role for role, held in TABLE.items() if Permission.SYNTHETIC_CONFIRM in held)


@dataclass(frozen=True)
class Estimate:
    """Priced marginals with their effect on the two budgets that would pay; public values only."""

    specification: Specification
    effects: tuple[Effect, ...]

    @property
    def fits(self) -> bool:
        return all(effect.fits for effect in self.effects)


def estimate(dataset: Dataset, *, sql: str, epsilon: str, by: User) -> Estimate:
    """Price a proposal for an owner without storing it; raise QueryRejected, InvalidInput or IllegalMove."""
    require(by, Permission.SYNTHETIC_PROPOSE, on=dataset)
    return _of(dataset, specify(askable(dataset), sql=sql, epsilon=epsilon))


def estimate_of(mock: SyntheticMock) -> Estimate | None:
    """Price a proposal that waits, for those who decide on it; None when it does not wait or fits no longer."""
    if mock.status != MockStatus.PROPOSED:
        return None
    try:
        return _of(mock.dataset, respecify(mock))
    except QueryRejected:
        return None


def _of(dataset: Dataset, specification: Specification) -> Estimate:
    return Estimate(specification, tuple(books.effect_for_everybody(dataset, specification.loss)))


def sees_all(dataset: Dataset, user: User) -> bool:
    """Say whether `user` may know of proposals: those who care for the dataset, decide, or read its budget."""
    return bool(dataset.roles_of(user) & _DECIDERS) or allows(user, Permission.BUDGET_READ, on=dataset)


def mocks(dataset: Dataset, user: User) -> QuerySet[SyntheticMock]:
    """Return a dataset's synthetic mocks that `user` may see, newest first."""
    rows = SyntheticMock.objects.filter(version__dataset=dataset).select_related(*_RELATED)
    return rows if sees_all(dataset, user) else rows.filter(status__in=sorted(PUBLIC))


def mock(dataset: Dataset, key: str, user: User) -> SyntheticMock:
    """Return one of them, or raise NotFound."""
    found = mocks(dataset, user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such synthetic mock that you can see.")
    return found


def shown(dataset: Dataset) -> SyntheticMock | None:
    """Return the one that is offered as the dataset's second grade of mock: the newest published."""
    if dataset.status == DatasetStatus.WITHDRAWN:
        return None
    rows = SyntheticMock.objects.filter(version__dataset=dataset, status=MockStatus.PUBLISHED)
    return rows.select_related(*_RELATED).order_by("-published_at", "-id").first()


def offered(dataset: Dataset) -> SyntheticMock:
    """Return the same, or raise NotFound."""
    found = shown(dataset)
    if found is None:
        raise NotFound("This dataset has no synthetic mock that is out.", code="no_synthetic_mock")
    return found


def path_of(found: SyntheticMock, kind: str) -> Path:
    """Return the file, csv or parquet, of rows that are published, or raise NotFound: retracted ones are not served."""
    if found.status != MockStatus.PUBLISHED:
        raise NotFound("These rows are not published.", code="no_synthetic_mock")
    return storage.synthetic_path(found.file_sha256, kind)


def filename(found: SyntheticMock, kind: str) -> str:
    """Return the name under which a file is downloaded, which says what it is."""
    version = found.version
    return f"{version.dataset.slug}-v{version.number}-dp-synthetic-epsilon-{found.epsilon}.{kind}"


def waiting(user: User) -> QuerySet[SyntheticMock]:
    """Return the proposals that wait for `user` as the second person."""
    kept = {
        role.value for role in (Role.DATASET_OWNER, Role.DATASET_REVIEWER) if user.node_roles & NEEDS[role]
    }
    own = Dataset.objects.filter(
        stewards__user=user, stewards__role__in=kept, stewards__ended_at=None
    ).values("pk")
    reviewed = ResearchArea.objects.none().values("pk")
    if user.node_roles & NEEDS[Role.AREA_REVIEWER]:
        seats = {"seats__user": user, "seats__role": Role.AREA_REVIEWER, "seats__ended_at": None}
        reviewed = ResearchArea.objects.filter(**seats).values("pk")
    rows = SyntheticMock.objects.filter(
        Q(version__dataset__in=own) | Q(version__dataset__area__in=reviewed), status=MockStatus.PROPOSED
    )
    return rows.exclude(proposed_by=user).select_related(*_RELATED).order_by("id")
