"""Dashboards: my work, my datasets' decisions and budgets, and the node itself, each for whom it concerns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET

from domains.delivery import queries as delivery
from domains.delivery.models import Channel
from domains.jobs import queries as jobs
from domains.ledger import queries as ledger
from domains.notices import stuck, tasks
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.requests import figures
from portal.web.bars import Bars, bars, span
from portal.web.health import states

MOST_BUDGETS = 12


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show whichever of the three this person's roles call for."""
    user, now = request.user, timezone.now()
    values: dict[str, Any] = {}
    if allows(user, Permission.PROJECT_CREATE):
        values["work"] = _work(user, now)
    if user.node_roles & {Role.OWNER, Role.REVIEWER}:
        values["owning"] = _owning(user, now)
    if allows(user, Permission.NODE_OPERATE):
        values["node"] = _node(user, now)
    return render(request, "home/dashboard.html", values)


def _work(user: User, now: datetime) -> dict[str, Any]:
    """Gather a scientist's own: requests by state, budgets left, new answers, next steps."""
    own_states = figures.own_states(user)
    own = [row for row in ledger.budget_rows(user) if row.scope in ("grant", "person")]
    return {
        "requests": bars(
            "own", "your requests by state", [(label, number, str(number)) for _, label, number in own_states]
        ),
        "number": sum(number for _, _, number in own_states),
        "budgets": _tightest(own),
        "results": figures.new_results(user, now),
        "next": [task for task in tasks.tasks(user) if task.is_own],
    }


def _owning(user: User, now: datetime) -> dict[str, Any]:
    """Gather what owners and reviewers answer for: how long decisions take, what waits, how budgets stand."""
    ages = figures.queue_ages(user, now)
    took = figures.turnaround(user, now)
    own = [row for row in ledger.budget_rows(user) if row.scope in ("population", "dataset")]
    return {
        "number": took.number,
        "took": _took(took),
        "waiting": sum(number for _, number in ages),
        "ages": bars("ages", "requests waiting for you, by age", [(name, n, str(n)) for name, n in ages]),
        "budgets": _tightest(own),
    }


def _took(took: figures.Turnaround) -> Bars:
    lines = [("Half within", took.median), ("Nine in ten within", took.p90)]
    return bars("took", "time to decide", [(name, value or 0, span(value)) for name, value in lines])


def _node(user: User, now: datetime) -> dict[str, Any]:
    """Gather the node's state for whoever runs it."""
    queues = jobs.queue_states(now)
    counts = figures.state_counts()
    shown = [(label, counts[key]) for key, label in figures.labels()]
    return {
        "workers": jobs.worker_health(now).workers,
        "queues": [(queue, span(queue.oldest_seconds), span(queue.heartbeat_seconds)) for queue in queues],
        "stuck": stuck.groups(now),
        "deliveries": [
            (Channel(name).label, waiting, failing) for name, waiting, failing, _ in delivery.standing()
        ],
        "health": states(),
        "requests": bars(
            "all", "requests of the node by state", [(name, n, str(n)) for name, n in shown if n]
        ),
    }


def _tightest(rows: list[ledger.Balance]) -> list[ledger.Balance]:
    """Return the balances of which the largest share is used, first."""
    return sorted(rows, key=_used_share, reverse=True)[:MOST_BUDGETS]


def _used_share(row: ledger.Balance) -> float:
    """Return the largest share that is used of what a budget is counted in."""
    used, limit = row.used.to_dict(), row.limit.to_dict()
    return max((used[name] / limit[name] for name in limit if limit[name]), default=0.0)


@require_GET
def stuck_items(request: HttpRequest) -> HttpResponse:
    """Show what nobody can move on, and what to do about each, to whoever runs the node."""
    require(request.user, Permission.NODE_OPERATE)
    return render(request, "home/stuck.html", {"groups": stuck.groups(timezone.now())})


urlpatterns = [path("dashboard/", dashboard, name="dashboard"), path("stuck/", stuck_items, name="stuck")]
