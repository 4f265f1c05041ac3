"""One try of a delivery: taken by exactly one worker, and what came of it written down."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from domains.base import move
from domains.delivery import policy
from domains.delivery.lifecycle import DeliveryStatus
from domains.delivery.models import Channel, Delivery
from domains.delivery.policy import Outcome
from domains.errors import IllegalMove


def due(channel: Channel, now: datetime) -> QuerySet[Delivery]:
    """Return what is to be tried now, the longest due first."""
    rows = Delivery.objects.filter(status=DeliveryStatus.WAITING, channel=channel, due_at__lte=now)
    return rows.select_related("notice", "person", "webhook__owner").order_by("due_at", "id")


def claim(row: Delivery, now: datetime) -> bool:
    """Take a delivery for one try, so that two workers do not both send it; False if another has it.

    The next try is set at once: should this process die, somebody tries again then.
    """
    chance = secrets.randbelow(1 << 20) / (1 << 20)
    wait = timedelta(seconds=policy.wait_before(row.tries + 1, chance))
    mine = Delivery.objects.filter(
        pk=row.pk, status=DeliveryStatus.WAITING, tries=row.tries, due_at=row.due_at
    )
    if mine.update(tries=F("tries") + 1, due_at=now + wait, tried_at=now) != 1:
        return False
    row.tries, row.due_at, row.tried_at = row.tries + 1, now + wait, now
    return True


def settle(rows: Iterable[Delivery], outcome: Outcome) -> None:
    """Write down what a try came to: delivered, given up after the last one, or waiting for its next."""
    for row in rows:
        changes = {"status_code": outcome.code, "answer_code": outcome.answer}
        if outcome.is_done:
            _end(row, DeliveryStatus.DELIVERED, **changes)
        elif outcome.is_final or row.tries >= policy.TRIES[row.channel]:
            _end(row, DeliveryStatus.GIVEN_UP, **changes)
        else:
            Delivery.objects.filter(pk=row.pk, status=DeliveryStatus.WAITING).update(**changes)


def drop(row: Delivery, code: str) -> None:
    """End a delivery that nobody needs any more."""
    _end(row, DeliveryStatus.DROPPED, status_code=code)


def _end(row: Delivery, to: DeliveryStatus, **changes: object) -> None:
    try:
        move(row, to, **changes)
    except IllegalMove:  # another worker, whose claim came after ours had run out, ended it first
        return
