"""What can happen to a job. Every step is one conditional UPDATE whose row count decides who took it.

    QUEUED → PREFLIGHT → RUNNING → DATA_OPEN → an end

A worker holds a job by a lease and a fence: the lease says until when, the fence which holding it is. A job
whose lease runs out before data was opened may be claimed again; from DATA_OPEN there is no way back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event as Flag
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove
from domains.jobs.lifecycle import FINAL, JOB, JobStatus
from domains.jobs.models import Job, JobKind, Result
from domains.jobs.queries import may_start
from domains.notices.outbox import tell
from domains.people.permissions import Role
from domains.people.queries import holders

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
BEFORE_DATA = (JobStatus.PREFLIGHT, JobStatus.RUNNING)
HELD = (*BEFORE_DATA, JobStatus.DATA_OPEN)


class ClaimLost(IllegalMove):
    """Somebody else holds this job now, or it has ended; whoever sees this must stop without a word."""

    code = "claim_lost"


@dataclass
class Claim:
    """One worker's hold on one job. `lost` is set as soon as the hold is known to be gone."""

    job: Job
    fence: int
    lost: Flag = field(default_factory=Flag)


def canonical(spec: dict[str, Any]) -> bytes:
    """Return the one spelling of a specification that is hashed."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def queue(
    kind: JobKind | str,
    *,
    subject: str,
    spec: dict[str, Any],
    planned_seconds: Decimal | float | str,
    charge_id: str | None = None,
    queue: str = "query",
    not_before: datetime | None = None,
    valid_until: datetime | None = None,
) -> Job:
    """Add a job to the table, inside the caller's transaction; the broker is told only once that commits."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A job is queued in the transaction of the decision that asked for it.")
    now = timezone.now()
    job = Job.objects.create(
        kind=kind,
        queue=queue,
        subject=subject,
        spec=spec,
        spec_sha256=hashlib.sha256(canonical(spec)).hexdigest(),
        planned_seconds=Decimal(str(planned_seconds)),
        charge_id=charge_id,
        not_before=not_before or now,
        valid_until=valid_until or now + timedelta(days=settings.APPROVAL_VALID_DAYS),
    )
    if job.not_before <= now:
        transaction.on_commit(lambda: hint(job))
    return job


def hint(job: Job) -> None:
    """Tell the broker about a job; on the embedded broker there is nobody to tell, the dispatcher polls.

    A message is only a hint, so a broker that does not answer changes nothing but the delay.
    """
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        return
    try:
        current_app.send_task("jobs.run", args=[job.pk], queue=job.queue, retry=False)
    except Exception as error:  # whatever the transport raises: the dispatcher finds the job
        log.warning("the broker did not take a hint", extra={"job": job.pk}, exc_info=error)


def cancel(job: Job, *, code: str) -> bool:
    """Stop a job that has not opened data; False when it has. Its worker sees it at its next step."""
    changes = {
        "status": JobStatus.CANCELLED,
        "status_code": code,
        "finished_at": timezone.now(),
        "lease_until": None,
    }
    taken = Job.objects.filter(pk=job.pk, status__in=[JobStatus.QUEUED, *BEFORE_DATA]).update(**changes)
    if taken:
        for name, value in changes.items():
            setattr(job, name, value)
    return bool(taken)


def hold(job: Job) -> str:
    """Return a job's status as it is now; nobody moves it until the transaction ends."""
    return str(Job.objects.select_for_update(no_key=True).values_list("status", flat=True).get(pk=job.pk))


def claim(job_id: str) -> Claim | None:
    """Take a due job; None when it is not due, is held, or has ended. Of all workers one succeeds."""
    now = timezone.now()
    taken = Job.objects.filter(
        may_start(),
        pk=job_id,
        status=JobStatus.QUEUED,
        not_before__lte=now,
        valid_until__gt=now,
        attempts__lt=MAX_ATTEMPTS,
    ).update(
        status=JobStatus.PREFLIGHT,
        attempts=F("attempts") + 1,
        fence=F("fence") + 1,
        lease_until=now + _lease(),
    )
    if not taken:
        return None
    job = Job.objects.get(pk=job_id)
    return Claim(job, job.fence)


def _lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def renew(claim: Claim) -> None:
    """Prolong the hold; never shortens a lease that was fixed longer. Raises ClaimLost when it is gone."""
    held = Job.objects.filter(pk=claim.job.pk, fence=claim.fence, status__in=HELD)
    if not held.update(lease_until=Greatest(F("lease_until"), timezone.now() + _lease())):
        claim.lost.set()
        raise ClaimLost("This job is no longer held by this worker.")


def to_running(claim: Claim) -> None:
    """Say that the job passed its preflight and is prepared; nothing private was read yet."""
    _step(claim, JobStatus.RUNNING)


def open_data(claim: Claim, *, tick: float = 0.25, lease: timedelta | None = None) -> None:
    """Pass the point of no return and fix the moment at which outsiders learn the outcome.

    `due_at` is now plus the planned time, rounded up to a whole `tick` (seconds) since the epoch, so it tells
    nothing about the data. A job past its validity does not pass.
    """
    now = timezone.now()
    due = now.timestamp() + float(claim.job.planned_seconds)
    due_at = datetime.fromtimestamp(math.ceil(due / tick) * tick, tz=now.tzinfo)
    lease_until = max(now + (lease or timedelta()), now + _lease(), due_at)
    _step(
        claim,
        JobStatus.DATA_OPEN,
        only={"valid_until__gt": now},
        data_opened_at=now,
        due_at=due_at,
        lease_until=lease_until,
    )


def finish(claim: Claim, status: JobStatus | str, *, code: str = "", payload: bytes | None = None) -> None:
    """End a job this worker holds; `payload` is stored once, for uncharged kinds only."""
    if status not in FINAL:
        raise RuntimeError(f"{status} is no end.")
    if payload is not None and claim.job.charge_id is not None:
        raise RuntimeError("A charged job's bytes live in the ledger.")
    with transaction.atomic():
        _step(claim, status, status_code=code, finished_at=timezone.now(), lease_until=None)
        if payload is not None:
            Result.objects.create(job=claim.job, payload=payload, sha256=hashlib.sha256(payload).hexdigest())
    claim.lost.set()


def requeue(claim: Claim, *, delay: float = 1.0) -> None:
    """Give back a job that read nothing, to be tried again in `delay` seconds; after the last attempt, lose it."""
    if claim.job.attempts >= MAX_ATTEMPTS:
        finish(claim, JobStatus.LOST, code="attempts_exhausted")
        return
    later = timezone.now() + timedelta(seconds=delay)
    _step(claim, JobStatus.QUEUED, not_before=later, lease_until=None)
    claim.lost.set()


def _step(claim: Claim, to: str, *, only: dict[str, Any] | None = None, **changes: Any) -> None:
    """Move a held job on, or raise ClaimLost: the fence makes a worker that overslept its lease harmless."""
    here = [status for status, state in JOB.items() if to in state.to and status in HELD]
    held = Job.objects.filter(pk=claim.job.pk, fence=claim.fence, status__in=here, **(only or {}))
    if held.update(status=to, **changes) != 1:
        claim.lost.set()
        raise ClaimLost("This job is no longer held by this worker.")
    for name, value in {"status": to, **changes}.items():
        setattr(claim.job, name, value)


def expire(now: datetime) -> int:
    """Settle jobs whose lease ran out or whose validity ended; return how many moved. Idempotent.

    Before data was opened a job goes back to the queue, or is lost after its last attempt. With data open it
    is lost for good: the draw may have been made, so it is never made again (the ledger's sweep burns the
    charge).
    """
    over = Job.objects.filter(lease_until__lt=now)
    again = over.filter(status__in=BEFORE_DATA)
    return (
        _lose(again.filter(attempts__gte=MAX_ATTEMPTS), "attempts_exhausted", now)
        + _lose(over.filter(status=JobStatus.DATA_OPEN), "worker_died", now)
        + _update(again.filter(attempts__lt=MAX_ATTEMPTS), status=JobStatus.QUEUED, lease_until=None)
        + _update(
            Job.objects.filter(status=JobStatus.QUEUED, valid_until__lte=now, charge=None),
            status=JobStatus.CANCELLED,
            status_code="lapsed",
            finished_at=now,
        )
    )


def _lose(rows: Any, code: str, now: datetime) -> int:
    """Give up jobs that no worker will end, and tell the administrators, whose workers they were."""
    lost = {"status": JobStatus.LOST, "status_code": code, "finished_at": now, "lease_until": None}
    number = 0
    for job in rows.order_by("pk")[:100]:
        with transaction.atomic():
            if not rows.filter(pk=job.pk).update(**lost):
                continue  # its worker came back, or another sweep was quicker
            record(Event.JOB_LOST, by="system", on=job, code=code)
            text = "A worker stopped in the middle of a job, which is lost. Look into its log."
            tell(holders(Role.ADMINISTRATOR), Event.JOB_LOST, text, "/stuck/")
            number += 1
    return number


def _update(rows: Any, **changes: Any) -> int:
    """Write only where a look found something: on SQLite even an empty UPDATE takes the writers' lock."""
    return int(rows.update(**changes)) if rows.exists() else 0
