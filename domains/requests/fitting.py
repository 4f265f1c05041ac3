"""A workload's fitted model: queued as its answer is let out, made by a worker's child, kept by hash.

It is made of released bytes alone, so it is charged nothing and may be made again. It serves whoever may read the
release that it was made of, and as long as that stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs.actions import Claim
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job, JobKind
from domains.ledger import queries as books
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import AnalysisRequest, Release
from privacy.workload.model import Model, sha256
from privacy.workload.plan import Workload, is_workload

QUEUE = "workloads"
FIT_SECONDS = 300
PREPARE_SECONDS = 30


@dataclass(frozen=True)
class Fitted:
    """A stored model with the release it was made of; `model` is None while it is being made, or when it failed."""

    release: Release
    workload: Workload
    status: str  # queued, running, finished or failed
    code: str
    payload: bytes | None

    @property
    def model(self) -> Model | None:
        return None if self.payload is None else Model.from_bytes(self.payload)

    @property
    def sha256(self) -> str:
        return "" if self.payload is None else sha256(self.payload)


def queue_fit(release: Release) -> None:
    """Queue the fit of a workload's released answer; other answers, and repeats of stored ones, have none."""
    revision = release.analysis.current
    if release.is_repeat or not is_workload(revision.plan):
        return
    spec = {
        "plan": revision.plan,
        "table": revision.version.table().to_dict(),
        "scales": [measure["scale"] for measure in revision.pricing["measures"]],
    }
    jobs.queue(JobKind.FIT, subject=release.pk, spec=spec, planned_seconds=FIT_SECONDS, queue=QUEUE)


def run_fit(claim: Claim) -> None:
    """Fit the model of one release in a child with limits of memory and time. May be delivered twice."""
    release = Release.objects.select_related("analysis").get(pk=claim.job.subject)
    answer = books.answer(release.charge_id)
    if release.status != ReleaseStatus.RELEASED or answer is None:
        jobs.finish(claim, JobStatus.FAILED, code="not_released")
        return
    child = Child(
        "fit",
        claim.job.spec,
        memory_mb=settings.JOB_MEMORY_MB,
        seconds=FIT_SECONDS + PREPARE_SECONDS,
        file_mb=16,  # jax looks for a folder it can write to; the child holds released values alone
        lost=claim.lost,
    )
    try:
        with child:
            child.prepared(PREPARE_SECONDS)
            jobs.to_running(claim)
            payload = child.go({"answer": answer.decode()}, timeout=FIT_SECONDS)
    except ChildFailed as failure:
        if failure.is_passing:
            jobs.requeue(claim)
        else:
            jobs.finish(claim, JobStatus.FAILED, code=failure.code)
        return
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.SUCCEEDED, payload=payload)
        analysis = release.analysis_id
        record(Event.MODEL_FITTED, by="system", on=release, analysis=analysis, sha256=sha256(payload))


def fitted(release: Release) -> Fitted | None:
    """Return the model of the release, or of the one whose bytes it repeats; None where there is none to come."""
    paid = Release.objects.filter(charge_id=release.charge_id, is_repeat=False)
    first = paid.select_related("analysis__revision__version").first()
    if first is None or not is_workload(first.analysis.current.plan):
        return None
    job = (
        Job.objects.filter(kind=JobKind.FIT, subject=first.pk)
        .select_related("result")
        .order_by("-id")
        .first()
    )
    if job is None or first.status != ReleaseStatus.RELEASED:
        return None
    workload = Workload.from_dict(first.analysis.current.plan)
    return Fitted(first, workload, _word(job), job.status_code, job_queries.result(job))


def _word(job: Job) -> str:
    """Return where the fit stands; it opened no data, so this tells nothing private."""
    if job.status == JobStatus.SUCCEEDED:
        return "finished"
    return "queued" if job.status == JobStatus.QUEUED else "running" if not job.state.is_final else "failed"


def with_models(grant_id: str) -> list[AnalysisRequest]:
    """Return the workloads of a grant whose models are ready, newest first."""
    ready = Job.objects.filter(kind=JobKind.FIT, status=JobStatus.SUCCEEDED).values("subject")
    out = Release.objects.filter(
        analysis__grant=grant_id, is_repeat=False, status=ReleaseStatus.RELEASED, pk__in=ready
    )
    rows = AnalysisRequest.objects.filter(grant=grant_id, releases__in=out).select_related(
        "revision__version"
    )
    return list(rows.order_by("-id")[:20])
