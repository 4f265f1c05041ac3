"""How a new node gets its first administrator; afterwards people are invited."""

from __future__ import annotations

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove
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
