"""Who is on a project: added by its lead, after a decision by a reviewer; ended, never deleted."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, NotFound
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.projects.guards import require_candidate, require_separate
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project, ProjectMember
from domains.words import once

EDITABLE = frozenset({ProjectStatus.DRAFT, ProjectStatus.CHANGES_REQUESTED})


@transaction.atomic(durable=True)
def add_member(project: Project, user: User, *, by: User) -> ProjectMember:
    """Add a person: by the lead before it is handed in; once approved, by a reviewer, who judges them too."""
    if project.status == ProjectStatus.APPROVED:
        require(by, Permission.PROJECT_REVIEW, on=project)
        require_separate(project, by)
    else:
        require(by, Permission.PROJECT_EDIT, on=project)
    # The row stays locked, so that nobody votes on a project and joins it in the same moment (S1).
    here = Project.objects.filter(pk=project.pk, status=project.status)
    if (
        project.status not in EDITABLE | {ProjectStatus.APPROVED}
        or here.update(version=F("version") + 1) != 1
    ):
        raise IllegalMove(
            "People are added while a project is being written, or by a reviewer once it is approved."
        )
    _take_on(project, user, by=by)
    project.refresh_from_db(fields=["version"])
    return ProjectMember.objects.get(project=project, user=user, ended_at=None)


def _take_on(project: Project, user: User, *, by: User) -> None:
    require_candidate(project, user)
    with once(f"{user.name} is on this project already.", code="already_member"):
        ProjectMember.objects.create(project=project, user=user, role=Role.PROJECT_MEMBER, added_by=by)
    record(Event.MEMBER_ADDED, by=by, on=project, user=user.pk)
    tell([user], Event.MEMBER_ADDED, f"You are now on “{project.title}”.", f"/projects/{project.pk}/")


def amend_members(project: Project, *, new: set[str], gone: set[str], by: User) -> None:
    """Take people on and off with an approved amendment, but its lead; who came or left meanwhile stays so."""
    rows = ProjectMember.objects.filter(project=project, ended_at=None).select_related("user")
    here = {row.user_id: row for row in rows}
    for key in sorted(gone & here.keys()):
        if here[key].role != Role.PROJECT_LEAD:
            _take_off(project, here[key], by=by)
    for user in User.objects.filter(pk__in=new - here.keys()).order_by("pk"):
        _take_on(project, user, by=by)


@transaction.atomic(durable=True)
def end_member(project: Project, user: User, *, by: User) -> None:
    """Take a person off a project, or leave it oneself; its lead stays as long as the project does."""
    require(by, Permission.PROJECT_READ if by.pk == user.pk else Permission.PROJECT_EDIT, on=project)
    member = ProjectMember.objects.filter(project=project, user=user, ended_at=None).first()
    if member is None:
        raise NotFound("This person is not on the project.", code="not_member")
    if member.role == Role.PROJECT_LEAD:
        raise IllegalMove("The lead answers for the project; close it instead.", code="lead_stays")
    _take_off(project, member, by=by)


def _take_off(project: Project, member: ProjectMember, *, by: User) -> None:
    user, now = member.user, timezone.now()
    if ProjectMember.objects.filter(pk=member.pk, ended_at=None).update(ended_at=now, ended_by=by) != 1:
        raise IllegalMove("This person has just been taken off the project.")
    record(Event.MEMBER_ENDED, by=by, on=project, user=user.pk)
    tell({user} - {by}, Event.MEMBER_ENDED, f"You are no longer on “{project.title}”.", "/projects/")
