"""How a run ends: stood down before data was read, answered, killed because a right was taken away, or failed."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.lifecycle import JobStatus
from domains.ledger import protocol as ledger
from domains.notices.outbox import tell
from domains.projects.rights import grant_usable, in_words
from domains.requests import releases
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest

# Conditions that somebody ended on purpose: a run under one is killed. Any other merely ran out, and the run ends.
TAKEN_AWAY = frozenset({"grant_granted", "project_approved", "dataset_published", "dataset_not_frozen"})
# Refusals before data was read end the request like this; everything else revokes it.
_ENDS = {"approval_expired": Status.LAPSED, "version_retired": Status.LAPSED}


def rights_ended(analysis: AnalysisRequest) -> str:
    """Return the code of the first condition of the grant that does not hold now, or an empty string."""
    refusal = grant_usable(analysis.grant, analysis.author, timezone.now()).refusal
    return refusal.code if refusal else ""


def stand_down(analysis: AnalysisRequest, claim: Claim, code: str) -> None:
    """End a job that read nothing: its reservation is voided and its author told why.

    Records that are behind their witness void nothing: reconciling settles the reservation, or a sweep does.
    """
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.KILLED if code in TAKEN_AWAY else JobStatus.FAILED, code=code)
        if code == "ledger_behind_witness":
            return
        lock(analysis)
        if not ledger.void(claim.job.charge_key, reason=code):
            return
        if analysis.status == Status.APPROVED and analysis.job_id == claim.job.pk:
            move(analysis, _ENDS.get(code, Status.REVOKED), status_code=code, reasons=_why(analysis, code))
        record(Event.JOB_STOOD_DOWN, by="system", on=analysis, job=claim.job.pk, code=code)
        text = f"“{analysis.title}” did not run; its reservation was given back."
        tell([analysis.author], Event.JOB_STOOD_DOWN, text, f"/requests/{analysis.pk}/")


def _why(analysis: AnalysisRequest, code: str) -> list[str]:
    """Return the condition that no longer held, in words, where that is what stood it down."""
    refusal = grant_usable(analysis.grant, analysis.author, timezone.now()).refusal
    if refusal is None or refusal.code != code:
        return []
    return [f"It did not run, because this no longer held: {in_words(refusal)}"]


def is_discarded(analysis: AnalysisRequest) -> bool:
    """Answer whether the author took the request back after its data was opened: its answer goes nowhere."""
    return AnalysisRequest.objects.filter(pk=analysis.pk, status=Status.WITHDRAWN).exists()


def conclude(analysis: AnalysisRequest, claim: Claim, sha256: str) -> None:
    """Witness the checkpoint that covers the charge, then finish the job and release in one transaction.

    Where a right was taken away meanwhile the job is killed, and the answer waits in quarantine for an owner.
    """
    checkpoints.witness()
    with transaction.atomic(durable=True):
        jobs.hold(claim.job)  # who withdraws holds it too: one of the two comes first
        if is_discarded(analysis):
            _killed(analysis, claim, "withdrawn")
            return
        code = rights_ended(analysis)
        if code in TAKEN_AWAY:
            _killed(analysis, claim, code)
        else:
            jobs.finish(claim, JobStatus.SUCCEEDED)
        releases.conclude(analysis, charge_id=claim.job.charge_key, sha256=sha256, at=claim.job.deadline)


_KILLED = {
    "withdrawn": "“{}” was stopped, and its answer discarded. Its loss stays spent, because the data was read.",
    "": "“{}” was stopped: a right ended while it ran. Its loss stays spent, and an owner decides about its answer.",
}


def _killed(analysis: AnalysisRequest, claim: Claim, code: str) -> None:
    jobs.finish(claim, JobStatus.KILLED, code=code)
    details: dict[str, Any] = {"job": claim.job.pk, "charge": claim.job.charge_key, "code": code}
    record(Event.JOB_KILLED, by="system", on=analysis, **details)
    text = _KILLED.get(code, _KILLED[""]).format(analysis.title)
    tell([analysis.author], Event.JOB_KILLED, text, f"/requests/{analysis.pk}/")


def fail(analysis: AnalysisRequest, claim: Claim, status: JobStatus) -> None:
    """Finish a job that opened data and has no answer; its loss stays spent."""
    with transaction.atomic(durable=True):
        if status == JobStatus.KILLED:
            _killed(analysis, claim, "withdrawn")
            return
        jobs.finish(claim, status, code="failed")
        record(Event.JOB_FAILED, by="system", on=analysis, job=claim.job.pk, charge=claim.job.charge_key)
        text = f"“{analysis.title}” ended without an answer. Its loss stays spent, because the data was read."
        tell([analysis.author], Event.JOB_FAILED, text, f"/requests/{analysis.pk}/")
