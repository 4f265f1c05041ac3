"""Separation of duties, asked by every decision about a request."""

from __future__ import annotations

from domains.errors import NotAllowed
from domains.people.models import User
from domains.requests.models import AnalysisRequest


def require_separate(analysis: AnalysisRequest, by: User) -> None:
    """Raise unless `by` may decide on it: never its author, never anyone who is or was on the project (S1)."""
    if not is_separate(analysis, by):
        raise NotAllowed(
            "You are on this project, so somebody else must decide.", code="separation_of_duties"
        )


def lock(analysis: AnalysisRequest) -> None:
    """Take the request's row before the ledger takes the audit log's head: who holds the head waits for no row."""
    AnalysisRequest.objects.select_for_update(no_key=True).get(pk=analysis.pk)


def is_separate(analysis: AnalysisRequest, by: User) -> bool:
    """Answer the same question without raising."""
    return by.pk != analysis.author_id and by.pk not in analysis.project.member_ids
