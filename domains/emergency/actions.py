"""Opening and closing an emergency access, and the only three things that it allows: all of them stop something.

Nothing here approves, allocates or releases, and nothing begins again what was stopped: that is for those whose
decision it is, a dataset's owners and a project's reviewers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import Model, move
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.emergency import queries
from domains.emergency.models import ActKind, EmergencyAccess, EmergencyAct
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.outbox import tell
from domains.people.models import ApiToken, User
from domains.people.permissions import Permission, Role, require
from domains.people.queries import holders
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project
from domains.words import stated_reason

PAGE = "/emergencies/"
MOST_HOURS = 4


@transaction.atomic(durable=True)
def open_access(*, reason: str, hours: int, by: User) -> EmergencyAccess:
    """Break the glass for at most four hours; all owners, auditors and other administrators are told at once."""
    require(by, Permission.BREAK_GLASS_OPEN)
    reason = stated_reason(reason)
    if not 1 <= hours <= MOST_HOURS:
        raise InvalidInput(f"An emergency access lasts from 1 to {MOST_HOURS} hours.", code="hours_invalid")
    User.objects.select_for_update(no_key=True).get(pk=by.pk)  # one open access a person
    if queries.own_open(by) is not None:
        raise IllegalMove("You have an emergency access open already.", code="break_glass_open")
    now = timezone.now()
    made = EmergencyAccess.objects.create(
        reason=reason, opened_by=by, created_at=now, expires_at=now + timedelta(hours=hours)
    )
    record(Event.BREAK_GLASS_OPENED, by=by, on=made, reason=reason, hours=hours)
    line = f"{by.name} opened an emergency access for {hours} h: {reason}"
    tell(_watching() - {by}, Event.BREAK_GLASS_OPENED, line, PAGE)
    return made


@transaction.atomic(durable=True)
def close_access(access: EmergencyAccess, *, by: User) -> None:
    """End one's emergency access before its time."""
    _require_open(access, by)
    open_one = EmergencyAccess.objects.filter(pk=access.pk, closed_at=None)
    if open_one.update(closed_at=timezone.now(), closed_by=by) != 1:
        raise _over()
    access.refresh_from_db()
    record(Event.BREAK_GLASS_CLOSED, by=by, on=access)


@transaction.atomic(durable=True)
def freeze_dataset(access: EmergencyAccess, dataset: Dataset, *, by: User) -> EmergencyAct:
    """Freeze any dataset: no approval and no preflight passes until one of its owners unfreezes it."""
    _require_open(access, by)
    move(dataset, DatasetStatus.FROZEN)
    act = _done(access, ActKind.FREEZE_DATASET, dataset, dataset.title, by)
    record(Event.DATASET_FROZEN, by=by, on=dataset, reason=access.reason, break_glass=access.pk)
    owners = {row.user for row in dataset.stewards.filter(ended_at=None).select_related("user")}
    line = f"{by.name} froze “{dataset.title}” in an emergency: {access.reason}"
    tell(owners, Event.BREAK_GLASS_USED, line, f"/datasets/{dataset.slug}/")
    return act


@transaction.atomic(durable=True)
def suspend_project(access: EmergencyAccess, project: Project, *, by: User) -> EmergencyAct:
    """Suspend any project: nothing of it runs until a reviewer of its research area reinstates it."""
    _require_open(access, by)
    move(project, ProjectStatus.SUSPENDED, suspended_by=by)
    act = _done(access, ActKind.SUSPEND_PROJECT, project, project.title, by)
    record(Event.PROJECT_SUSPENDED, by=by, on=project, reason=access.reason, break_glass=access.pk)
    seats = project.area.seats.filter(ended_at=None, role=Role.AREA_REVIEWER).select_related("user")
    members = project.members.filter(ended_at=None).select_related("user")
    line = f"{by.name} suspended “{project.title}” in an emergency: {access.reason}"
    told = {row.user for row in members} | {row.user for row in seats}
    tell(told, Event.BREAK_GLASS_USED, line, f"/projects/{project.pk}/")
    return act


@transaction.atomic(durable=True)
def sign_out(access: EmergencyAccess, person: User, *, by: User) -> EmergencyAct:
    """End every session of a person and revoke all their tokens; their account and roles stay as they are."""
    _require_open(access, by)
    if person.pk == by.pk:
        raise NotAllowed("Sign yourself out by the button above.", code="own_session")
    now = timezone.now()
    for key in _sessions_of(person):
        Session.objects.filter(session_key=key).delete()
    live = ApiToken.objects.filter(user=person, revoked_at=None)
    revoked = live.update(revoked_at=now, revoked_by=by)
    act = _done(access, ActKind.SIGN_OUT, person, person.name, by)
    record(Event.TOKEN_REVOKED, by=by, on=person, tokens=revoked, break_glass=access.pk)
    line = f"{by.name} signed you out everywhere and revoked your tokens in an emergency: {access.reason}"
    tell([person], Event.BREAK_GLASS_USED, line, "/account/")
    return act


def _sessions_of(person: User) -> Iterable[str]:
    """Yield the keys of a person's sessions, which only the sessions themselves tell."""
    for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if row.get_decoded().get("_auth_user_id") == str(person.pk):
            yield row.session_key


def _require_open(access: EmergencyAccess, by: User) -> None:
    """Raise unless this is one's own access and it can still be used."""
    require(by, Permission.BREAK_GLASS_OPEN)
    found = EmergencyAccess.objects.select_for_update(no_key=True).get(pk=access.pk)
    if found.opened_by_id != by.pk:
        raise NotAllowed("Only whoever opened an emergency access uses it.", code="not_own_access")
    if not found.is_open():
        raise _over()


def _over() -> IllegalMove:
    return IllegalMove(
        "This emergency access has ended; open another with its own reason.", code="break_glass_over"
    )


def _done(access: EmergencyAccess, kind: ActKind, on: Model, label: str, by: User) -> EmergencyAct:
    act = EmergencyAct.objects.create(access=access, kind=kind, subject=on.pk, label=label)
    record(Event.BREAK_GLASS_USED, by=by, on=access, act=kind.value, subject=on.pk)
    tell(_watching() - {by}, Event.BREAK_GLASS_USED, f"In an emergency, {by.name}: {act}", PAGE)
    return act


def _watching() -> set[User]:
    """Return everybody who is told of each step: owners, auditors and administrators."""
    return set(holders(Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR))
