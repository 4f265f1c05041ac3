"""What people do with webhooks and deliveries. A secret is returned once, by `add` and `rotate`, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move, new_id
from domains.delivery import guard, signing
from domains.delivery.lifecycle import DeliveryStatus, WebhookStatus
from domains.delivery.models import Channel, Delivery, Webhook
from domains.errors import IllegalMove, InvalidInput
from domains.notices.kinds import BY_KEY, kind_of
from domains.notices.models import Notice
from domains.people.models import User
from domains.people.permissions import Permission, require

MOST = 5  # webhooks of one person, and of the node
OVERLAP = timedelta(hours=24)  # how long the old secret signs beside the new one


@transaction.atomic(durable=True)
def add(
    url: str, *, about: str = "", kinds: Iterable[str] = (), is_of_node: bool = False, by: User
) -> tuple[Webhook, str]:
    """Add a webhook of one's own, or the node's; return it and its secret."""
    require(by, Permission.NODE_OPERATE if is_of_node else Permission.NOTICE_MANAGE)
    guard.parse(url)
    wanted = sorted(set(kinds))
    if not set(wanted) <= BY_KEY.keys():
        raise InvalidInput("There is no such kind of notice.", code="notice_kind")
    owner = None if is_of_node else by
    if Webhook.objects.filter(owner=owner).exclude(status=WebhookStatus.ENDED).count() >= MOST:
        raise IllegalMove(f"There are {MOST} webhooks already; remove one first.", code="webhooks_full")
    salt = signing.new_salt()
    webhook = Webhook.objects.create(
        owner=owner, created_by=by, url=url, about=about[:120], kinds=wanted, salt=salt
    )
    record(Event.WEBHOOK_ADDED, by=by, on=webhook, of_node=is_of_node, kinds=wanted)
    return webhook, signing.secret(salt)


@transaction.atomic(durable=True)
def rotate(webhook: Webhook, *, by: User) -> str:
    """Give a webhook a new secret and return it; the old one signs as well for a day, so that nothing is missed."""
    _require(webhook, by)
    if webhook.status == WebhookStatus.ENDED:
        raise IllegalMove("This webhook was removed.")
    now, salt = timezone.now(), signing.new_salt()
    same = Webhook.objects.filter(pk=webhook.pk, salt=webhook.salt)
    if same.update(salt=salt, old_salt=webhook.salt, old_until=now + OVERLAP) != 1:
        raise IllegalMove("This webhook’s secret changed since you opened the page.")
    webhook.refresh_from_db()
    record(Event.WEBHOOK_ROTATED, by=by, on=webhook)
    return signing.secret(salt)


@transaction.atomic(durable=True)
def pause(webhook: Webhook, *, by: User) -> None:
    """Stop calling a webhook for now; what happens meanwhile is not kept for it."""
    _require(webhook, by)
    move(webhook, WebhookStatus.PAUSED, status_code="")
    record(Event.WEBHOOK_PAUSED, by=by, on=webhook)


@transaction.atomic(durable=True)
def resume(webhook: Webhook, *, by: User) -> None:
    """Call a paused webhook again."""
    _require(webhook, by)
    move(webhook, WebhookStatus.ACTIVE, status_code="")
    record(Event.WEBHOOK_RESUMED, by=by, on=webhook)


@transaction.atomic(durable=True)
def remove(webhook: Webhook, *, by: User) -> None:
    """End a webhook for good; its deliveries stay in the log."""
    _require(webhook, by)
    move(webhook, WebhookStatus.ENDED, ended_at=timezone.now(), ended_by=by)
    record(Event.WEBHOOK_REMOVED, by=by, on=webhook)


@transaction.atomic(durable=True)
def send_test(webhook: Webhook, *, by: User) -> Delivery:
    """Have a webhook told that it was tested, as it is told of everything else."""
    _require(webhook, by)
    if webhook.status != WebhookStatus.ACTIVE:
        raise IllegalMove("Only an active webhook is tested.")
    now, event = timezone.now(), str(Event.WEBHOOK_TESTED.value)
    notice = Notice.objects.create(
        recipient=by,
        event=event,
        kind=kind_of(event).key,
        text="A test was sent to a webhook.",
        path=f"/webhooks/{webhook.pk}/",
        happening=new_id(),
        read_at=now,
        routed_at=now,
    )
    row = Delivery.objects.create(
        notice=notice, happening=notice.happening, channel=Channel.WEBHOOK, webhook=webhook, due_at=now
    )
    record(Event.WEBHOOK_TESTED, by=by, on=webhook)
    return row


@transaction.atomic(durable=True)
def redeliver(delivery: Delivery, *, by: User) -> Delivery:
    """Send an ended delivery once more, as a new row; what it tells stays the same, so a receiver knows it again."""
    is_own = delivery.webhook is not None and delivery.webhook.owner_id == by.pk
    require(by, Permission.NOTICE_MANAGE if is_own else Permission.NODE_OPERATE)
    if delivery.status == DeliveryStatus.WAITING:
        raise IllegalMove("This delivery is still being tried.")
    if delivery.webhook is not None and delivery.webhook.status == WebhookStatus.ENDED:
        raise IllegalMove("This webhook was removed.")
    if Delivery.objects.filter(repeats=delivery, status=DeliveryStatus.WAITING).exists():
        raise IllegalMove("This delivery is being sent again already.")
    row = Delivery.objects.create(
        notice=delivery.notice,
        happening=delivery.happening,
        channel=delivery.channel,
        person=delivery.person,
        webhook=delivery.webhook,
        due_at=timezone.now(),
        repeats=delivery,
    )
    record(Event.DELIVERY_REPEATED, by=by, on=row, repeats=delivery.pk)
    return row


def _require(webhook: Webhook, by: User) -> None:
    """Ask for the node's operators on its webhooks, and for their owner on a person's."""
    if webhook.owner_id is None:
        require(by, Permission.NODE_OPERATE)
        return
    require(by, Permission.NOTICE_MANAGE)
    if webhook.owner_id != by.pk:
        raise IllegalMove("Only its owner changes a webhook.")
