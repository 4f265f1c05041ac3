"""A project's life from proposal to closing; grants and members have pages of their own, named here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.models import Dataset, ResearchArea
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.people.queries import holders
from domains.projects.amending import end_amendments
from domains.projects.application import answer, begun, freeze
from domains.projects.application_forms import current
from domains.projects.grants import (
    end_grants,
    open_grants,
    reinstate_grant,
    replace_grants,
    revoke_grant,
    suspend_grant,
)
from domains.projects.guards import on_project, require_candidate, require_separate, require_version, stale
from domains.projects.lifecycle import GrantStatus, ProjectStatus
from domains.projects.membership import EDITABLE, add_member, end_member
from domains.projects.models import Project, ProjectMember, ProjectReview, ProjectVersion, Vote
from domains.projects.policy import Ballot, Outcome, decide
from domains.words import stated_reason, text

__all__ = [
    "add_member",
    "answer",
    "close",
    "edit",
    "end_member",
    "propose",
    "reinstate",
    "reinstate_grant",
    "review",
    "revoke_grant",
    "submit",
    "suspend",
    "suspend_grant",
    "withdraw",
]

VALID_FOR = timedelta(days=365)
MOST_MEMBERS = 50


@transaction.atomic(durable=True)
def propose(
    *,
    area: ResearchArea,
    title: str,
    lay_summary: str,
    purpose: str,
    datasets: Sequence[Dataset],
    by: User,
    members: Sequence[User] = (),
    answers: Mapping[str, Any] | None = None,
) -> Project:
    """Write down a purpose, who pursues it and which datasets it needs, as a draft that `by` leads.

    `answers` are to further questions of the application form, by the question's id.
    """
    require(by, Permission.PROJECT_CREATE)
    people = {user.pk: user for user in (by, *members)}
    if len(people) > MOST_MEMBERS:
        raise InvalidInput(f"A project has at most {MOST_MEMBERS} people.", code="members_invalid")
    for user in people.values():
        require_candidate(None, user)
    words: dict[str, Any] = {**_words(title, lay_summary, purpose), **begun(answers or {})}
    project = Project.objects.create(area=area, created_by=by, **words)
    role = {key: Role.PROJECT_LEAD if key == by.pk else Role.PROJECT_MEMBER for key in people}
    rows = [
        ProjectMember(project=project, user=user, role=role[key], added_by=by) for key, user in people.items()
    ]
    ProjectMember.objects.bulk_create(rows)
    open_grants(project, list(datasets))
    record(Event.PROJECT_PROPOSED, by=by, on=project, area=area.pk, datasets=sorted(d.pk for d in datasets))
    line = f"{by.name} named you on “{project.title}”."
    tell(set(people.values()) - {by}, Event.PROJECT_PROPOSED, line, f"/projects/{project.pk}/")
    return project


def _words(title: str, lay_summary: str, purpose: str) -> dict[str, str]:
    return {
        "title": text(title, "title", most=160),
        "lay_summary": text(lay_summary, "lay summary", most=8000),
        "purpose": text(purpose, "purpose", most=8000),
    }


@transaction.atomic(durable=True)
def edit(
    project: Project,
    *,
    version: int,
    title: str,
    lay_summary: str,
    purpose: str,
    by: User,
    datasets: Sequence[Dataset] | None = None,
) -> None:
    """Change a project that is still being written; `version` is the one that the form was opened at."""
    require(by, Permission.PROJECT_EDIT, on=project)
    changes = _words(title, lay_summary, purpose) | {"version": version + 1}
    if project.status not in EDITABLE:
        raise IllegalMove("Only a draft, or a project sent back for changes, can be edited.")
    require_version(project, version)
    if Project.objects.filter(pk=project.pk, version=version, status=project.status).update(**changes) != 1:
        raise stale()
    for name, value in changes.items():
        setattr(project, name, value)
    if datasets is not None:
        replace_grants(project, list(datasets))
    record(Event.PROJECT_EDITED, by=by, on=project, version=project.version)


@transaction.atomic(durable=True)
def submit(project: Project, *, by: User) -> None:
    """Hand a project to the reviewers of its research area; after a vote it becomes a new version."""
    require(by, Permission.PROJECT_EDIT, on=project)
    if project.status not in EDITABLE:
        raise IllegalMove(f"This project is {project.state.label.lower()}; it is not being written.")
    if not project.grants.filter(status=GrantStatus.REQUESTED).exists():
        raise InvalidInput("Choose at least one dataset before handing it in.", code="datasets_invalid")
    version = freeze(project, by=by)
    move(project, ProjectStatus.IN_REVIEW, version=version.number)
    record(Event.PROJECT_SUBMITTED, by=by, on=project, version=version.number, sha256=version.sha256)
    line = f"“{project.title}” waits for your decision."
    tell(reviewers_of(project), Event.PROJECT_SUBMITTED, line, f"/projects/{project.pk}/")


def reviewers_of(project: Project) -> list[User]:
    """Return who may decide on a project: its area's reviewers who never were on it."""
    seats = project.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).exclude(
        user__in=on_project(project)
    )
    return [row.user for row in seats.select_related("user")]


@transaction.atomic(durable=True)
def withdraw(project: Project, *, by: User) -> None:
    """Take a project back before it is decided; its requests for access go with it."""
    require(by, Permission.PROJECT_EDIT, on=project)
    waiting = project.status == ProjectStatus.IN_REVIEW
    move(project, ProjectStatus.WITHDRAWN)
    end_grants(project, asked=GrantStatus.WITHDRAWN, why="The project was withdrawn.")
    record(Event.PROJECT_WITHDRAWN, by=by, on=project)
    if waiting:
        line = f"“{project.title}” was withdrawn by its lead."
        tell(reviewers_of(project), Event.PROJECT_WITHDRAWN, line, f"/projects/{project.pk}/")


@transaction.atomic(durable=True)
def review(project: Project, *, version: int, vote: str, by: User, reason: str = "") -> None:
    """Vote on the version that was read; when the votes decide, the project moves in the same transaction."""
    require(by, Permission.PROJECT_REVIEW, on=project)
    require_separate(project, by)
    if vote not in Vote.values:
        raise InvalidInput(f"A vote is one of {', '.join(Vote.values)}.", code="vote_invalid")
    why = text(reason, "reason", most=4000, least=0 if vote == Vote.APPROVE else 1)
    if project.status != ProjectStatus.IN_REVIEW:
        raise IllegalMove(f"This project is {project.state.label.lower()}; it is not waiting for a decision.")
    require_version(project, version)
    if ProjectReview.objects.filter(project=project, version=version, reviewer=by).exists():
        raise IllegalMove("You have voted on this version already.", code="already_voted")
    ProjectReview.objects.create(project=project, version=version, reviewer=by, vote=vote, reason=why)
    votes = ProjectReview.objects.filter(project=project, version=version).values_list("reviewer_id", "vote")
    outcome = decide([Ballot(*row) for row in votes], barred=on_project(project))
    if outcome == Outcome.APPROVE:
        require_running()
    _conclude(project, outcome, by=by)
    record(Event.PROJECT_REVIEWED, by=by, on=project, version=version, vote=vote)
    if outcome != Outcome.WAIT:
        record(_EVENTS[outcome], by=by, on=project, version=version)
        _tell_members(project, _EVENTS[outcome], why, by=by)
    if outcome == Outcome.APPROVE:
        line = f"“{project.title}” was approved and waits for a budget."
        tell(holders(Role.ADMINISTRATOR), Event.PROJECT_APPROVED, line, f"/projects/{project.pk}/")


_EVENTS = {
    Outcome.APPROVE: Event.PROJECT_APPROVED,
    Outcome.REQUEST_CHANGES: Event.PROJECT_CHANGES_REQUESTED,
    Outcome.DENY: Event.PROJECT_REJECTED,
}


def _conclude(project: Project, outcome: Outcome, *, by: User) -> None:
    now = timezone.now()
    decided: dict[str, Any] = {"decided_at": now, "decided_by": by}
    if outcome == Outcome.APPROVE:
        frozen = ProjectVersion.objects.filter(project=project, number=project.version).first()
        decided |= {"valid_until": now + VALID_FOR, "in_force": frozen}
        move(project, ProjectStatus.APPROVED, **decided)
    elif outcome == Outcome.DENY:
        move(project, ProjectStatus.REJECTED, **decided)
        end_grants(project, asked=GrantStatus.DENIED, why="The project was rejected.")
    elif outcome == Outcome.REQUEST_CHANGES:
        move(
            project, ProjectStatus.CHANGES_REQUESTED, form=current()
        )  # what is handed in next answers the newest


def _tell_members(project: Project, event: Event, why: str, *, by: User) -> None:
    members = {row.user for row in project.members.filter(ended_at=None).select_related("user")}
    line = f"“{project.title}”: {project.state.label.lower()}. {why}".strip()
    tell(members - {by}, event, line, f"/projects/{project.pk}/")


@transaction.atomic(durable=True)
def suspend(project: Project, *, reason: str, by: User) -> None:
    """Stop a project at once; one reviewer suffices, and only another person may let it go on."""
    require(by, Permission.PROJECT_SUSPEND, on=project)
    why = stated_reason(reason)
    move(project, ProjectStatus.SUSPENDED, suspended_by=by)
    record(Event.PROJECT_SUSPENDED, by=by, on=project, reason=why)
    _tell_members(project, Event.PROJECT_SUSPENDED, why, by=by)


@transaction.atomic(durable=True)
def reinstate(project: Project, *, reason: str, by: User) -> None:
    """Let a suspended project go on; never the person who suspended it, nor anyone who is or was on it."""
    require(by, Permission.PROJECT_SUSPEND, on=project)
    require_separate(project, by)
    if project.status != ProjectStatus.SUSPENDED:
        raise IllegalMove("Only a suspended project can be reinstated.")
    if by.pk == project.suspended_by_id:
        raise NotAllowed("You suspended it, so somebody else must reinstate it.", code="separation_of_duties")
    why = stated_reason(reason)
    move(project, ProjectStatus.APPROVED, suspended_by=None)
    record(Event.PROJECT_REINSTATED, by=by, on=project, reason=why)
    _tell_members(project, Event.PROJECT_REINSTATED, why, by=by)


@transaction.atomic(durable=True)
def close(project: Project, *, report: str, by: User) -> None:
    """Finish a project with a word on what came of it; its grants end, its ledger stays."""
    require(by, Permission.PROJECT_CLOSE, on=project)
    why = text(report, "report", most=4000)
    move(project, ProjectStatus.CLOSED)
    end_amendments(project)
    end_grants(
        project,
        asked=GrantStatus.WITHDRAWN,
        granted=GrantStatus.CLOSED,
        why="The project was closed by its lead.",
    )
    record(Event.PROJECT_CLOSED, by=by, on=project, report=why)
    _tell_members(project, Event.PROJECT_CLOSED, "", by=by)
