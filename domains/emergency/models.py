"""Emergency accesses and what was done under them; open ones end by themselves."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from domains.base import AppendOnly, Model, paired


class EmergencyAccess(Model):
    """An administrator's short access to protective acts, with a reason; ended by time or by themselves."""

    reason = models.CharField(max_length=300)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            paired("closed", "emergency"),
            models.CheckConstraint(condition=~Q(reason=""), name="emergency_says_why"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="emergency_expires"),
        ]

    def __str__(self) -> str:
        return self.reason

    def is_open(self, now: datetime | None = None) -> bool:
        """Say whether it can be used at `now`, by default this moment."""
        return self.closed_at is None and (now or timezone.now()) < self.expires_at


class ActKind(models.TextChoices):
    """All that an emergency access allows: each stops something, none lets anything through."""

    FREEZE_DATASET = "freeze_dataset", "Dataset frozen"
    SUSPEND_PROJECT = "suspend_project", "Project suspended"
    SIGN_OUT = "sign_out", "Person signed out, tokens revoked"


class EmergencyAct(AppendOnly):
    """One thing done under an emergency access."""

    access = models.ForeignKey(EmergencyAccess, on_delete=models.PROTECT, related_name="acts")
    kind = models.CharField(max_length=16, choices=ActKind.choices)
    subject = models.CharField(max_length=26)  # the key of what was stopped
    label = models.CharField(max_length=160)  # its name at that time

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.label}"
