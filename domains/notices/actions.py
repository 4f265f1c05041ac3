"""What people do with their notices."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from domains.notices.queries import inbox, unread


def mark_read(notices: Iterable[str] | None = None, *, by: AbstractBaseUser) -> int:
    """Mark one's own notices as read, those with these keys or all; return how many changed.

    Nobody else's notices can be reached, so it asks for no permission and leaves no audit event.
    """
    rows = unread(by) if notices is None else unread(by).filter(pk__in=list(notices))
    return rows.update(read_at=timezone.now())


def mark_unread(notices: Iterable[str], *, by: AbstractBaseUser) -> int:
    """Mark one's own notices with these keys as not read, to come back to them; return how many changed."""
    rows = inbox(by).filter(pk__in=list(notices), read_at__isnull=False)
    return rows.update(read_at=None)
