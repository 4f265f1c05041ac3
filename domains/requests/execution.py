"""How a worker answers a request: preflight, prepare, commit, compute once, persist, and conclude at the deadline.

T2 commit and DATA_OPEN are one transaction, before the first private byte is read.
From there the loss is spent whatever happens, and outsiders learn the outcome only at `due_at`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.catalog import storage, vault
from domains.catalog.lifecycle import VersionStatus
from domains.errors import IllegalMove, NotFound
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.node.queries import is_paused
from domains.projects.rights import grant_usable
from domains.requests import approval, verdicts
from domains.requests.actions import respecify
from domains.requests.endings import conclude, fail, is_discarded, rights_ended, stand_down
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from privacy.engines.postgresql import PASSING
from privacy.errors import PrivacyError
from privacy.noise import fresh_salt
from privacy.workload.plan import is_workload

log = logging.getLogger(__name__)
PREPARE_SECONDS = 20
AWAY_SECONDS = 15.0  # before a database that was away is tried again
PAUSED = "node_running"  # the condition that does not hold while the node is paused
GRACE = timedelta(seconds=10)  # between the deadline and the end of the lease: time to persist and conclude


@dataclass(frozen=True)
class ChargedRun:
    """What differs between the kinds of job that open data; the order of the steps is the same for all (`answer`)."""

    preflight: Callable[[], str]  # every right, asked again: a reason to stand down, or an empty string
    stopped: Callable[[], str]  # the same of what may have ended while the child prepared
    stand_down: Callable[[str], None]  # nothing was read: give the reservation back
    files: Callable[[], Mapping[str, Any]]  # what the child may open, each by its ticket
    conclude: Callable[[str], None]  # the answer of this SHA-256 is stored: witness it, and finish the job
    fail: Callable[[JobStatus], None]  # data was opened and there is no answer: finish the job
    place: dict[str, Any] | None = None  # where the rows are, if in no file
    is_discarded: Callable[[], bool] = lambda: False  # whoever asked wants no answer any more


def run_query(claim: Claim) -> None:
    """Run one approved request. May be delivered twice: the claim's fence and the charge decide who runs."""
    analysis = _analysis(claim)
    version = analysis.current.version
    run = ChargedRun(
        preflight=lambda: preflight(analysis, claim),
        stopped=lambda: rights_ended(analysis),
        stand_down=lambda code: stand_down(analysis, claim, code),
        files=lambda: {} if version.is_in_place else storage.tickets(version),
        conclude=lambda sha256: conclude(analysis, claim, sha256),
        fail=lambda status: fail(analysis, claim, status),
        place=_place(analysis, claim),
        is_discarded=lambda: is_discarded(analysis),
    )
    answer(claim, run)


def answer(claim: Claim, run: ChargedRun) -> None:
    """Take a charged job from preflight to its end: committed before the first private byte, told at the deadline."""
    seconds = float(claim.job.planned_seconds)
    try:
        # It prepares while every right is asked anew.
        with _child(claim, seconds + PREPARE_SECONDS, run.place) as child:
            if _is_refused(claim, run, run.preflight):
                return
            child.prepared(PREPARE_SECONDS)
            jobs.to_running(claim)
            if _is_refused(claim, run, run.stopped):  # asked once more, for preparing took its time
                return
            fence = open_data(claim)
            if fence is None:
                return
            _compute(claim, run, child, fence)
    except ChildFailed as failure:  # before data was opened; afterwards `_compute` handles its own
        if failure.is_passing:
            jobs.requeue(claim)
        elif failure.code in PASSING:  # the database is away; it may be back
            jobs.requeue(claim, delay=AWAY_SECONDS)
        else:
            run.stand_down(failure.code)


def _is_refused(claim: Claim, run: ChargedRun, ask: Callable[[], str]) -> bool:
    """Ask whether a job may go on: while the node is paused it goes back to the queue, else it stands down."""
    refusal = PAUSED if is_paused() else ask()
    if refusal == PAUSED:
        jobs.requeue(claim)
    elif refusal:
        run.stand_down(refusal)
    return bool(refusal)


_ENGINE_KEYS = ("plan", "table", "loss", "tick", "declared_rows")


def _child(claim: Claim, seconds: float, place: dict[str, Any] | None = None) -> Child:
    """Return the child process that will compute this job, given up as soon as the claim is lost.

    `place` goes to the child over its own socket and nowhere else, for it holds a password.
    """
    spec = {key: claim.job.spec.get(key) for key in _ENGINE_KEYS} | {
        "memory_mb": settings.JOB_MEMORY_MB * 3 // 5,  # the database's share of the child's address space
        "threads": settings.JOB_THREADS,
    }
    entry = "workload" if is_workload(spec["plan"] or {}) else "query"
    if place is not None:
        entry, spec["place"] = "query_in_place", place
    return Child(entry, spec, memory_mb=settings.JOB_MEMORY_MB, seconds=seconds, lost=claim.lost)


def _place(analysis: AnalysisRequest, claim: Claim) -> dict[str, Any] | None:
    """Return where a version's rows stay and how to reach them; None where they are in a file."""
    connection = analysis.current.version.connection
    place = claim.job.spec.get("place")
    if connection is None or connection.is_retired or place is None:  # preflight says why it stands down
        return None
    known = place | {"engine": connection.engine, "address": vault.address(connection)}
    return known | {"seconds": float(claim.job.planned_seconds)}


def _analysis(claim: Claim) -> AnalysisRequest:
    return AnalysisRequest.objects.select_related(
        "author",
        "revision__version__dataset",
        "revision__version__connection",
        "grant__project",
        "grant__dataset__population",
        "job",
    ).get(pk=claim.job.subject)


def preflight(analysis: AnalysisRequest, claim: Claim) -> str:
    """Evaluate every right again, now; return a public reason code for standing down, or an empty string."""
    now = timezone.now()
    if analysis.status != Status.APPROVED or analysis.job_id != claim.job.pk:
        return "approval_gone"
    refusal = grant_usable(analysis.grant, analysis.author, now).refusal
    reasons = {
        "approval_expired": claim.job.valid_until <= now,
        refusal.code if refusal else "": refusal is not None,
        "version_retired": analysis.current.version.status != VersionStatus.PUBLISHED,
        "connection_retired": _is_cut_off(analysis),
        **_approved_still(analysis, claim),
        "ledger_behind_witness": checkpoints.is_behind(),
        "reservation_gone": books.charge(claim.job.charge_key).state != "RESERVED",
    }
    return next((code for code, holds in reasons.items() if holds), "")


def _is_cut_off(analysis: AnalysisRequest) -> bool:
    """Say whether the connection to a version's rows was retired."""
    connection = analysis.current.version.connection
    return connection is not None and connection.is_retired


def _approved_still(analysis: AnalysisRequest, claim: Claim) -> dict[str, bool]:
    """Price afresh and compare with what the approval bound; where a policy gave it, ask whether that still stands."""
    try:
        specification = respecify(analysis.current)
    except (IllegalMove, PrivacyError):
        return {"specification_changed": True}
    bound = approval.bound_spec(specification, analysis.current.sha256, analysis.policy_id)
    if claim.job.spec != bound:
        return {"specification_changed": True}
    return {"policy_ended": not verdicts.still_stands(analysis, specification)}


def open_data(claim: Claim) -> int | None:
    """Commit the charge and open data in one durable transaction; None when somebody else holds the draw."""
    lease = timedelta(seconds=float(claim.job.planned_seconds) + _tick(claim)) + GRACE
    with transaction.atomic(durable=True):
        jobs.open_data(claim, tick=_tick(claim), lease=lease)
        fence = ledger.commit(claim.job.charge_key, lease=lease)
        if fence is None:
            transaction.set_rollback(True)
    return fence


def _tick(claim: Claim) -> float:
    return float(claim.job.spec["tick"])


def _compute(claim: Claim, run: ChargedRun, child: Child, fence: int) -> None:
    """Compute the one answer and, at the deadline, persist and conclude it; a failure burns the charge.

    Both write to the log, whose size anyone may read, so neither is done before the deadline.
    """
    try:
        payload = child.go(
            {"paths": run.files(), "salt": fresh_salt()}, timeout=float(claim.job.planned_seconds)
        )
    except (ChildFailed, NotFound) as failure:  # NotFound: its key was destroyed this very moment
        _sleep_until(claim.job.deadline)
        log.warning("a run failed after data was opened", extra={"job": claim.job.pk})
        ledger.burn(claim.job.charge_key, fence=fence)
        run.fail(JobStatus.TIMED_OUT if failure.code == "timed_out" else JobStatus.FAILED)
        return
    _sleep_until(claim.job.deadline)
    if run.is_discarded():
        ledger.burn(claim.job.charge_key, fence=fence)
        run.fail(JobStatus.KILLED)
        return
    run.conclude(ledger.persist(claim.job.charge_key, fence=fence, payload=payload))


def _sleep_until(moment: datetime) -> None:
    """Wait until a job's deadline, before which nothing that anybody can see may happen."""
    while (left := (moment - timezone.now()).total_seconds()) > 0:
        time.sleep(min(left, 1.0))


def run_mock(claim: Claim) -> None:
    """Run a request on mock data: the same engine and the same noise, uncharged; the result is the author's."""
    job = claim.job
    analysis = AnalysisRequest.objects.select_related("revision__version").get(pk=job.subject)
    paths = {name: str(path) for name, path in storage.mock_paths_of(analysis.current.version).items()}
    try:
        with _child(claim, float(job.planned_seconds) + PREPARE_SECONDS) as child:
            child.prepared(PREPARE_SECONDS)
            jobs.to_running(claim)
            payload = child.go({"paths": paths, "salt": fresh_salt()}, timeout=float(job.planned_seconds))
    except ChildFailed as failure:
        jobs.finish(claim, JobStatus.FAILED, code=failure.code)
        return
    jobs.finish(claim, JobStatus.SUCCEEDED, payload=payload)
