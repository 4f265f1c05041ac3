"""What of projects and grants waits for a person."""

from __future__ import annotations

from domains.notices.tasks import Line, Work
from domains.projects import queries
from domains.projects.models import AccessGrant, Amendment, Project


def _to_review(row: Project) -> Line:
    return Line(row.title, f"{row.created_by.name}, {row.area.name}", f"/projects/{row.pk}/", row.created_at)


def _own(row: Project) -> Line:
    return Line(row.title, row.area.name, f"/projects/{row.pk}/", row.created_at)


def _amended(row: Amendment) -> Line:
    where = f"/projects/{row.project_id}/amendment/"
    return Line(row.title, row.project.area.name, where, row.created_at)


def _to_allocate(row: AccessGrant) -> Line:
    return Line(row.project.title, row.dataset.title, f"/grants/{row.pk}/allocate/", row.created_at)


WORK = (
    Work(
        "project.review",
        "Review a project",
        queries.to_review,
        _to_review,
        covers=frozenset({"projects.Project.in_review"}),
    ),
    Work(
        "project.finish",
        "Finish and hand in a project",
        queries.your_turn,
        _own,
        is_own=True,
        covers=frozenset({"projects.Project.draft", "projects.Project.changes_requested"}),
    ),
    Work(
        "amendment.review",
        "Review an amendment",
        queries.amendments_to_review,
        _amended,
        covers=frozenset({"projects.Amendment.in_review"}),
    ),
    Work(
        "amendment.finish",
        "Finish and hand in an amendment",
        queries.own_amendments,
        _amended,
        is_own=True,
        covers=frozenset({"projects.Amendment.draft", "projects.Amendment.changes_requested"}),
    ),
    Work(
        "grant.allocate",
        "Allocate a budget",
        queries.grants_to_allocate,
        _to_allocate,
        covers=frozenset({"projects.AccessGrant.requested"}),
    ),
)
