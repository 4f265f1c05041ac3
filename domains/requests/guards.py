"""Separation of duties, asked by every decision about a request."""

from __future__ import annotations

from domains.errors import IllegalMove, NotAllowed
from domains.people.models import User
from domains.projects.models import Project, Vote
from domains.requests.models import AnalysisRequest, Release, Review


def require_separate(analysis: AnalysisRequest, by: User) -> None:
    """Raise unless `by` may decide on it: never its author, never anyone who is or was on the project (S1)."""
    if not is_separate(analysis, by):
        raise NotAllowed(
            "You are on this project, so somebody else must decide.", code="separation_of_duties"
        )


_DECIDES = ("status", "revision_id", "round", "job_id")  # what every decision about a request rests on


def lock(analysis: AnalysisRequest) -> None:
    """Take the request's row before the ledger takes the audit log's head: who holds the head waits for no row.

    Raises IllegalMove "stale" when somebody moved it since `analysis` was read.
    """
    row = AnalysisRequest.objects.select_for_update(no_key=True).values(*_DECIDES).get(pk=analysis.pk)
    if row != {name: getattr(analysis, name) for name in _DECIDES}:
        raise IllegalMove(
            "This request changed since you opened it. Look at it again before deciding.", code="stale"
        )


def is_separate(analysis: AnalysisRequest, by: User) -> bool:
    """Answer the same question without raising."""
    return by.pk != analysis.author_id and by.pk not in analysis.project.member_ids


def has_approved(analysis: AnalysisRequest, by: User) -> bool:
    """Answer whether `by` approved what runs: they are then not the one to check what came out (S3)."""
    cast = Review.objects.filter(revision=analysis.revision_id, reviewer=by, round=analysis.round)
    return cast.filter(vote=Vote.APPROVE).exists()


def has_decided(project: Project, user: User) -> bool:
    """Answer whether `user` has voted on one of the project's requests or let out one of its answers (S1)."""
    votes = Review.objects.filter(revision__analysis__grant__project=project, reviewer=user)
    return (
        votes.exists() or Release.objects.filter(analysis__grant__project=project, released_by=user).exists()
    )
