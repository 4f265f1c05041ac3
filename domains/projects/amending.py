"""Deciding about an amendment: votes as on a project; approved, it changes the project in the same transaction."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.models import Dataset
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects.amendments import OPEN, hold
from domains.projects.grants import amend_grants
from domains.projects.guards import on_project, require_separate
from domains.projects.lifecycle import AmendmentStatus, ProjectStatus
from domains.projects.membership import amend_members
from domains.projects.models import Amendment, Project, ProjectReview, ProjectVersion, Vote
from domains.projects.policy import Ballot, Outcome, decide
from domains.projects.questions import CORE
from domains.words import text

_ENDS = {
    Outcome.APPROVE: (AmendmentStatus.APPROVED, Event.AMENDMENT_APPROVED),
    Outcome.REQUEST_CHANGES: (AmendmentStatus.CHANGES_REQUESTED, Event.AMENDMENT_CHANGES_REQUESTED),
    Outcome.DENY: (AmendmentStatus.DENIED, Event.AMENDMENT_DENIED),
}


def may_review(amendment: Amendment, user: User) -> bool:
    """Answer whether the decision buttons are shown; the same table and guards that the action enforces."""
    project = amendment.project
    return (
        amendment.status == AmendmentStatus.IN_REVIEW
        and project.status == ProjectStatus.APPROVED
        and allows(user, Permission.PROJECT_REVIEW, on=project)
        and user.pk not in on_project(project) | set(amendment.people)
    )


def votes_on(amendment: Amendment) -> QuerySet[ProjectReview]:
    """Return the votes on what was handed in of this amendment, with who cast them; one query."""
    number = amendment.frozen.number if amendment.frozen else 0
    after = amendment.base.number if amendment.base else 0
    votes = ProjectReview.objects.filter(project=amendment.project_id, version__gt=after, version__lte=number)
    return votes.filter(created_at__gte=amendment.created_at).select_related("reviewer")


@transaction.atomic(durable=True)
def review(amendment: Amendment, *, version: int, vote: str, by: User, reason: str = "") -> None:
    """Vote on an amendment as handed in, version `version` of its project; an approval changes the project."""
    require(by, Permission.PROJECT_REVIEW, on=amendment.project)
    require_separate(amendment.project, by)
    if vote not in Vote.values:
        raise InvalidInput(f"A vote is one of {', '.join(Vote.values)}.", code="vote_invalid")
    why = text(reason, "reason", most=4000, least=0 if vote == Vote.APPROVE else 1)
    hold(amendment)
    frozen = _votable(amendment, version, by)
    project = amendment.project
    ProjectReview.objects.create(project=project, version=version, reviewer=by, vote=vote, reason=why)
    votes = ProjectReview.objects.filter(project=project, version=version).values_list("reviewer_id", "vote")
    outcome = decide([Ballot(*row) for row in votes], barred=on_project(project))
    record(Event.PROJECT_REVIEWED, by=by, on=project, version=version, vote=vote, amendment=amendment.pk)
    if outcome != Outcome.WAIT:
        _conclude(amendment, frozen, outcome, why, by=by)


def _votable(amendment: Amendment, version: int, by: User) -> ProjectVersion:
    """Return what is voted on; raise unless it is the version that waits, and `by` would not be on the project."""
    if by.pk in amendment.people:
        raise NotAllowed(
            "It would put you on the project, so somebody else decides.", code="separation_of_duties"
        )
    if amendment.status != AmendmentStatus.IN_REVIEW or amendment.frozen is None:
        raise IllegalMove(f"This amendment is {amendment.state.label.lower()}; it waits for no decision.")
    if amendment.project.status != ProjectStatus.APPROVED:
        raise IllegalMove("Its project is not running, so its amendment cannot be decided now.")
    if amendment.frozen.number != version:
        raise IllegalMove("This amendment changed since you opened it. Look at it again.", code="stale")
    if ProjectReview.objects.filter(project=amendment.project, version=version, reviewer=by).exists():
        raise IllegalMove("You have voted on this version already.", code="already_voted")
    return amendment.frozen


def _conclude(amendment: Amendment, frozen: ProjectVersion, outcome: Outcome, why: str, *, by: User) -> None:
    project, (to, event) = amendment.project, _ENDS[outcome]
    decided: dict[str, Any] = {}
    if outcome != Outcome.REQUEST_CHANGES:
        decided = {"decided_at": timezone.now(), "decided_by": by}
    move(amendment, to, **decided)
    members = {row.user for row in project.members.filter(ended_at=None).select_related("user")}
    if outcome == Outcome.APPROVE:
        require_running()
        _apply(amendment, frozen, by=by)
    record(event, by=by, on=amendment, project=project.pk, version=frozen.number)
    line = f"The amendment of “{project.title}”: {amendment.state.label.lower()}. {why}".strip()
    tell(members - {by}, event, line, f"/projects/{project.pk}/amendment/")


def _apply(amendment: Amendment, frozen: ProjectVersion, *, by: User) -> None:
    """Put a version in force: words, end, people and datasets; only what the amendment meant to change changes."""
    project, content = amendment.project, frozen.content
    before, answers = content["before"], content["answers"]
    project.title, project.in_force, project.form = content["title"], frozen, frozen.form
    project.lay_summary, project.purpose = answers["lay_summary"], answers["purpose"]
    project.purpose_codes = answers.get("purpose_codes", [])
    project.answers = {name: value for name, value in answers.items() if name not in CORE}
    project.version = max(project.version, frozen.number)
    if amendment.valid_until is not None:  # to the end of that day
        project.valid_until = datetime.combine(amendment.valid_until + timedelta(days=1), time(), tzinfo=UTC)
    fields = ["title", "in_force", "form", "answers", "version", "valid_until", *CORE]
    Project.objects.filter(pk=project.pk).update(**{name: getattr(project, name) for name in fields})
    old, wanted = set(before["people"]), set(amendment.people)
    amend_members(project, new=wanted - old, gone=old - wanted, by=by)
    added = set(amendment.datasets) - set(before["datasets"])
    new = list(Dataset.objects.filter(slug__in=added).order_by("slug"))
    amend_grants(project, new=new, gone=set(before["datasets"]) - set(amendment.datasets), by=by)


def end_amendments(project: Project) -> None:
    """Withdraw the amendment that is under way, with its project, inside the transaction that ends it."""
    for amendment in Amendment.objects.filter(project=project, status__in=OPEN):
        move(amendment, AmendmentStatus.WITHDRAWN)
