"""Sweeps that tidy requests. Each is idempotent, and no rule depends on one having run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

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
from domains.people.permissions import Role
from domains.people.queries import holders
from domains.requests import escalation, panel, releases, standing
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest

log = logging.getLogger(__name__)


def sweep(now: datetime) -> None:
    """Lapse unused approvals, conclude what a dying worker left behind, and tell authors of what was lost."""
    _each(remind, _lapsing(now))
    _each(lapse, _unused(now))
    _each(rescue, _stranded(now))
    _each(give_back, _never_started())
    _each(own_up, _unanswered())
    _each(panel.hand_on, list(escalation.orphaned()[:100]))
    _each(escalation.look, _undecidable())
    _each(lambda row: escalation.escalate(row, now), list(escalation.overdue(now)[:100]))


def _undecidable() -> list[AnalysisRequest]:
    """Find requests that too few people are left to approve, among those that wait longest."""
    rows = escalation.candidates()[: escalation.MOST]
    return [row for row in rows if not standing.standing(row).is_reachable]


def _each(step: Callable[[AnalysisRequest], bool], found: list[AnalysisRequest]) -> None:
    """Take the step for each; one that fails does not stop the others and is tried again next time."""
    for analysis in found:
        try:
            step(analysis)
        except Exception as error:
            log.error("a request could not be tidied", extra={"request": analysis.pk}, exc_info=error)


def _lapsing(now: datetime) -> list[AnalysisRequest]:
    """Find approvals that no worker has taken up and whose last seventh has begun; nobody was reminded yet."""
    soon = now + timedelta(days=settings.APPROVAL_VALID_DAYS) / 7
    waiting = AnalysisRequest.objects.filter(
        status=Status.APPROVED,
        status_code="",
        job__status=JobStatus.QUEUED,
        job__valid_until__gt=now,
        job__valid_until__lte=soon,
    )
    return list(waiting.select_related("job", "author")[:100])


def remind(analysis: AnalysisRequest) -> bool:
    """Tell the author, and those who run the workers, that an approval is about to lapse: once, by its status code."""
    with transaction.atomic(durable=True):
        lock(analysis)
        untold = AnalysisRequest.objects.filter(pk=analysis.pk, status_code="")
        if untold.update(status_code="lapsing") != 1:
            return False
        record(Event.REQUEST_LAPSING, by="system", on=analysis, job=analysis.run.pk)
        text = f"“{analysis.title}” was approved, and no worker has taken it up; soon its approval lapses."
        tell([analysis.author], Event.REQUEST_LAPSING, text, f"/requests/{analysis.pk}/")
        text = "An approved request waits for a worker and is about to lapse."
        tell(holders(Role.ADMINISTRATOR), Event.REQUEST_LAPSING, text, "/stuck/")
    return True


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
        status=Status.APPROVED,
        job__status=JobStatus.LOST,
        job__due_at__lte=now,
        job__charge__answer__isnull=False,
        releases=None,
    )
    return list(lost.select_related("job", "author", "revision", "grant__project", "grant__dataset")[:100])


def rescue(analysis: AnalysisRequest) -> bool:
    """Release the persisted answer of a worker that died after T3; False when there is none."""
    payload_sha256 = books.answer_sha256(analysis.run.charge_key)
    if payload_sha256 is None:
        return False
    witness()
    with transaction.atomic(durable=True):
        lock(analysis)
        if analysis.releases.exists():  # another worker's sweep was quicker
            return False
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


def _unanswered() -> list[AnalysisRequest]:
    """Find approved requests that were charged and will never be answered, and whose author was not told."""
    without = AnalysisRequest.objects.filter(
        status=Status.APPROVED, status_code__in=["", "lapsing"], job__charge__state="BURNT"
    ).filter(Q(job__status=JobStatus.LOST) | Q(job__status=JobStatus.FAILED, job__data_opened_at=None))
    return list(without.select_related("job", "author")[:100])


def own_up(analysis: AnalysisRequest) -> bool:
    """Tell the author that no answer will come, once: the status code remembers it."""
    with transaction.atomic(durable=True):
        lock(analysis)
        untold = AnalysisRequest.objects.filter(pk=analysis.pk, status_code__in=["", "lapsing"])
        if untold.update(status_code="no_answer") != 1:
            return False
        run = analysis.run
        record(Event.JOB_FAILED, by="system", on=analysis, job=run.pk, charge=run.charge_key)
        text = f"“{analysis.title}” ended without an answer. Its loss stays spent."
        tell([analysis.author], Event.JOB_FAILED, text, f"/requests/{analysis.pk}/")
    return True
