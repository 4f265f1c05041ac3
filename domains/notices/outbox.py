"""The outbox: what people are told is written in the transaction that decided it."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.base_user import AbstractBaseUser

from domains.base import new_id
from domains.notices.kinds import kind_of
from domains.notices.models import Notice

LONGEST = 300  # characters of a notice


def tell(users: Iterable[AbstractBaseUser], event: str, text: str, path: str) -> None:
    """Leave a notice for each active person once; `text` must hold no private value, for it may be mailed.

    What goes out of the node, and when, is worked out later, by `domains.delivery`: nothing here can fail for it.
    """
    people = {user.pk: user for user in users if user.is_active}
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    happening, kind = new_id(), kind_of(str(event)).key
    Notice.objects.bulk_create(
        Notice(recipient_id=pk, event=str(event), text=text, path=path, happening=happening, kind=kind)
        for pk in sorted(people)
    )
