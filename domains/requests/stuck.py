"""What of requests nobody can move on. Whoever runs the node may not read requests: only where they wait is said."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from domains.catalog import holders
from domains.notices.stuck import Trouble
from domains.notices.tasks import Line
from domains.people.permissions import Role
from domains.projects.models import ProjectMember
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest

UNANSWERED = timedelta(days=14)


def _able(reference: str = "pk") -> Exists:
    """Say that somebody is here who may decide: a steward who is neither the author nor on the project."""
    on_project = ProjectMember.objects.filter(
        project=OuterRef(OuterRef("grant__project")), user=OuterRef("user")
    )
    stewards = holders.stewards(Role.DATASET_OWNER, Role.DATASET_REVIEWER)
    return Exists(
        stewards.filter(dataset=OuterRef("grant__dataset"))
        .exclude(user=OuterRef("author"))
        .filter(~Exists(on_project))
    )


def _in_review() -> QuerySet[AnalysisRequest]:
    rows = AnalysisRequest.objects.filter(status=Status.IN_REVIEW)
    return rows.select_related("grant__project", "grant__dataset").order_by("submitted_at", "id")


def _undecidable(now: datetime) -> QuerySet[AnalysisRequest]:
    return _in_review().filter(~_able())


def _unanswered(now: datetime) -> QuerySet[AnalysisRequest]:
    return _in_review().filter(_able(), submitted_at__lt=now - UNANSWERED)


def _request(row: AnalysisRequest) -> Line:
    about = f"for “{row.grant.project.title}”"
    return Line(row.grant.dataset.title, about, f"/projects/{row.grant.project_id}/", row.submitted_at)


STUCK = (
    Trouble(
        "request.nobody_decides",
        "A request that nobody may decide on",
        "Its dataset needs an owner or an assigned reviewer who is not on the project.",
        _undecidable,
        _request,
    ),
    Trouble(
        "request.unanswered",
        "A request unanswered for two weeks",
        "Remind the dataset’s owners and reviewers. Nothing is ever approved by silence.",
        _unanswered,
        _request,
    ),
)
