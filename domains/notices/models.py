"""Notices: one row a person and a happening, written in the transaction that decided it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import Model, new_id


class Notice(Model):
    """Something a person should know; `path` is the page where they can act on it."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    event = models.CharField(max_length=60)
    text = models.CharField(max_length=300)
    path = models.CharField(max_length=200)
    read_at = models.DateTimeField(null=True, blank=True)
    happening = models.CharField(max_length=26, default=new_id)  # shared by all who are told of the same
    kind = models.CharField(max_length=12, default="other")  # of `kinds`, by the event
    routed_at = models.DateTimeField(null=True, blank=True)  # when its deliveries outward were written

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["recipient", "read_at"], name="notice_unread"),
            models.Index(fields=["recipient", "-created_at"], name="notice_newest"),
            models.Index(fields=["id"], condition=Q(routed_at__isnull=True), name="notice_unrouted"),
        ]

    def __str__(self) -> str:
        return self.text
