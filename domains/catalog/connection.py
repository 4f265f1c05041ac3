"""Databases in which data may stay: where each is and as which role it is read. Its password is never here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import Model, paired
from domains.people.models import User
from domains.people.permissions import Role


class EngineName(models.TextChoices):
    """Engines that read data where they lie."""

    POSTGRESQL = "postgresql", "PostgreSQL"
    SPARK = "spark", "Spark Connect"


class TlsMode(models.TextChoices):
    VERIFY_FULL = "verify-full", "encrypted, certificate and host name checked"
    REQUIRE = "require", "encrypted, certificate not checked"
    DISABLE = "disable", "not encrypted: only on one machine or a private wire"


class Connection(Model):
    """A database of one research area. The password is a file of the worker's, named after the connection."""

    area = models.ForeignKey("catalog.ResearchArea", on_delete=models.PROTECT, related_name="connections")
    name = models.SlugField(unique=True)
    engine = models.CharField(max_length=12, choices=EngineName.choices, default=EngineName.POSTGRESQL)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=5432)
    database = models.CharField(max_length=63)
    role = models.CharField(max_length=63)
    tls = models.CharField(max_length=12, choices=TlsMode.choices, default=TlsMode.VERIFY_FULL)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            paired("retired", "connection"),
            models.CheckConstraint(condition=Q(port__gte=1, port__lte=65535), name="connection_port"),
            models.CheckConstraint(condition=Q(engine__in=EngineName.values), name="connection_engine"),
            models.CheckConstraint(condition=Q(tls__in=TlsMode.values), name="connection_tls"),
        ]

    def __str__(self) -> str:
        return self.name

    def roles_of(self, user: User) -> set[Role]:
        return self.area.roles_of(user)

    @property
    def is_retired(self) -> bool:
        return self.retired_at is not None
