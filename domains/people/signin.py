"""The traces that signing in leaves: each sign-in and each change of how one signs in is an audit event."""

from __future__ import annotations

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.people.models import User


@transaction.atomic(durable=True)
def signed_in(user: User) -> None:
    """Record that this person signed in; the log keeps neither address nor device."""
    record(Event.PERSON_SIGNED_IN, by=user, on=user)


@transaction.atomic
def credentials_changed(user: User, event: Event, *, by: User | str | None = None) -> None:
    """Record a change of password, second factor or recovery codes, in the caller's transaction if it has one."""
    record(event, by=by or user, on=user)
