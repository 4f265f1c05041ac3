"""What comes in on its way to becoming dataset versions: uploads, and tests of connections to databases."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from domains.base import HasLifecycle, Model
from domains.catalog.connection import Connection
from domains.catalog.models import DatasetVersion
from domains.intake.lifecycle import CHECK, UPLOAD, CheckStatus, UploadStatus
from domains.people.models import User
from domains.people.permissions import Role


class UploadFormat(models.TextChoices):
    CSV = "csv", "CSV"
    PARQUET = "parquet", "Parquet"


class UploadPurpose(models.TextChoices):
    DATA = "data", "private data"
    MOCK = "mock", "mock data"


class Upload(Model, HasLifecycle):
    """A file that an owner sent, staged outside every served folder until it is conformed or discarded."""

    lifecycle = UPLOAD

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="uploads")
    purpose = models.CharField(max_length=6, choices=UploadPurpose.choices, default=UploadPurpose.DATA)
    table = models.CharField(max_length=63, blank=True)  # a further table's name; empty for the main one
    format = models.CharField(max_length=8, choices=UploadFormat.choices)
    filename = models.CharField(max_length=160)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    status = models.CharField(
        max_length=12, default=UploadStatus.RECEIVED, choices=[(k, s.label) for k, s in UPLOAD.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)
    # For the owner only: names and types found, counts of values outside the declared schema. Never bounds or codes.
    findings = models.JSONField(default=dict, blank=True)
    made_sha256 = models.CharField(max_length=64, blank=True)  # of the Parquet file that was made of it
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.filename

    def roles_of(self, user: User) -> set[Role]:
        return self.version.roles_of(user)


class ConnectionCheck(Model, HasLifecycle):
    """One test of a connection, alone or of a table that a draft version's rows are to stay in."""

    lifecycle = CHECK

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="checks")
    version = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="checks"
    )
    relation = models.CharField(max_length=127, blank=True)
    status = models.CharField(
        max_length=12, default=CheckStatus.WAITING, choices=[(k, s.label) for k, s in CHECK.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)
    # For those who manage the connection: names and types from the catalogue, never a row or a size.
    findings = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"test of {self.connection}"

    def roles_of(self, user: User) -> set[Role]:
        return self.connection.roles_of(user)
