"""Agreements, their immutable versions, and who accepted which bytes when."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import AppendOnly, Model, paired
from domains.catalog.models import Dataset, ResearchArea
from domains.people.models import User
from domains.people.permissions import Role


def digest(text: str) -> str:
    """Return the SHA-256 of a text's exact bytes in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


class Kind(models.TextChoices):
    """What an agreement is for; whoever uses that accepts it."""

    NODE = "node", "Terms of use of the node"
    AREA = "area", "Agreement for a research area"
    DATASET = "dataset", "Agreement for a dataset"


class Agreement(Model):
    """Something to accept before data is used: node-wide, for a research area or for one dataset."""

    kind = models.CharField(max_length=8, choices=Kind.choices)
    area = models.ForeignKey(
        ResearchArea, null=True, blank=True, on_delete=models.PROTECT, related_name="agreements"
    )
    dataset = models.ForeignKey(
        Dataset, null=True, blank=True, on_delete=models.PROTECT, related_name="agreements"
    )
    title = models.CharField(max_length=160)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["title"]
        constraints = [
            paired("retired", "agreement"),
            models.CheckConstraint(
                condition=Q(kind=Kind.NODE, area__isnull=True, dataset__isnull=True)
                | Q(kind=Kind.AREA, area__isnull=False, dataset__isnull=True)
                | Q(kind=Kind.DATASET, area__isnull=True, dataset__isnull=False),
                name="agreement_of_its_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def roles_of(self, user: User) -> set[Role]:
        """Give the owners of what it is for; node-wide terms are the administrators' by their own role."""
        if self.area is not None:
            return self.area.roles_of(user)
        return self.dataset.steward_roles_of(user) if self.dataset is not None else set()

    @property
    def is_public(self) -> bool:
        """Whether members of the node may know of it: unless it is for a dataset that is still a draft."""
        return self.dataset is None or self.dataset.is_public

    @property
    def about(self) -> str:
        """What it is for, in words."""
        if self.area is not None:
            return self.area.name
        return self.dataset.title if self.dataset is not None else "The whole node"

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/agreements/{self.pk}/"


class AgreementDraft(Model):
    """The next version while it is being written; gone once it is published."""

    agreement = models.OneToOneField(Agreement, on_delete=models.PROTECT, related_name="draft")
    text = models.TextField()
    changes = models.CharField(
        max_length=1000, blank=True
    )  # a summary, for those who accepted the one before
    valid_days = models.PositiveIntegerField(null=True, blank=True)
    edition = models.PositiveIntegerField(default=1)  # forms carry it: "changed since you opened it"
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_days__isnull=True) | Q(valid_days__gte=1), name="agreement_draft_valid_days"
            )
        ]

    def __str__(self) -> str:
        return f"Draft of {self.agreement}"


class AgreementVersion(AppendOnly):
    """One immutable text of an agreement; the newest that is in force is the one to accept."""

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    changes = models.CharField(max_length=1000, blank=True)
    effective_from = models.DateTimeField()
    valid_days = models.PositiveIntegerField(
        null=True, blank=True
    )  # an acceptance lasts so long; None: for good
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["agreement", "number"], name="agreement_version_number"),
            models.CheckConstraint(
                condition=Q(valid_days__isnull=True) | Q(valid_days__gte=1),
                name="agreement_version_valid_days",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="agreement_version_has_text"),
            models.CheckConstraint(
                condition=Q(number=1) | ~Q(changes=""), name="agreement_version_says_what_changed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agreement}, version {self.number}"


class Acceptance(AppendOnly):
    """That a person accepted exact bytes; when it runs out, the same version is accepted anew (`renewal`)."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="acceptances")
    version = models.ForeignKey(AgreementVersion, on_delete=models.PROTECT, related_name="acceptances")
    renewal = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    through = models.CharField(max_length=4, choices=[("page", "on its page"), ("api", "through the API")])
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["person", "version", "renewal"], name="acceptance_once"),
        ]

    def __str__(self) -> str:
        return f"{self.person} accepted {self.version}"


class Reminder(AppendOnly):
    """That a person was told once that a version waits (`days` 0), or that an acceptance runs out in `days`."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(AgreementVersion, on_delete=models.PROTECT, related_name="+")
    renewal = models.PositiveIntegerField(default=0)
    days = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "version", "renewal", "days"], name="agreement_reminder_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} reminded of {self.version}"
