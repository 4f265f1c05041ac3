"""What the face itself keeps: answers to writing calls, so that a repeated call does nothing twice."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class IdempotentResponse(models.Model):
    """The answer to one writing call under its Idempotency-Key; `status` is empty while the call is being made."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=80, blank=True)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotent_once")]
        indexes = [models.Index(fields=["user", "created_at"], name="idempotent_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
