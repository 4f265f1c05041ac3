"""What of jobs nobody can move on."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job
from domains.jobs.queries import served
from domains.notices.stuck import Trouble
from domains.notices.tasks import Line

PATIENCE = timedelta(minutes=5)


def _unserved(now: datetime) -> QuerySet[Job]:
    """Return the jobs that have waited for minutes in queues which no worker serves."""
    rows = Job.objects.filter(status=JobStatus.QUEUED, not_before__lte=now - PATIENCE, valid_until__gt=now)
    return rows.exclude(queue__in=served(now)).order_by("not_before", "id")


def _job(row: Job) -> Line:
    return Line(row.get_kind_display().capitalize(), f"queue “{row.queue}”", "", row.not_before)


STUCK = (
    Trouble(
        "job.no_worker",
        "A job that no worker takes up",
        "Start a worker that serves its queue, and look into the log of the one that stopped.",
        _unserved,
        _job,
    ),
)
