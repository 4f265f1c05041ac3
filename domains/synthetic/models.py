"""Synthetic mocks: what was proposed, who decided, what it cost, and what was published of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import HasLifecycle, Model, paired
from domains.catalog.models import Dataset, DatasetVersion
from domains.errors import IllegalMove
from domains.jobs.models import Job
from domains.people.models import User
from domains.people.permissions import Role
from domains.synthetic.lifecycle import MOCK, PUBLIC, MockStatus
from privacy.loss import Loss

_FIRST = (MockStatus.PROPOSED, MockStatus.DECLINED, MockStatus.WITHDRAWN)  # nothing was reserved for these


class SyntheticMock(Model, HasLifecycle):
    """Differentially private rows of one dataset version, proposed by one person and confirmed by another."""

    lifecycle = MOCK

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="synthetic_mocks")
    status = models.CharField(
        max_length=16, default=MockStatus.PROPOSED, choices=[(k, s.label) for k, s in MOCK.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)  # a public reason, never free text
    # What is measured and what it costs, fixed as it was proposed: confirming binds the hash.
    sql = models.TextField()
    epsilon = models.CharField(max_length=20)
    plan = models.JSONField()
    pricing = models.JSONField()
    rho = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # The second person's decision, or the proposer's withdrawal.
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)  # of declining
    charge = models.OneToOneField("ledger.Charge", null=True, on_delete=models.PROTECT, related_name="+")
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # What was published: made of the charge's answer alone.
    answer_sha256 = models.CharField(max_length=64, blank=True)
    model_sha256 = models.CharField(max_length=64, blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True)  # of the Parquet file; it names both files
    report = models.JSONField(default=dict, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    retracted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    retracted_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "synthetic mock"
        ordering = ["-created_at", "-id"]
        constraints = [
            paired("decided", "synthetic_mock"),
            paired("retracted", "synthetic_mock"),
            models.CheckConstraint(condition=Q(status__in=MockStatus.values), name="synthetic_mock_status"),
            models.CheckConstraint(condition=Q(rho__gt=0), name="synthetic_mock_costs"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(status="proposed"), name="synthetic_mock_one_open"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[MockStatus.PROPOSED, MockStatus.WITHDRAWN])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
                name="synthetic_mock_two_people",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_FIRST) | Q(charge__isnull=False, job__isnull=False),
                name="synthetic_mock_is_charged",
            ),
            models.CheckConstraint(
                condition=~Q(status=MockStatus.DECLINED) | ~Q(reason=""), name="synthetic_mock_says_why"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(PUBLIC))
                | (Q(published_at__isnull=False) & ~Q(file_sha256="") & ~Q(answer_sha256="")),
                name="synthetic_mock_published_is_complete",
            ),
            models.CheckConstraint(
                condition=~Q(status=MockStatus.RETRACTED)
                | (Q(retracted_at__isnull=False) & ~Q(retracted_reason="")),
                name="synthetic_mock_retracted_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"synthetic mock of {self.version}"

    @property
    def dataset(self) -> Dataset:
        return self.version.dataset

    @property
    def loss(self) -> Loss:
        return Loss(self.rho, 0)

    @property
    def is_public(self) -> bool:
        """Whether everybody who may see the dataset may know of it."""
        return self.status in PUBLIC

    @property
    def run(self) -> Job:
        """The job that measures it; IllegalMove before it was confirmed."""
        if self.job is None:
            raise IllegalMove("Nothing was queued for this synthetic mock.")
        return self.job

    @property
    def label(self) -> str:
        """What its rows are called wherever they are shown."""
        day = "" if self.published_at is None else f", published on {self.published_at:%-d %B %Y}"
        return f"DP synthetic, ε = {self.epsilon}{day}"

    @property
    def closeness(self) -> list[dict[str, Any]]:
        """How far its rows are from each released table and column, as the report has it, and in percent."""
        found = self.report.get("closeness", [])
        return [each | {"percent": f"{100 * each['distance']:.2f}"} for each in found]

    def roles_of(self, user: User) -> set[Role]:
        return self.version.dataset.roles_of(user)
