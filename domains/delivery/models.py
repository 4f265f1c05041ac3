"""What carries notices outward: people's choices, webhooks, and one row for each delivery."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import HasLifecycle, Model, paired
from domains.delivery.lifecycle import DELIVERY, WEBHOOK, DeliveryStatus, WebhookStatus
from domains.errors import IllegalMove
from domains.notices.kinds import BINDING, KINDS, SECURITY
from domains.notices.models import Notice

KIND_CHOICES = [(kind.key, kind.label) for kind in KINDS]


class Channel(models.TextChoices):
    INBOX = "inbox", "inbox"
    MAIL = "mail", "e-mail"
    WEBHOOK = "webhook", "webhook"


class Mode(models.TextChoices):
    OFF = "off", "off"
    AT_ONCE = "at_once", "at once"
    DAILY = "daily", "daily"
    WEEKLY = "weekly", "weekly"


class Preference(Model):
    """What a person chose for one kind of notice on one channel; without a row the default holds."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="preferences")
    kind = models.CharField(max_length=12, choices=KIND_CHOICES)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    mode = models.CharField(max_length=8, choices=Mode.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind", "channel"], name="preference_once"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="preference_mode"),
            models.CheckConstraint(
                condition=Q(channel=Channel.MAIL)
                | Q(channel=Channel.INBOX, mode__in=[Mode.OFF, Mode.AT_ONCE]),
                name="preference_inbox_has_no_digest",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=BINDING, mode=Mode.OFF), name="preference_binding_is_not_off"
            ),
            models.CheckConstraint(
                condition=~Q(kind=SECURITY.key) | Q(mode=Mode.AT_ONCE), name="preference_security_at_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}: {self.mode}"


class Rhythm(Model):
    """When a person's digests come: an hour of their own day, and a weekday for the weekly ones."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rhythm")
    timezone = models.CharField(max_length=64, default="UTC")
    hour = models.PositiveSmallIntegerField(default=7)
    weekday = models.PositiveSmallIntegerField(default=0)  # 0 is Monday

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(hour__lte=23), name="rhythm_hour"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="rhythm_weekday"),
        ]

    def __str__(self) -> str:
        return f"{self.hour}:00 {self.timezone}"


class Webhook(Model, HasLifecycle):
    """An address outside that is told of events: a person's of their own, or the node's (`owner` is null) of all.

    The signing secret is not kept: it is derived from a key file of the node and `salt`. While it is rotated, the
    one before (`old_salt`) signs as well until `old_until`.
    """

    lifecycle = WEBHOOK

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="webhooks"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    url = models.CharField(max_length=500)
    about = models.CharField(max_length=120, blank=True)
    kinds = models.JSONField(default=list)  # keys of kinds; empty means every kind
    status = models.CharField(
        max_length=8, default=WebhookStatus.ACTIVE, choices=[(k, s.label) for k, s in WEBHOOK.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)
    salt = models.CharField(max_length=64)
    old_salt = models.CharField(max_length=64, blank=True)
    old_until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            paired("ended", "webhook"),
            models.CheckConstraint(condition=Q(status__in=WebhookStatus.values), name="webhook_status"),
            models.CheckConstraint(
                condition=Q(status=WebhookStatus.ENDED, ended_at__isnull=False)
                | (~Q(status=WebhookStatus.ENDED) & Q(ended_at__isnull=True)),
                name="webhook_ended_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(owner__isnull=True) | Q(owner=F("created_by")),
                name="webhook_own_made_by_its_owner",
            ),
            models.CheckConstraint(
                condition=Q(old_salt="", old_until__isnull=True)
                | (~Q(old_salt="") & Q(old_until__isnull=False)),
                name="webhook_old_secret_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.about or self.url


class Delivery(Model, HasLifecycle):
    """One notice on its way to one address outside, with every try of it counted."""

    lifecycle = DELIVERY

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="deliveries")
    happening = models.CharField(max_length=26)  # of the notice: what a webhook is told of once
    channel = models.CharField(max_length=8, choices=[c for c in Channel.choices if c[0] != Channel.INBOX])
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="deliveries"
    )  # whom a mail goes to
    webhook = models.ForeignKey(Webhook, null=True, on_delete=models.PROTECT, related_name="deliveries")
    is_digest = models.BooleanField(default=False)
    status = models.CharField(
        max_length=10, default=DeliveryStatus.WAITING, choices=[(k, s.label) for k, s in DELIVERY.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)  # why it failed or was dropped; never free text
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    answer_code = models.PositiveSmallIntegerField(null=True)  # of the last HTTP answer
    repeats = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="repeated_as"
    )  # what somebody had sent again

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["channel", "due_at"], condition=Q(status="waiting"), name="delivery_due"),
            models.Index(fields=["webhook", "-id"], name="delivery_of_webhook"),
            models.Index(fields=["status", "-id"], name="delivery_by_status"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DeliveryStatus.values), name="delivery_status"),
            models.CheckConstraint(
                condition=Q(channel=Channel.MAIL, person__isnull=False, webhook__isnull=True)
                | Q(channel=Channel.WEBHOOK, person__isnull=True, webhook__isnull=False, is_digest=False),
                name="delivery_has_one_address",
            ),
            models.UniqueConstraint(
                fields=["notice"],
                condition=Q(channel="mail", repeats__isnull=True),
                name="delivery_mail_once",
            ),
            models.UniqueConstraint(
                fields=["webhook", "happening"],
                condition=Q(channel="webhook", repeats__isnull=True),
                name="delivery_webhook_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice.event} by {self.channel}"

    @property
    def reader(self) -> Any:
        """The person a mail goes to; IllegalMove for a call of a webhook."""
        if self.person is None:
            raise IllegalMove("This delivery is no mail.")
        return self.person

    @property
    def target(self) -> Webhook:
        """The webhook that is called; IllegalMove for a mail."""
        if self.webhook is None:
            raise IllegalMove("This delivery calls no webhook.")
        return self.webhook
