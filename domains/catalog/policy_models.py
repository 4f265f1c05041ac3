"""A dataset's access policies, each version a row that never changes, and what they were tried on."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import AppendOnly, Model, paired
from domains.catalog import policy
from domains.people.models import User
from domains.people.permissions import Role


class AccessPolicy(Model):
    """One version of a dataset's rules for automation: proposed by one person, activated by another (S6).

    The document never changes: the next version is a row of its own.
    """

    dataset = models.ForeignKey("Dataset", on_delete=models.PROTECT, related_name="policies")
    number = models.PositiveIntegerField()
    document = models.TextField()  # canonical JSON, see `catalog.policy`
    sha256 = models.CharField(max_length=64)  # of exactly these bytes
    dry_run = models.ForeignKey(  # what the person who activated it had seen; none before there were any
        "DryRun", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            paired("activated", "policy"),
            paired("ended", "policy"),
            models.UniqueConstraint(fields=["dataset", "number"], name="policy_number"),
            models.UniqueConstraint(
                fields=["dataset"],
                condition=Q(activated_at__isnull=False, ended_at__isnull=True),
                name="policy_one_active",
            ),
            models.CheckConstraint(
                condition=Q(activated_by__isnull=True) | ~Q(activated_by=F("proposed_by")),
                name="policy_two_people",
            ),
            models.CheckConstraint(condition=~Q(document="") & ~Q(sha256=""), name="policy_has_rules"),
        ]

    def __str__(self) -> str:
        return f"policy v{self.number} of {self.dataset}"

    def roles_of(self, user: User) -> set[Role]:
        return self.dataset.roles_of(user)

    @property
    def is_public(self) -> bool:
        """Whether members of the node may know of it: rules that are or were in force are no secret."""
        return self.activated_at is not None

    @property
    def rules(self) -> policy.Document:
        """The rules as a value."""
        return policy.load(self.document)

    @property
    def content_sha256(self) -> str:
        """The hash of the document as it is stored now."""
        return policy.sha256_of(self.document)

    @property
    def phase(self) -> str:
        """In one word: proposed, active or ended."""
        if self.ended_at:
            return "ended"
        return "active" if self.activated_at else "proposed"


class DryRun(AppendOnly):
    """What a policy would answer to past requests, beside what was decided then; somebody asked for it and saw it."""

    policy = models.ForeignKey("AccessPolicy", on_delete=models.PROTECT, related_name="dry_runs")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    until = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    lines = models.TextField()  # canonical JSON: a list with one object for each request
    counts = models.JSONField()
    sha256 = models.CharField(max_length=64)  # over policy, period and lines

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.CheckConstraint(condition=Q(days__gte=1), name="dry_run_days")]

    def __str__(self) -> str:
        return f"dry run of {self.policy} over {self.days} days"

    def roles_of(self, user: User) -> set[Role]:
        return self.policy.roles_of(user)

    @property
    def content_sha256(self) -> str:
        """The hash of what is stored now."""
        head = {"policy": self.policy.sha256, "until": self.until.isoformat(), "days": self.days}
        return policy.sha256_of(policy.canonical_of(head) + self.lines)
