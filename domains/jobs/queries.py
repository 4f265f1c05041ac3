"""What can be known about jobs: by outsiders, coarsely and late; by the node's operators, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, Count, Exists, Min, Q, QuerySet, Value, When

from domains.jobs.lifecycle import FINAL, JobStatus
from domains.jobs.models import Job, WorkerBeat
from domains.node.queries import open_pauses

ALIVE = timedelta(seconds=20)  # a worker that was silent for longer counts as gone


def public_status(job: Job, now: datetime) -> str:
    """Return queued, running, finished or failed: all that outsiders ever learn.

    Once data was opened, an end shows only from `due_at`, which was fixed beforehand from public numbers, so
    neither a crash nor a fast answer tells anything. An end before that rests on public facts: it shows at
    once.
    """
    if job.due_at is not None and now < job.due_at:
        return "running"
    if job.status == JobStatus.SUCCEEDED:
        return "finished"
    if job.status in FINAL:
        return "failed"
    return "queued" if job.status == JobStatus.QUEUED else "running"


def may_start() -> Q:
    """Say which jobs may be taken up: while the node is paused, none that would open data and be charged."""
    return Q(charge=None) | ~Q(Exists(open_pauses()))


def ready(now: datetime, queues: list[str], limit: int = 64) -> QuerySet[Job]:
    """Return the jobs that could be claimed now, oldest first."""
    due = Job.objects.filter(
        may_start(), status=JobStatus.QUEUED, not_before__lte=now, valid_until__gt=now, queue__in=queues
    )
    return due.order_by("not_before", "id")[:limit]


def is_given_up(subject: str) -> bool:
    """Tell whether the newest job for `subject` ended without having succeeded."""
    job = Job.objects.filter(subject=subject).order_by("-id").first()
    return job is not None and job.status in FINAL and job.status != JobStatus.SUCCEEDED


def result(job: Job) -> bytes | None:
    """Return what an uncharged job produced, or None."""
    row = getattr(job, "result", None)
    return None if row is None else bytes(row.payload)


def served(now: datetime) -> set[str]:
    """Return the queues that some living worker serves."""
    alive = WorkerBeat.objects.filter(seen_at__gte=now - ALIVE).values_list("queues", flat=True)
    return {name for queues in alive for name in queues}


@dataclass(frozen=True)
class QueueState:
    """How a queue stands: what waits, for how long, and who serves it."""

    name: str
    waiting: int
    oldest_seconds: float
    workers: int
    heartbeat_seconds: float | None  # since the latest sign of life; None when no worker ever served it


def queue_states(now: datetime) -> list[QueueState]:
    """Return every queue that has work or a worker, by name; two queries."""
    due = Job.objects.filter(status=JobStatus.QUEUED, not_before__lte=now, valid_until__gt=now)
    rows = due.order_by().values_list("queue").annotate(Count("pk"), Min("not_before"))
    waiting = {queue: (number, (now - oldest).total_seconds()) for queue, number, oldest in rows}
    beats = [(beat.queues, beat.seen_at) for beat in WorkerBeat.objects.all()]
    names = waiting.keys() | {name for queues, _ in beats for name in queues}
    return [_queue(name, waiting.get(name, (0, 0.0)), beats, now) for name in sorted(names)]


def _queue(
    name: str, waiting: tuple[int, float], beats: list[tuple[list[str], datetime]], now: datetime
) -> QueueState:
    seen = [at for queues, at in beats if name in queues]
    latest = (now - max(seen)).total_seconds() if seen else None
    return QueueState(name, *waiting, sum(at >= now - ALIVE for at in seen), latest)


def public_counts(now: datetime) -> dict[tuple[str, str], int]:
    """Return how many jobs of each kind outsiders see queued, running, finished or failed, as `public_status` says."""
    shown = Case(
        When(due_at__gt=now, then=Value("running")),
        When(status=JobStatus.SUCCEEDED, then=Value("finished")),
        When(status__in=FINAL, then=Value("failed")),
        When(status=JobStatus.QUEUED, then=Value("queued")),
        default=Value("running"),
        output_field=CharField(),
    )
    rows = Job.objects.order_by().annotate(shown=shown).values_list("kind", "shown").annotate(Count("pk"))
    return {(kind, state): number for kind, state, number in rows}


@dataclass(frozen=True)
class WorkerHealth:
    """What `/readyz` says of workers: who is alive, what waits, and since when."""

    workers: tuple[str, ...]
    queues: tuple[str, ...]
    waiting: int
    oldest_seconds: float

    @property
    def is_ok(self) -> bool:
        return bool(self.workers)


def worker_health(now: datetime) -> WorkerHealth:
    """Look at the workers' signs of life and at the queue."""
    alive = list(WorkerBeat.objects.filter(seen_at__gte=now - ALIVE).order_by("name"))
    due = Job.objects.filter(status=JobStatus.QUEUED, not_before__lte=now, valid_until__gt=now)
    oldest = due.order_by("not_before").values_list("not_before", flat=True).first()
    return WorkerHealth(
        workers=tuple(beat.name for beat in alive),
        queues=tuple(sorted({name for beat in alive for name in beat.queues})),
        waiting=due.count(),
        oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0,
    )
