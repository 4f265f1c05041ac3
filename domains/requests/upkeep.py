"""Sweeps that tidy requests. Each is idempotent, and no rule depends on one having run."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from domains.audit.checkpoints import witness
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove
from domains.jobs import actions as jobs
from domains.jobs.lifecycle import JobStatus
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.notices.outbox import tell
from domains.requests import releases
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest


def sweep(now: datetime) -> None:
    """Lapse approvals that were never used, and conclude answers whose worker died after persisting them."""
    for analysis in _unused(now):
        lapse(analysis)
    for analysis in _stranded(now):
        rescue(analysis)
    for analysis in _never_started():
        give_back(analysis)


def _unused(now: datetime) -> list[AnalysisRequest]:
    waiting = AnalysisRequest.objects.filter(
        status=Status.APPROVED, job__status=JobStatus.QUEUED, job__valid_until__lte=now
    )
    return list(waiting.select_related("job", "author")[:100])


def lapse(analysis: AnalysisRequest) -> bool:
    """Void an approval that no worker took up in time."""
    try:
        with transaction.atomic(durable=True):
            if not jobs.cancel(analysis.run, code="approval_expired"):
                return False
            _end(analysis, Status.LAPSED, "approval_expired")
    except IllegalMove:  # somebody moved it first, which is as good
        return False
    return True


def _end(analysis: AnalysisRequest, status: Status, code: str) -> None:
    lock(analysis)
    ledger.void(analysis.run.charge_key, reason=code)
    move(analysis, status, status_code=code)
    record(Event.REQUEST_LAPSED, by="system", on=analysis, charge=analysis.run.charge_key, code=code)
    text = f"“{analysis.title}” was not run; its reservation was given back."
    tell([analysis.author], Event.REQUEST_LAPSED, text, f"/requests/{analysis.pk}/")


def _stranded(now: datetime) -> list[AnalysisRequest]:
    """Find requests whose answer is persisted but not concluded: the worker died in between."""
    lost = AnalysisRequest.objects.filter(
        status=Status.APPROVED, job__status=JobStatus.LOST, job__due_at__lte=now, releases=None
    )
    return list(lost.select_related("job", "author", "revision", "grant__project", "grant__dataset")[:100])


def rescue(analysis: AnalysisRequest) -> bool:
    """Release the persisted answer of a worker that died after T3; False when there is none."""
    payload_sha256 = books.answer_sha256(analysis.run.charge_key)
    if payload_sha256 is None:
        return False
    witness()
    with transaction.atomic(durable=True):
        releases.conclude(
            analysis, charge_id=analysis.run.charge_key, sha256=payload_sha256, at=analysis.run.deadline
        )
    return True


def _never_started() -> list[AnalysisRequest]:
    """Find approved requests whose job was given up before it opened data: their reservation goes back."""
    lost = AnalysisRequest.objects.filter(
        status=Status.APPROVED,
        job__status__in=[JobStatus.LOST, JobStatus.FAILED],
        job__data_opened_at=None,
    )
    return list(lost.select_related("job", "author")[:100])


def give_back(analysis: AnalysisRequest) -> bool:
    """Void the reservation of a job that was given up before data was read."""
    try:
        with transaction.atomic(durable=True):
            if books.charge(analysis.run.charge_key).state != "RESERVED":
                return False
            _end(analysis, Status.LAPSED, "no_worker_finished")
    except IllegalMove:
        return False
    return True
