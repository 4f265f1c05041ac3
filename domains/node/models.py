"""Pauses of the node: one row each, ended by another decision with a reason of its own."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import Model, paired


class Pause(Model):
    """A time in which nothing is approved, raised, let out or run; open until somebody resumes the node."""

    reason = models.CharField(max_length=300)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    resumed_at = models.DateTimeField(null=True, blank=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    resumed_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            paired("resumed", "pause"),
            models.CheckConstraint(condition=~Q(reason=""), name="pause_says_why"),
            models.CheckConstraint(
                condition=Q(resumed_at__isnull=True, resumed_reason="")
                | (Q(resumed_at__isnull=False) & ~Q(resumed_reason="")),
                name="pause_end_says_why",
            ),
            # An open pause has no reason for its end, so that of all open ones there is one.
            models.UniqueConstraint(
                fields=["resumed_reason"], condition=Q(resumed_at__isnull=True), name="pause_one_open"
            ),
        ]

    def __str__(self) -> str:
        return self.reason
