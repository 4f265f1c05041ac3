"""What a decider weighs besides budget and policy: answers that are out already, and what one more can betray."""

from __future__ import annotations

import math
from dataclasses import dataclass

from domains.people.models import User
from domains.people.permissions import Permission, allows
from domains.requests import queries
from domains.requests.models import AnalysisRequest, Revision
from privacy.query.plan import Plan, columns_touched
from privacy.risk import guess_after
from privacy.workload.plan import Workload, is_workload, touched

MOST_READ, MOST_SHOWN = 200, 8  # earlier answers that are compared, and that are listed


def may_read(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether `user` sees what deciders see: they decide on the dataset's requests, or audit the node."""
    return allows(user, Permission.REQUEST_REVIEW, on=analysis) or allows(user, Permission.AUDIT_READ)


@dataclass(frozen=True)
class Overlap:
    """An answer that is out, and what it has in common with the question to decide on."""

    analysis: AnalysisRequest
    columns: tuple[str, ...]
    is_same_question: bool
    is_same_project: bool

    @property
    def in_words(self) -> str:
        """Say what the two have in common."""
        found = "the same question, word for word" if self.is_same_question else ""
        if not found and self.columns:
            found = f"reads {', '.join(self.columns)} too"
        project = "by the same project" if self.is_same_project else ""
        return ", ".join(filter(None, [found, project])) or "no column in common"


@dataclass(frozen=True)
class Earlier:
    """The answers that are out from a dataset: how many were compared, and those that overlap most."""

    count: int
    overlapping: int
    rows: tuple[Overlap, ...]


def columns_of(revision: Revision) -> frozenset[str]:
    """Return the names of the private columns that a stored revision reads, without pricing it anew."""
    plan = revision.plan
    read = touched(Workload.from_dict(plan)) if is_workload(plan) else columns_touched(Plan.from_dict(plan))
    return frozenset(read)


def earlier(analysis: AnalysisRequest) -> Earlier:
    """Compare the question with the latest answers that are out from its dataset, those most alike first."""
    if analysis.revision is None:
        return Earlier(0, 0, ())
    mine, own = columns_of(analysis.revision), analysis.revision.plan_sha256
    found = [
        Overlap(
            row,
            tuple(sorted(mine & columns_of(row.current))),
            row.current.plan_sha256 == own,
            row.grant.project_id == analysis.grant.project_id,
        )
        for row in queries.earlier_releases(analysis)[:MOST_READ]
    ]
    found.sort(key=_closeness, reverse=True)  # stable: the latest first among equals
    overlapping = sum(1 for row in found if row.columns or row.is_same_question)
    return Earlier(len(found), overlapping, tuple(found[:MOST_SHOWN]))


def _closeness(row: Overlap) -> tuple[bool, int, bool]:
    return row.is_same_question, len(row.columns), row.is_same_project


def risk(revision: Revision | None) -> str:
    """Say in one sentence, for everyone, what an answer at this ε can betray of one person.

    Under (ε, δ)-differential privacy a guesser's odds about one unit grow by at most e^ε, but for δ.
    """
    if revision is None:
        return ""
    best = min(99, math.ceil(100 * guess_after(float(revision.epsilon), 0.0)))
    return (
        f"Somebody who would guess a fact about one person right 50 times in 100 could, with this answer, "
        f"guess right at most {best} times in 100, whatever else they know."
    )
