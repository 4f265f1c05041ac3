"""What waits in a person's inbox."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet

from domains.notices.models import Notice


def inbox(user: AbstractBaseUser) -> QuerySet[Notice]:
    """Return all notices of a person, the newest first."""
    return Notice.objects.filter(recipient_id=user.pk)


def unread(user: AbstractBaseUser) -> QuerySet[Notice]:
    """Return the notices that a person has not read, the newest first."""
    return inbox(user).filter(read_at__isnull=True)


def found(
    user: AbstractBaseUser, *, search: str = "", kind: str = "", is_unread: bool = False
) -> QuerySet[Notice]:
    """Return a person's notices of one kind, with all these words, unread ones only if asked; the newest first."""
    rows = unread(user) if is_unread else inbox(user)
    if kind:
        rows = rows.filter(kind=kind)
    for word in search.split()[:10]:
        rows = rows.filter(text__icontains=word)
    return rows
