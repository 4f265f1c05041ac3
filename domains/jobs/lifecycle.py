"""How a job runs (WORKFLOW's run states)."""

from django.db import models

from domains.base import State


class JobStatus(models.TextChoices):
    QUEUED = "queued"
    PREFLIGHT = "preflight"
    RUNNING = "running"
    DATA_OPEN = "data_open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"
    TIMED_OUT = "timed_out"
    LOST = "lost"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_J = JobStatus
_BEFORE_DATA = (_J.FAILED, _J.CANCELLED, _J.KILLED, _J.TIMED_OUT, _J.LOST)

# From a state in which nothing was read, a job may be claimed again (QUEUED); from DATA_OPEN never.
JOB = {
    _J.QUEUED: State("Queued", "worker", _to(_J.PREFLIGHT, _J.CANCELLED), "Waits for a worker."),
    _J.PREFLIGHT: State(
        "Preflight",
        "worker",
        _to(_J.RUNNING, _J.QUEUED, *_BEFORE_DATA),
        "Rights, hash and reservation are checked again.",
    ),
    _J.RUNNING: State(
        "Running",
        "worker",
        _to(_J.DATA_OPEN, _J.QUEUED, _J.SUCCEEDED, *_BEFORE_DATA),
        "Prepared; no private byte was read.",
    ),
    _J.DATA_OPEN: State(
        "Data open",
        "worker",
        _to(_J.SUCCEEDED, _J.FAILED, _J.KILLED, _J.TIMED_OUT, _J.LOST),
        "Charged; outsiders still see “running”.",
    ),
    _J.SUCCEEDED: State("Succeeded", None, _to(), "An answer is stored."),
    _J.FAILED: State("Failed", None, _to(), "It ended without an answer."),
    _J.CANCELLED: State("Cancelled", None, _to(), "Stopped before data was read."),
    _J.KILLED: State(
        "Killed",
        None,
        _to(),
        "Stopped because a right was taken away, or its author took it back, while it ran.",
    ),
    _J.TIMED_OUT: State("Timed out", None, _to(), "It overran its planned deadline."),
    _J.LOST: State("Lost", None, _to(), "Its worker died and its lease ran out."),
}

FINAL = frozenset(status for status, state in JOB.items() if state.is_final)
