"""Telling a project's lead that its approval ends, and everybody on it once it has.

The sweep is idempotent, for each reminder is a row that there is once. No rule depends on it: whether work may go on
is asked of the date itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project, ProjectReminder

DAYS = (1, 14, 60)  # before the end
DUE = "project.due"  # what the notices are called: they ask the reader to act


def sweep(now: datetime) -> int:
    """Remind of approvals that end within 60, 14 or 1 days, of the nearest only, and that have ended."""
    count = _between(None, now, 0)
    begin = now
    for days in DAYS:
        end = now + timedelta(days=days)
        count += _between(begin, end, days)
        begin = end
    return count


def _between(begin: datetime | None, end: datetime, days: int) -> int:
    told = ProjectReminder.objects.filter(
        project=OuterRef("pk"), valid_until=OuterRef("valid_until"), days=days
    )
    rows = Project.objects.filter(~Exists(told), status=ProjectStatus.APPROVED, valid_until__lte=end)
    if begin is not None:
        rows = rows.filter(valid_until__gt=begin)
    return sum(_once(project, days) for project in rows.order_by("pk")[:500])


def _once(project: Project, days: int) -> int:
    """Tell unless another sweep did; the row and the notices come together."""
    told: dict[str, Any] = {"project": project, "valid_until": project.valid_until, "days": days}
    with transaction.atomic():
        _, is_new = ProjectReminder.objects.get_or_create(**told)
        if is_new:
            tell(_people(project, days), DUE, _line(project, days), f"/projects/{project.pk}/")
    return int(is_new)


def _people(project: Project, days: int) -> set[User]:
    rows = project.members.filter(ended_at=None, user__is_active=True).select_related("user")
    return {row.user for row in rows if days == 0 or row.role == Role.PROJECT_LEAD}


def _line(project: Project, days: int) -> str:
    if days == 0:
        return f"The approval of “{project.title}” has run out: nothing can be asked until it is renewed."
    day = f"{project.valid_until:%-d %b %Y, %H:%M}"
    return f"The approval of “{project.title}” ends on {day} UTC. Ask to renew it in time."
