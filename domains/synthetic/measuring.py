"""How a worker measures for a synthetic mock: as it runs a request, and charged before the first private byte.

A failure before that gives the reservation back; after it the loss is spent, whatever becomes of the answer.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog import storage
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import IllegalMove
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import JobKind
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.notices.outbox import tell
from domains.people.models import User
from domains.requests import execution
from domains.requests.fitting import FIT_SECONDS, QUEUE
from domains.synthetic.actions import address, lock
from domains.synthetic.lifecycle import MockStatus
from domains.synthetic.models import SyntheticMock
from domains.synthetic.specification import respecify
from privacy.errors import PrivacyError


def run(claim: Claim) -> None:
    """Measure one confirmed proposal. May be delivered twice: the claim's fence and the charge decide who runs."""
    mock = of_job(claim)
    measuring = execution.ChargedRun(
        preflight=lambda: preflight(mock, claim),
        stopped=lambda: stopped(mock),
        stand_down=lambda code: stand_down(mock, claim, code),
        files=lambda: storage.tickets(mock.version),
        conclude=lambda sha256: _conclude(mock, claim, sha256),
        fail=lambda status: _fail(mock, claim, status),
    )
    execution.answer(claim, measuring)


def of_job(claim: Claim) -> SyntheticMock:
    """Return the mock that a job is for."""
    related = ("version__dataset__population", "proposed_by", "decided_by", "job")
    return SyntheticMock.objects.select_related(*related).get(pk=claim.job.subject)


def stopped(mock: SyntheticMock) -> str:
    """Return why the version may not be opened now, read afresh, or an empty string."""
    now = DatasetVersion.objects.select_related("dataset").get(pk=mock.version_id)
    if now.dataset.status != DatasetStatus.PUBLISHED:
        return "dataset_stopped"
    return "version_retired" if now.status != VersionStatus.PUBLISHED else ""


def preflight(mock: SyntheticMock, claim: Claim) -> str:
    """Ask everything again, now; return a public reason code for standing down, or an empty string."""
    ended = stopped(mock)
    reasons = {
        "confirmation_gone": mock.status != MockStatus.CONFIRMED or mock.job_id != claim.job.pk,
        "confirmation_expired": claim.job.valid_until <= timezone.now(),
        ended: bool(ended),
        "specification_changed": not _is_as_confirmed(mock, claim),
        "ledger_behind_witness": checkpoints.is_behind(),
        "reservation_gone": books.charge(claim.job.charge_key).state != "RESERVED",
    }
    return next((code for code, holds in reasons.items() if holds), "")


def _is_as_confirmed(mock: SyntheticMock, claim: Claim) -> bool:
    """Price afresh and compare with the hash that was confirmed."""
    try:
        specification = respecify(mock)
    except (IllegalMove, PrivacyError):
        return False
    is_same = specification.sha256() == mock.sha256
    return is_same and bool(claim.job.spec == specification.job_spec() | {"mock_sha256": mock.sha256})


def stand_down(mock: SyntheticMock, claim: Claim, code: str) -> None:
    """End a job that read nothing: its reservation goes back and its people are told why.

    Records that are behind their witness void nothing: reconciling settles the reservation, or a sweep does.
    """
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.FAILED, code=code)
        if code != "ledger_behind_witness":
            lapse(mock, code)


def lapse(mock: SyntheticMock, code: str) -> None:
    """Give a confirmed mock's reservation back and say so; called inside the transaction that ended its job."""
    lock(mock)
    if not ledger.void(mock.run.charge_key, reason=code):
        return
    move(mock, MockStatus.LAPSED, status_code=code)
    record(Event.SYNTHETIC_LAPSED, by="system", on=mock, charge=mock.run.charge_key, code=code)
    text = f"Synthetic rows of “{mock.dataset.title}” were not made; their reservation was given back."
    tell(_people(mock), Event.SYNTHETIC_LAPSED, text, address(mock))


def _people(mock: SyntheticMock) -> list[User]:
    return [person for person in (mock.proposed_by, mock.decided_by) if person is not None]


def _conclude(mock: SyntheticMock, claim: Claim, sha256: str) -> None:
    checkpoints.witness()
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.SUCCEEDED)
        conclude(mock, sha256=sha256, at=claim.job.deadline)


def _fail(mock: SyntheticMock, claim: Claim, status: JobStatus) -> None:
    with transaction.atomic(durable=True):
        jobs.finish(claim, status, code="failed")
        fail(mock, "no_answer")


def conclude(mock: SyntheticMock, *, sha256: str, at: datetime) -> None:
    """Take over a stored answer and queue the making of its rows, inside the transaction that ends its job."""
    lock(mock)
    move(mock, MockStatus.MEASURED, answer_sha256=sha256)
    version = mock.version
    spec = {
        "plan": mock.plan,
        "table": version.table().to_dict(),
        "scales": [measure["scale"] for measure in mock.pricing["measures"]],
        "epsilon": mock.epsilon,
        "memory_mb": settings.JOB_MEMORY_MB // 2,
    }
    jobs.queue(JobKind.SYNTHESIS, subject=mock.pk, spec=spec, planned_seconds=FIT_SECONDS, queue=QUEUE)
    record(
        Event.SYNTHETIC_MEASURED,
        by="system",
        on=mock,
        at=at,
        charge=mock.charge_id,
        sha256=sha256,
        **mock.loss.to_dict(),
    )


def fail(mock: SyntheticMock, code: str) -> None:
    """Say that no rows will come of what was paid, inside the transaction that found it out."""
    lock(mock)
    move(mock, MockStatus.FAILED, status_code=code)
    record(Event.SYNTHETIC_FAILED, by="system", on=mock, charge=mock.charge_id, code=code)
    text = f"No synthetic rows of “{mock.dataset.title}” will come of the loss; it stays spent."
    tell(_people(mock), Event.SYNTHETIC_FAILED, text, address(mock))
