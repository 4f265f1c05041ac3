"""Works out where each notice goes: one row for each delivery, written once, after the decision and apart from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from domains.delivery import preferences
from domains.delivery.lifecycle import WebhookStatus
from domains.delivery.models import Channel, Delivery, Webhook
from domains.notices.models import Notice

BATCH = 200
KEPT = timedelta(days=2)  # an older notice is stale news: it stays in the inbox and goes nowhere


def route(now: datetime) -> int:
    """Write the deliveries of up to a batch of notices; return how many notices were looked at.

    All of it or nothing, so that a crash loses none; unique keys see to it that two workers write each once.
    """
    if not Notice.objects.filter(routed_at=None).exists():
        return 0
    with transaction.atomic():
        rows = Notice.objects.filter(routed_at=None).select_related("recipient").order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(of=("self",), skip_locked=True)
        notices = list(rows[:BATCH])
        fresh = [notice for notice in notices if notice.created_at >= now - KEPT]
        chosen = preferences.of_all({notice.recipient_id for notice in fresh})
        deliveries = [*_mails(fresh, chosen, now), *_calls(fresh, now)]
        Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
        quiet = [n.pk for n in fresh if chosen[n.recipient_id].is_quiet(n.kind)]
        Notice.objects.filter(pk__in=quiet, read_at=None).update(read_at=now)
        Notice.objects.filter(pk__in=[notice.pk for notice in notices]).update(routed_at=now)
    return len(notices)


def has_mail_server() -> bool:
    """Answer whether this node sends mail at all."""
    return not settings.EMAIL_BACKEND.endswith(".dummy.EmailBackend")


def _mails(
    notices: list[Notice], chosen: dict[str, preferences.Settings], now: datetime
) -> Iterator[Delivery]:
    if not has_mail_server():
        return
    for notice in notices:
        its = chosen[notice.recipient_id]
        due = its.due(notice.kind, now)
        if due is not None and notice.recipient.is_active:
            yield Delivery(
                notice=notice,
                happening=notice.happening,
                channel=Channel.MAIL,
                person=notice.recipient,
                is_digest=its.is_digest(notice.kind),
                due_at=due,
            )


def _calls(notices: list[Notice], now: datetime) -> Iterator[Delivery]:
    """Yield what webhooks are told: a person's of their own notices, the node's once of each happening."""
    webhooks = defaultdict(list)
    for webhook in Webhook.objects.filter(status=WebhookStatus.ACTIVE):
        webhooks[webhook.owner_id].append(webhook)
    seen = set()
    for notice in notices:
        for webhook in [*webhooks[notice.recipient_id], *webhooks[None]]:
            key = (webhook.pk, notice.happening)
            if key not in seen and (not webhook.kinds or notice.kind in webhook.kinds):
                seen.add(key)
                yield Delivery(
                    notice=notice,
                    happening=notice.happening,
                    channel=Channel.WEBHOOK,
                    webhook=webhook,
                    due_at=now,
                )
