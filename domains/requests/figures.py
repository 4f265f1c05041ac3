"""Figures of dashboards: how long decisions take, what waits, and what became of one's own requests.

Only times of people's acts and public states: when a job opened data or ended is not among them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet

from domains.catalog.models import Steward
from domains.people.models import User
from domains.projects.models import ProjectMember
from domains.requests import queries
from domains.requests.lifecycle import REQUEST, ReleaseStatus
from domains.requests.models import AnalysisRequest, Release

PERIOD = timedelta(days=90)
NEW = timedelta(days=14)
MOST = 5000  # decisions that are looked at, the newest
AGES = (
    (1, "under a day"),
    (3, "1 to 3 days"),
    (7, "3 to 7 days"),
    (14, "1 to 2 weeks"),
    (None, "over 2 weeks"),
)


@dataclass(frozen=True)
class Turnaround:
    """How long people took to decide, in seconds; None without a decision."""

    number: int
    median: float | None
    p90: float | None


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the least of the sorted `values` that at least `share` of them do not exceed; None of none."""
    if not values:
        return None
    return values[max(0, math.ceil(share * len(values)) - 1)]


def turnaround(user: User, now: datetime) -> Turnaround:
    """Return how long people's decisions on `user`'s datasets took in the last ninety days; one query."""
    rows = AnalysisRequest.objects.filter(
        grant__dataset__in=_cared_for(user),
        decided_at__gte=now - PERIOD,
        decided_by__isnull=False,
        submitted_at__isnull=False,
    )
    times = rows.order_by("-decided_at").values_list("submitted_at", "decided_at")[:MOST]
    took = sorted((to - since).total_seconds() for since, to in times if since and to)
    return Turnaround(len(took), quantile(took, 0.5), quantile(took, 0.9))


def _cared_for(user: User) -> QuerySet[Steward, Any]:
    return Steward.objects.filter(user=user, ended_at=None).values("dataset")


def queue_ages(user: User, now: datetime) -> list[tuple[str, int]]:
    """Return how many requests have waited how long for `user`'s decision; one query."""
    waiting = queries.queue(user).order_by().select_related(None).prefetch_related(None)
    days = [(now - at).days for at in waiting.values_list("submitted_at", flat=True) if at is not None]
    counts: Counter[str] = Counter(
        next(label for bound, label in AGES if bound is None or day < bound) for day in days
    )
    return [(label, counts[label]) for _, label in AGES]


def own_states(user: User) -> list[tuple[str, str, int]]:
    """Return how many of `user`'s own requests are in each state: status, label, number; one query."""
    rows = AnalysisRequest.objects.filter(author=user).order_by().values_list("status").annotate(Count("pk"))
    found = dict(rows)
    return [(str(key), state.label, found[key]) for key, state in REQUEST.items() if found.get(key)]


def new_results(user: User, now: datetime) -> list[AnalysisRequest]:
    """Return the requests of `user`'s projects whose answers came out in the last two weeks, newest first."""
    out = Release.objects.filter(
        status=ReleaseStatus.RELEASED, released_at__gt=now - NEW, released_at__lte=now
    ).values("analysis")
    on = ProjectMember.objects.filter(user=user, ended_at=None).values("project")
    rows = AnalysisRequest.objects.filter(pk__in=out, grant__project__in=on)
    return list(rows.select_related("author", "grant__dataset").order_by("-id")[:8])


def state_counts() -> dict[str, int]:
    """Return how many requests the node has in each state, zeros included; one query."""
    found = dict(AnalysisRequest.objects.order_by().values_list("status").annotate(Count("pk")))
    return {str(status): found.get(status, 0) for status in REQUEST}


def labels() -> list[tuple[str, str]]:
    """Return every state of a request with its label, in the order of its life."""
    return [(str(status), state.label) for status, state in REQUEST.items()]
