"""The outbox: what people are told is written in the transaction that decided it."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.base_user import AbstractBaseUser

from domains.notices.models import Notice

LONGEST = 300  # characters of a notice


def tell(users: Iterable[AbstractBaseUser], event: str, text: str, path: str) -> None:
    """Leave a notice for each active person once; `text` must hold no private value, for it may be mailed."""
    people = {user.pk: user for user in users if user.is_active}
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    Notice.objects.bulk_create(
        Notice(recipient_id=pk, event=str(event), text=text, path=path) for pk in sorted(people)
    )
