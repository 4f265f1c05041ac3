"""What people see of webhooks and deliveries; lists cost a constant number of queries."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from domains.delivery.lifecycle import DeliveryStatus, WebhookStatus
from domains.delivery.models import Channel, Delivery, Webhook
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, allows, require


def _reach(user: User) -> Q:
    """Say which webhooks a person manages: their own, and the node's as its operator."""
    mine = Q(owner=user) if allows(user, Permission.NOTICE_MANAGE) else Q(pk=None)
    return mine | Q(owner=None) if allows(user, Permission.NODE_OPERATE) else mine


def webhooks(user: User) -> QuerySet[Webhook]:
    """Return the webhooks that `user` manages and that were not removed, the newest first."""
    rows = Webhook.objects.filter(_reach(user)).exclude(status=WebhookStatus.ENDED)
    return rows.select_related("owner", "created_by").order_by("-id")


def webhook(key: str, user: User) -> Webhook:
    """Return one webhook that `user` manages, removed or not, or raise NotFound."""
    rows = Webhook.objects.filter(_reach(user), pk=key).select_related("owner", "created_by")
    found = rows.first()
    if found is None:
        raise NotFound("There is no such webhook that you can see.")
    return found


def _deliveries() -> QuerySet[Delivery]:
    return Delivery.objects.select_related("notice", "person", "webhook__owner").order_by("-id")


def deliveries_of(row: Webhook) -> QuerySet[Delivery]:
    """Return what was sent to a webhook, the newest first."""
    return _deliveries().filter(webhook=row)


def deliveries(user: User, *, status: str = "", channel: str = "") -> QuerySet[Delivery]:
    """Return all deliveries of the node, for its operators, the newest first."""
    require(user, Permission.NODE_OPERATE)
    rows = _deliveries()
    if status:
        rows = rows.filter(status=status)
    return rows.filter(channel=channel) if channel else rows


def delivery(key: str, user: User) -> Delivery:
    """Return one delivery to a webhook that `user` manages, or any to an operator, or raise NotFound."""
    rows = _deliveries().filter(pk=key)
    if not allows(user, Permission.NODE_OPERATE):
        rows = rows.filter(webhook__in=Webhook.objects.filter(_reach(user)).values("pk"))
    found = rows.first()
    if found is None:
        raise NotFound("There is no such delivery that you can see.")
    return found


def given_up() -> QuerySet[Delivery]:
    """Return the deliveries that were given up and that nobody has sent again, the newest first."""
    rows = _deliveries().filter(status=DeliveryStatus.GIVEN_UP, repeated_as=None)
    return rows.exclude(webhook__status=WebhookStatus.ENDED)


def standing() -> list[tuple[str, int, int, datetime | None]]:
    """Return, for each channel: how many wait, how many of them have failed before, and since when one is due."""
    rows = Delivery.objects.filter(status=DeliveryStatus.WAITING).order_by().values_list("channel")
    counted = rows.annotate(
        number=Count("pk"), failing=Count("pk", filter=Q(tries__gt=0)), oldest=Min("created_at")
    )
    found = {channel: (number, failing, oldest) for channel, number, failing, oldest in counted}
    return [(channel, *found.get(channel, (0, 0, None))) for channel in (Channel.MAIL, Channel.WEBHOOK)]
