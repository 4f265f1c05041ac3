"""What votes decide about a project, and what makes a grant usable. Pure: values in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

QUORUM = 1  # distinct people whose approval decides


class Outcome(StrEnum):
    """What the votes on one version of a project come to."""

    WAIT = "wait"
    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    DENY = "deny"


@dataclass(frozen=True)
class Ballot:
    """One person's vote, by key."""

    person: str
    vote: str


def decide(ballots: Iterable[Ballot], *, barred: Iterable[str], quorum: int = QUORUM) -> Outcome:
    """Count votes: a refusal overrides, then a wish for changes, then approvals by `quorum` people (S4).

    Votes of `barred` people, who are or were on the project, do not count at all (S1).
    """
    shut_out = set(barred)
    counted = [ballot for ballot in ballots if ballot.person not in shut_out]
    votes = {ballot.vote for ballot in counted}
    if Outcome.DENY in votes:
        return Outcome.DENY
    if Outcome.REQUEST_CHANGES in votes:
        return Outcome.REQUEST_CHANGES
    approving = {ballot.person for ballot in counted if ballot.vote == Outcome.APPROVE}
    return Outcome.APPROVE if len(approving) >= quorum else Outcome.WAIT


@dataclass(frozen=True)
class Facts:
    """All that a grant's usability depends on, read at one moment."""

    project_status: str
    project_valid_until: datetime | None
    grant_status: str
    grant_valid_from: datetime | None
    grant_valid_to: datetime | None
    is_active: bool
    is_scientist: bool
    is_member: bool
    dataset_status: str
    has_version: bool
    is_paused: bool = False
    agreement_due: str = ""  # the title of the first agreement in force that the person has not accepted …
    agreement_path: str = ""  # … and where it can be


@dataclass(frozen=True)
class Check:
    """One condition: what it is, whether it holds, and what to do when it does not; `path` is where."""

    code: str
    label: str
    ok: bool
    hint: str
    path: str = ""


@dataclass(frozen=True)
class Usable:
    """Whether a person may use a grant now, with every condition named."""

    ok: bool
    checks: tuple[Check, ...]

    @property
    def refusal(self) -> Check | None:
        """The first condition that does not hold."""
        return next((check for check in self.checks if not check.ok), None)


def usable(facts: Facts, now: datetime) -> Usable:
    """Evaluate every condition, so that a person sees all that is missing at once (WORKFLOW)."""
    checks = (
        *_about_person(facts),
        *_about_project(facts, now),
        *_about_grant(facts, now),
        *_about_dataset(facts),
        _about_node(facts),
    )
    return Usable(ok=all(check.ok for check in checks), checks=checks)


def _about_person(facts: Facts) -> tuple[Check, ...]:
    return (
        Check("person_active", "Your account is active", facts.is_active, "Ask an administrator."),
        Check(
            "person_scientist", "You are a data scientist here", facts.is_scientist, "Ask an administrator."
        ),
        Check("person_member", "You are a member of the project", facts.is_member, "Ask the project's lead."),
        Check(
            "agreements_accepted",
            "You accepted the agreements in force",
            not facts.agreement_due,
            f"Read and accept “{facts.agreement_due}”; then it can be used again at once.",
            facts.agreement_path,
        ),
    )


def _about_project(facts: Facts, now: datetime) -> tuple[Check, ...]:
    until = facts.project_valid_until
    return (
        Check(
            "project_approved",
            "The project is approved",
            facts.project_status == "approved",
            "A reviewer of the research area decides; see the project's page.",
        ),
        Check(
            "project_not_expired",
            "The project's approval has not run out",
            until is None or now < until,
            "Propose the project again.",
        ),
    )


def _about_grant(facts: Facts, now: datetime) -> tuple[Check, ...]:
    began = facts.grant_valid_from is None or facts.grant_valid_from <= now
    ends = facts.grant_valid_to is None or now < facts.grant_valid_to
    return (
        Check(
            "grant_granted",
            "A budget was allocated",
            facts.grant_status == "granted",
            "An administrator allocates it once the project is approved.",
        ),
        Check(
            "grant_in_window",
            "The grant is within its dates",
            began and ends,
            "Ask an administrator for new dates.",
        ),
    )


def _about_dataset(facts: Facts) -> tuple[Check, ...]:
    return (
        Check(
            "dataset_published",
            "The dataset has a published version",
            facts.dataset_status not in {"draft", "withdrawn"} and facts.has_version,
            "Its owners publish one.",
        ),
        Check(
            "dataset_not_frozen",
            "The dataset is not frozen",
            facts.dataset_status != "frozen",
            "Its owners stopped it for now; they can say why.",
        ),
    )


def _about_node(facts: Facts) -> Check:
    return Check(
        "node_running",
        "The node is not paused",
        not facts.is_paused,
        "An administrator resumes it; what is queued waits until then.",
        "/node/",
    )
