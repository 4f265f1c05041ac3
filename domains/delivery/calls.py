"""Webhooks called: what they are told, and in which order. Never more than an event's name, ids and a link."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.delivery import outgoing, signing, trying
from domains.delivery.lifecycle import WebhookStatus
from domains.delivery.models import Channel, Delivery, Webhook
from domains.errors import IllegalMove
from domains.notices.outbox import tell

logger = logging.getLogger(__name__)

BATCH = 200
AT_A_TIME = 10  # for each webhook in one sweep, so that a busy one does not hold up the others
Each = Callable[[Callable[[list[Delivery]], int], Iterable[list[Delivery]]], Iterable[int]]


def send(now: datetime, each: Each = map) -> int:
    """Call what is due and return how many calls were taken; `each` may do several webhooks at once."""
    rows: dict[str, list[Delivery]] = defaultdict(list)
    for row in trying.due(Channel.WEBHOOK, now)[:BATCH]:
        if len(rows[str(row.webhook_id)]) < AT_A_TIME:
            rows[str(row.webhook_id)].append(row)
    return sum(each(lambda some: _to_one(some, now), list(rows.values())))


def _to_one(rows: list[Delivery], now: datetime) -> int:
    """Call one webhook until a call fails; the rest waits for its own turn."""
    taken = 0
    for row in rows:
        webhook = row.target
        if webhook.status == WebhookStatus.ENDED or not (webhook.owner is None or webhook.owner.is_active):
            trying.drop(row, "webhook_ended")
            continue
        if webhook.status == WebhookStatus.PAUSED and row.repeats_id is None:
            trying.drop(row, "webhook_paused")
            continue
        if not trying.claim(row, now):
            continue
        body = payload(row)
        outcome = outgoing.post(
            webhook.url, body, signing.headers(webhook, f"msg_{row.happening}", body, now)
        )
        trying.settle([row], outcome)
        if not outcome.is_done:
            logger.warning("webhook failed", extra={"event": row.notice.event, "code": outcome.code})
            if outcome.code == "gone":
                _pause(webhook)
            break
        taken += 1
    return taken


def payload(row: Delivery) -> bytes:
    """Return the body of a call: event, time, the happening's id, and the page that says more to those who may read it.

    Nothing of the notice's text: it names people and titles, and a webhook's reader may be anybody.
    """
    notice = row.notice
    told: dict[str, Any] = {
        "type": notice.event,
        "timestamp": notice.created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {
            "id": notice.happening,
            "kind": notice.kind,
            "path": notice.path,
            "link": settings.PUBLIC_URL.rstrip("/") + notice.path,
        },
    }
    return json.dumps(told, separators=(",", ":")).encode()


@transaction.atomic(durable=True)
def _pause(webhook: Webhook) -> None:
    """Pause a webhook whose receiver said that it is gone for good (HTTP 410), and tell who added it."""
    try:
        move(webhook, WebhookStatus.PAUSED, status_code="gone")
    except IllegalMove:  # paused or removed meanwhile
        return
    tell(
        [webhook.created_by],
        Event.WEBHOOK_PAUSED,
        "A webhook was paused: its receiver says that it is gone.",
        f"/webhooks/{webhook.pk}/",
    )
    record(Event.WEBHOOK_PAUSED, by="system", on=webhook, code="gone")
