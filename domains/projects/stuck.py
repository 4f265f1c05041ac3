"""What of projects nobody can move on."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from domains.catalog import holders
from domains.notices.stuck import Trouble
from domains.notices.tasks import Line
from domains.people.permissions import Role
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project, ProjectMember


def _unreviewable(now: datetime) -> QuerySet[Project]:
    """Return the projects in review that no reviewer of their area may decide on."""
    on_project = ProjectMember.objects.filter(project=OuterRef(OuterRef("pk")), user=OuterRef("user"))
    reviewers = holders.seats(Role.AREA_REVIEWER).filter(area=OuterRef("area"))
    able = reviewers.exclude(user=OuterRef("created_by")).filter(~Exists(on_project))
    return _projects().filter(~Exists(able), status=ProjectStatus.IN_REVIEW)


def _leaderless(now: datetime) -> QuerySet[Project]:
    """Return the running projects that nobody who is here leads."""
    leads = ProjectMember.objects.filter(
        project=OuterRef("pk"), role=Role.PROJECT_LEAD, ended_at=None, user__is_active=True
    )
    return _projects().filter(~Exists(leads), status__in=[ProjectStatus.APPROVED, ProjectStatus.SUSPENDED])


def _projects() -> QuerySet[Project]:
    return Project.objects.select_related("area").order_by("id")


def _project(row: Project) -> Line:
    return Line(row.title, row.area.name, f"/projects/{row.pk}/", row.created_at)


STUCK = (
    Trouble(
        "project.nobody_reviews",
        "A project that no reviewer may decide on",
        "Seat a reviewer who is not on the project in its research area.",
        _unreviewable,
        _project,
    ),
    Trouble(
        "project.no_lead",
        "A running project without a lead who is here",
        "Open the lead’s account again, or have a reviewer of its area suspend the project.",
        _leaderless,
        _project,
    ),
)
