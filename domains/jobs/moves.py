"""Who moves a job, from where to where: workers by their hold on it, and the sweeps."""

from __future__ import annotations

from domains.base import Machine, Move, arrows
from domains.jobs.lifecycle import JOB, JobStatus

_J = JobStatus
_HELD = (_J.PREFLIGHT, _J.RUNNING)
_ENDED = (_J.FAILED, _J.KILLED, _J.TIMED_OUT, _J.LOST, _J.CANCELLED)

JOB_MOVES = (
    Move("jobs.actions.claim", "Claim", "worker", arrows(_J.QUEUED, to=_J.PREFLIGHT)),
    Move("jobs.actions.to_running", "Prepare", "worker", arrows(_J.PREFLIGHT, to=_J.RUNNING)),
    Move("jobs.actions.open_data", "Open the data", "worker", arrows(_J.RUNNING, to=_J.DATA_OPEN)),
    Move(
        "jobs.actions.finish",
        "Finish",
        "worker",
        arrows(_J.PREFLIGHT, to=_ENDED)
        | arrows(_J.RUNNING, to=(_J.SUCCEEDED, *_ENDED))
        | arrows(_J.DATA_OPEN, to=(_J.SUCCEEDED, _J.FAILED, _J.KILLED, _J.TIMED_OUT, _J.LOST)),
    ),
    Move("jobs.actions.requeue", "Give it back to the queue", "worker", arrows(*_HELD, to=_J.QUEUED)),
    Move("jobs.actions.cancel", "Cancel", "system", arrows(_J.QUEUED, *_HELD, to=_J.CANCELLED)),
    Move(
        "jobs.actions.expire",
        "Settle after its lease",
        "system",
        arrows(_J.QUEUED, to=_J.CANCELLED)
        | arrows(*_HELD, to=(_J.QUEUED, _J.LOST))
        | arrows(_J.DATA_OPEN, to=_J.LOST),
    ),
)

MACHINES = (Machine("Job", "Job", _J.QUEUED, JOB, JOB_MOVES),)
