"""What who runs the machine does: the first administrator, and a way back in. Afterwards people are invited."""

from __future__ import annotations

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, NotFound
from domains.notices.outbox import tell
from domains.people.actions import clean_email, new_user
from domains.people.models import Membership, User
from domains.people.permissions import Role


@transaction.atomic(durable=True)
def first_administrator(email: str, name: str, password: str) -> User:
    """Make the administrator of a node that has none; who runs the machine is the permission, once.

    A node with an active administrator raises IllegalMove: from then on roles are given by people (S2).
    """
    present = Membership.objects.filter(role=Role.ADMINISTRATOR, ended_at__isnull=True, user__is_active=True)
    if present.exists():
        raise IllegalMove("This node has an administrator, who can invite others.", code="already_founded")
    user = new_user(clean_email(email), name, password)
    Membership.objects.create(user=user, role=Role.ADMINISTRATOR, granted_by=None)
    record(Event.NODE_FOUNDED, by="system", on=user)
    return user


@transaction.atomic(durable=True)
def reset_password(email: str, password: str) -> User:
    """Set a new password for a person who lost theirs; ends their sessions, and they are told.

    Only who runs the machine can do it: administrators of the node cannot sign in as others (S8).
    """
    user = User.objects.filter(email=clean_email(email), is_active=True).first()
    if user is None:
        raise NotFound("No active account has this address.")
    user.set_password(password)
    user.save(update_fields=["password"])
    record(Event.PASSWORD_CHANGED, by="system", on=user)
    tell([user], Event.PASSWORD_CHANGED, "Your password was reset by who runs this node.", "/account/")
    return user
