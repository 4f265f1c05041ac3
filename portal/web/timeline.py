"""A request's way so far as a list of steps. Pure: it reads an object that was already fetched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from domains.requests.queries import Progress
from domains.requests.standing import standing


@dataclass(frozen=True)
class Step:
    """One station: `tone` is done, now, bad or empty for what is still to come."""

    label: str
    text: str
    at: datetime | None
    tone: str


_STOPPED = {Status.REFUSED, Status.DENIED, Status.WITHDRAWN, Status.LAPSED, Status.REVOKED}


def steps(analysis: AnalysisRequest, progress: Progress) -> list[Step]:
    """Return the stations of a request: written, checked, submitted, decided, run, released."""
    status = analysis.status
    found = [Step("Written", f"by {analysis.author.name}", analysis.created_at, "done")]
    revision = analysis.revision
    if revision is not None:
        found.append(Step("Checked and priced", f"revision {revision.number}", revision.created_at, "done"))
    if analysis.submitted_at is not None:
        found.append(Step("Submitted", "", analysis.submitted_at, "done"))
    if status in _STOPPED:
        return [*found, Step(progress.label, _by(analysis), analysis.decided_at, "bad")]
    if status != Status.APPROVED:
        found.append(Step(progress.label, _whose_turn(analysis), None, "now"))
        return found + [Step(label, "", None, "") for label in _still_to_come(status)]
    found.append(Step("Approved", _by(analysis), analysis.decided_at, "done"))
    released = next((row.released_at for row in analysis.releases.all()), None)
    if progress.code == "released":
        return [*found, Step("Released", "to the project's members", released, "done")]
    if progress.is_final:
        return [*found, Step(progress.label, "", None, "bad")]
    return [*found, Step(progress.label, "", None, "now"), Step("Released", "", None, "")]


def _by(analysis: AnalysisRequest) -> str:
    if analysis.decided_at is None:
        return ""
    if analysis.decided_by is not None:
        return f"by {analysis.decided_by.name}"
    if analysis.status_code == "repeat":
        return "the stored answer is returned again"
    return "by the dataset's policy" if analysis.policy_id else ""


def _whose_turn(analysis: AnalysisRequest) -> str:
    if analysis.status != Status.IN_REVIEW:
        return "your turn, author"
    found = standing(analysis)
    if found.terms.people == 1:
        return "the dataset's owner or reviewer decides"
    return f"{found.in_words} approvals are in"


def _still_to_come(status: str) -> tuple[str, ...]:
    decided = ("Decided", "Run", "Released")
    return decided[1:] if status == Status.IN_REVIEW else ("Submitted", *decided)
