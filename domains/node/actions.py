"""Pausing the node and resuming it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove
from domains.node.models import Pause
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.people.queries import holders
from domains.words import once, stated_reason

PAGE = "/node/"


@transaction.atomic(durable=True)
def pause(*, reason: str, by: User) -> Pause:
    """Stop approvals, releases and runs on the whole node; signing in and reading go on, queued jobs wait."""
    require(by, Permission.NODE_PAUSE)
    reason = stated_reason(reason)
    with once("The node is paused already.", code="node_paused"):
        made = Pause.objects.create(reason=reason, paused_by=by)
    record(Event.NODE_PAUSED, by=by, on=made, reason=reason)
    tell(_staff() - {by}, Event.NODE_PAUSED, f"{by.name} paused the node: {reason}", PAGE)
    return made


@transaction.atomic(durable=True)
def resume(*, reason: str, by: User) -> Pause:
    """Let the node go on; queued jobs whose approval still holds run now."""
    require(by, Permission.NODE_PAUSE)
    reason = stated_reason(reason)
    found = Pause.objects.filter(resumed_at=None).first()
    end = {"resumed_at": timezone.now(), "resumed_by": by, "resumed_reason": reason}
    if found is None or Pause.objects.filter(pk=found.pk, resumed_at=None).update(**end) != 1:
        raise IllegalMove("The node is not paused.", code="node_not_paused")
    found.refresh_from_db()
    record(Event.NODE_RESUMED, by=by, on=found, reason=reason)
    tell(_staff() - {by}, Event.NODE_RESUMED, f"{by.name} resumed the node: {reason}", PAGE)
    return found


def _staff() -> set[User]:
    """Return whoever runs, owns, decides or audits; scientists see the banner."""
    return set(holders(Role.ADMINISTRATOR, Role.OWNER, Role.REVIEWER, Role.AUDITOR))
