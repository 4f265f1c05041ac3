"""What of requests waits for a person: votes, releases, and the author's own unfinished ones."""

from __future__ import annotations

from domains.notices.tasks import Line, Work
from domains.requests import queries, rules
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, ApprovalRule

_YOURS = {
    Status.CHANGES_REQUESTED: "Answer a reviewer’s note",
    Status.READY: "Submit or drop a checked request",
    Status.DRAFT: "Finish a draft",
}


def _to_decide(row: AnalysisRequest) -> Line:
    about = f"{row.author.name}, {row.grant.dataset.title}"
    return Line(row.title, about, f"/requests/{row.pk}/decision/", row.submitted_at)


def _to_release(row: AnalysisRequest) -> Line:
    return Line(row.title, row.grant.dataset.title, f"/requests/{row.pk}/result/", row.decided_at)


def _own(row: AnalysisRequest) -> Line:
    return Line(row.title, row.grant.dataset.title, f"/requests/{row.pk}/", row.created_at)


def _rule(row: ApprovalRule) -> Line:
    about = f"version {row.number}, proposed by {row.proposed_by.name}"
    return Line(row.dataset.title, about, f"/datasets/{row.dataset.slug}/approval/", row.created_at)


WORK = (
    Work(
        "request.decide",
        "Decide on a request",
        queries.queue,
        _to_decide,
        covers=frozenset({"requests.AnalysisRequest.in_review"}),
    ),
    Work(
        "release.decide",
        "Release or keep back an answer",
        queries.held_releases,
        _to_release,
        covers=frozenset({"requests.Release.awaiting_review"}),
    ),
    Work("rule.confirm", "Confirm a looser approval rule", rules.waiting_for, _rule),
    Work(
        "request.finish",
        lambda row: _YOURS[Status(row.status)],
        queries.your_turn,
        _own,
        is_own=True,
        covers=frozenset(f"requests.AnalysisRequest.{status}" for status in _YOURS),
    ),
)
