"""What people do about synthetic mocks: propose, confirm as another person, decline, withdraw, retract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset, DatasetVersion
from domains.errors import IllegalMove, NotAllowed
from domains.jobs import actions as jobs
from domains.jobs.models import JobKind
from domains.ledger import accounts, protocol
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.requests.specification import Specification
from domains.synthetic.lifecycle import MockStatus
from domains.synthetic.models import SyntheticMock
from domains.synthetic.specification import charge_words, respecify, specify
from domains.words import once, stated_reason

_DECIDERS = (Role.DATASET_OWNER, Role.DATASET_REVIEWER)


@transaction.atomic(durable=True)
def propose(dataset: Dataset, *, sql: str, epsilon: str, by: User) -> SyntheticMock:
    """Propose synthetic rows of the current version, for a second person to confirm; nothing is charged yet."""
    require(by, Permission.SYNTHETIC_PROPOSE, on=dataset)
    version = askable(dataset)
    specification = specify(version, sql=sql, epsilon=epsilon)
    with once("A synthetic mock of this version waits for a second person already.", code="mock_waiting"):
        mock = SyntheticMock.objects.create(
            version=version,
            sql=specification.sql,
            epsilon=str(specification.epsilon),
            plan=specification.plan.to_dict(),
            pricing=specification.pricing.to_dict(),
            rho=specification.loss.rho,
            sha256=specification.sha256(),
            proposed_by=by,
        )
    record(Event.SYNTHETIC_PROPOSED, by=by, on=mock, **_terms(mock))
    text = f"Synthetic rows of “{dataset.title}” at ε = {mock.epsilon} wait for a second person."
    tell(seconds(dataset) - {by}, Event.SYNTHETIC_PROPOSED, text, address(mock))
    return mock


def askable(dataset: Dataset) -> DatasetVersion:
    """Return the version that synthetic rows would be of, or raise IllegalMove."""
    version = dataset.current
    if version is None or dataset.status != DatasetStatus.PUBLISHED:
        raise IllegalMove(
            "Synthetic rows are made of a published dataset that is not frozen.", code="not_published"
        )
    return version


def _terms(mock: SyntheticMock) -> dict[str, Any]:
    """Return what an audit leaf says of the terms; the hash stands for the marginals."""
    version = mock.version
    return {"dataset": version.dataset_id, "version": version.number, "sha256": mock.sha256} | {
        "epsilon": mock.epsilon,
        **mock.loss.to_dict(),
    }


def address(mock: SyntheticMock) -> str:
    """Return the path of a mock's page, for notices."""
    return f"/datasets/{mock.dataset.slug}/synthetic/{mock.pk}/"


def seconds(dataset: Dataset) -> set[User]:
    """Return the people who may be the second person about a dataset."""
    stewards = dataset.stewards.filter(role__in=_DECIDERS, ended_at=None).select_related("user")
    seats = dataset.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
    return _users(stewards) | _users(seats)


def _users(rows: Iterable[Any]) -> set[User]:
    return {row.user for row in rows}


@transaction.atomic(durable=True)
def confirm(mock: SyntheticMock, *, by: User) -> None:
    """Confirm a proposal as the second person: its loss is reserved and its measurement queued, or nothing is.

    Raises BudgetExhausted where the dataset's or its population's cap does not hold it, and IllegalMove "stale"
    where it is no longer what was proposed.
    """
    require(by, Permission.SYNTHETIC_CONFIRM, on=mock)
    _require_second(mock, by)
    require_running()
    lock(mock)
    specification = _as_proposed(mock)
    debited = [account.pk for account in accounts.for_everybody(mock.dataset)]
    charge = protocol.reserve(
        **charge_words(mock, specification), accounts=debited, grant=None, person=None, loss=mock.loss
    )
    now = timezone.now()
    job = jobs.queue(
        JobKind.MEASUREMENT,
        subject=mock.pk,
        spec=specification.job_spec() | {"mock_sha256": mock.sha256},
        planned_seconds=specification.deadline_seconds + settings.DEADLINE_SLACK,
        charge_id=charge,
        valid_until=now + timedelta(days=settings.APPROVAL_VALID_DAYS),
    )
    move(mock, MockStatus.CONFIRMED, decided_at=now, decided_by=by, charge_id=charge, job=job)
    record(Event.SYNTHETIC_CONFIRMED, by=by, on=mock, charge=charge, **_terms(mock))
    text = f"Your synthetic rows of “{mock.dataset.title}” were confirmed and will be measured."
    tell([mock.proposed_by], Event.SYNTHETIC_CONFIRMED, text, address(mock))


def _require_second(mock: SyntheticMock, by: User) -> None:
    if by.pk == mock.proposed_by_id:
        raise NotAllowed("You proposed this, so somebody else must decide.", code="separation_of_duties")


def lock(mock: SyntheticMock) -> None:
    """Take the mock's row before the ledger and the log; raise IllegalMove "stale" when somebody moved it."""
    row = SyntheticMock.objects.select_for_update(no_key=True).values("status", "job_id").get(pk=mock.pk)
    if row != {"status": mock.status, "job_id": mock.job_id}:
        raise IllegalMove("This changed since you opened it. Look at it again before deciding.", code="stale")


def _as_proposed(mock: SyntheticMock) -> Specification:
    """Return the specification that was proposed, priced afresh; another price or version is another proposal."""
    if mock.status != MockStatus.PROPOSED:
        raise IllegalMove(f"This synthetic mock is {mock.state.label.lower()}; there is nothing to decide.")
    specification = respecify(mock)
    if askable(mock.dataset).pk != mock.version_id or specification.sha256() != mock.sha256:
        raise IllegalMove("The dataset changed since this was proposed. Propose it again.", code="stale")
    return specification


@transaction.atomic(durable=True)
def decline(mock: SyntheticMock, *, reason: str, by: User) -> None:
    """Turn a proposal down as the second person, and say why; nothing was charged."""
    require(by, Permission.SYNTHETIC_CONFIRM, on=mock)
    _require_second(mock, by)
    why = stated_reason(reason)
    move(mock, MockStatus.DECLINED, decided_at=timezone.now(), decided_by=by, reason=why)
    record(Event.SYNTHETIC_DECLINED, by=by, on=mock, reason=why)
    text = f"Your synthetic rows of “{mock.dataset.title}” were declined: {why}"
    tell([mock.proposed_by], Event.SYNTHETIC_DECLINED, text, address(mock))


@transaction.atomic(durable=True)
def withdraw(mock: SyntheticMock, *, by: User) -> None:
    """Take one's own proposal back before anybody decided."""
    require(by, Permission.SYNTHETIC_PROPOSE, on=mock)
    if by.pk != mock.proposed_by_id:
        raise NotAllowed("Somebody else proposed this: decline it instead.", code="not_the_proposer")
    move(mock, MockStatus.WITHDRAWN, decided_at=timezone.now(), decided_by=by)
    record(Event.SYNTHETIC_WITHDRAWN, by=by, on=mock)


@transaction.atomic(durable=True)
def retract(mock: SyntheticMock, *, reason: str, by: User) -> None:
    """Stop serving published rows, and say why; what they cost stays spent, for they were out."""
    require(by, Permission.SYNTHETIC_RETRACT, on=mock)
    why = stated_reason(reason)
    now = timezone.now()
    move(mock, MockStatus.RETRACTED, retracted_at=now, retracted_by=by, retracted_reason=why)
    record(Event.SYNTHETIC_RETRACTED, by=by, on=mock, file=mock.file_sha256, reason=why)
    text = f"Synthetic rows of “{mock.dataset.title}” were retracted: {why}"
    tell(seconds(mock.dataset) - {by}, Event.SYNTHETIC_RETRACTED, text, address(mock))
