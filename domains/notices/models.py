"""Notices: one row a person and a happening, written in the transaction that decided it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from domains.base import Model


class Notice(Model):
    """Something a person should know; `path` is the page where they can act on it."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    event = models.CharField(max_length=60)
    text = models.CharField(max_length=300)
    path = models.CharField(max_length=200)
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)
    mail_due_at = models.DateTimeField(default=timezone.now)  # not before; moved on by each try

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["recipient", "read_at"], name="notice_unread"),
            models.Index(fields=["mail_due_at"], condition=Q(mailed_at__isnull=True), name="notice_unmailed"),
        ]

    def __str__(self) -> str:
        return self.text
