"""Requests, their immutable revisions, the votes on them, and the releases of their answers."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import AppendOnly, HasLifecycle, Model, paired
from domains.catalog.models import AccessPolicy, DatasetVersion
from domains.errors import IllegalMove
from domains.jobs.models import Job
from domains.people.models import Organisation, User
from domains.people.permissions import Role
from domains.projects.models import AccessGrant, Vote
from domains.requests.accounting import Accounting
from domains.requests.lifecycle import RELEASE, REQUEST, ReleaseStatus, Status
from domains.requests.rule_models import ApprovalRule, Download, Recusal
from privacy.loss import Loss

__all__ = [
    "AnalysisRequest",
    "ApprovalRule",
    "Comment",
    "Download",
    "Recusal",
    "Release",
    "Review",
    "Revision",
]


class AnalysisRequest(Model, HasLifecycle):
    """What a scientist asks of one dataset within one grant. The specification hangs on its revisions."""

    lifecycle = REQUEST

    grant = models.ForeignKey(AccessGrant, on_delete=models.PROTECT, related_name="requests")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requests")
    title = models.CharField(max_length=160)
    status = models.CharField(
        max_length=20, default=Status.DRAFT, choices=[(k, s.label) for k, s in REQUEST.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)
    reasons = models.JSONField(
        default=list, blank=True
    )  # policy's or a reviewer's, as shown to the scientist
    draft_sql = models.TextField(blank=True)
    draft_epsilon = models.CharField(max_length=20, blank=True)
    draft_accounting = models.CharField(max_length=4, default="zcdp")  # zcdp, pure or auto
    findings = models.JSONField(default=list, blank=True)  # why the last check did not pass
    round = models.PositiveSmallIntegerField(
        default=1
    )  # votes count per revision and round; undo starts a new round
    revision = models.ForeignKey(
        "Revision", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    policy = models.ForeignKey(
        AccessPolicy, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    policy_findings = models.JSONField(default=list, blank=True)  # what it said on submission, rule by rule
    submitted_at = models.DateTimeField(null=True, blank=True)
    project_version = models.PositiveIntegerField(null=True, blank=True)  # in force when it was submitted
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(  # None when a policy decided
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    assigned_to = models.ForeignKey(  # one of those who may decide, who looks first; the others still may
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    assigned_at = models.DateTimeField(null=True, blank=True)
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    escalation = models.CharField(max_length=16, blank=True)  # unanswered or unreachable
    escalation_level = models.PositiveSmallIntegerField(default=0)  # who was told: see `escalation.LEVELS`
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    mock_job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["status", "submitted_at"], name="request_queue")]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="request_status"),
            models.CheckConstraint(
                condition=Q(draft_accounting__in=[kind.value for kind in Accounting]),
                name="request_accounting",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[Status.DRAFT, Status.WITHDRAWN]) | Q(revision__isnull=False),
                name="request_beyond_draft_has_revision",
            ),
            paired("assigned", "request"),
            models.CheckConstraint(
                condition=Q(assigned_to__isnull=True, assigned_at__isnull=True)
                | Q(assigned_to__isnull=False, assigned_at__isnull=False),
                name="request_assigned_to_somebody",
            ),
            models.CheckConstraint(
                condition=Q(escalation="", escalation_level=0)
                | Q(escalation__in=["unanswered", "unreachable"], escalation_level__gte=1),
                name="request_escalation",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def project(self):
        return self.grant.project

    @property
    def dataset(self):
        return self.grant.dataset

    @property
    def current(self) -> Revision:
        """The revision that stands; IllegalMove while nothing was checked."""
        if self.revision is None:
            raise IllegalMove("Check the request first; there is nothing to run yet.")
        return self.revision

    @property
    def run(self) -> Job:
        """The job that its approval queued; IllegalMove when there is none."""
        if self.job is None:
            raise IllegalMove("Nothing was queued for this request.")
        return self.job

    def roles_of(self, user: User) -> set[Role]:
        own = {Role.AUTHOR} if self.author_id == user.pk else set()
        return own | self.grant.roles_of(user)


class Revision(AppendOnly):
    """An immutable specification: what exactly would run, what it would cost, and its hash."""

    analysis = models.ForeignKey(AnalysisRequest, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")
    sql = models.TextField()
    epsilon = models.CharField(max_length=20)
    accounting = models.CharField(max_length=4, default="zcdp")  # zcdp or pure: what auto came to
    rho = models.BigIntegerField()
    delta = models.BigIntegerField()
    pure = models.BigIntegerField(default=0)
    plan = models.JSONField()
    plan_sha256 = models.CharField(max_length=64)
    pricing = models.JSONField()
    sha256 = models.CharField(max_length=64)  # over the whole specification; approval binds it
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["analysis", "number"], name="revision_number"),
            models.CheckConstraint(
                condition=Q(accounting="zcdp", pure=0) | Q(accounting="pure", pure__gt=0, rho=0),
                name="revision_accounting",
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.analysis_id}"

    @property
    def loss(self) -> Loss:
        return Loss(self.rho, self.delta, self.pure)


class Review(AppendOnly):
    """One person's vote on one revision (S11)."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="reviews")
    round = models.PositiveSmallIntegerField(default=1)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    vote = models.CharField(max_length=16, choices=Vote.choices)
    reason = models.TextField(blank=True)
    role = models.CharField(max_length=20, blank=True)  # held when voting; it stays when the person leaves
    organisation = models.ForeignKey(  # likewise theirs when voting: a quorum may count it
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "round", "reviewer"], name="review_once"),
            models.CheckConstraint(
                condition=Q(role__in=["", Role.DATASET_OWNER.value, Role.DATASET_REVIEWER.value]),
                name="review_role",
            ),
            models.CheckConstraint(condition=Q(vote=Vote.APPROVE) | ~Q(reason=""), name="review_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.vote}"


class Comment(AppendOnly):
    """A line in a request's thread; never a place for private values."""

    analysis = models.ForeignKey(AnalysisRequest, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=4000)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.text[:60]


class Release(Model, HasLifecycle):
    """A result let out: points at the ledger's bytes by charge and hash, never copies them."""

    lifecycle = RELEASE

    analysis = models.ForeignKey(AnalysisRequest, on_delete=models.PROTECT, related_name="releases")
    charge = models.ForeignKey("ledger.Charge", on_delete=models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64)
    is_repeat = models.BooleanField(default=False)  # the same bytes again, at no charge
    status = models.CharField(
        max_length=16, default=ReleaseStatus.QUARANTINED, choices=[(k, s.label) for k, s in RELEASE.items()]
    )
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(  # None when the policy released it
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    audit_index = models.BigIntegerField(null=True, blank=True)  # the leaf its receipt proves
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    revoked_why = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["analysis", "charge"], name="release_once"),
            models.CheckConstraint(condition=Q(status__in=ReleaseStatus.values), name="release_status"),
            paired("revoked", "release"),
            models.CheckConstraint(
                condition=Q(status=ReleaseStatus.REVOKED, revoked_at__isnull=False) & ~Q(revoked_why="")
                | ~Q(status=ReleaseStatus.REVOKED) & Q(revoked_at__isnull=True, revoked_why=""),
                name="release_revoked_says_why",
            ),
        ]

    def is_out(self, now: datetime) -> bool:
        """Whether the project's members may read it by `now`."""
        return (
            self.status == ReleaseStatus.RELEASED and self.released_at is not None and self.released_at <= now
        )

    def __str__(self) -> str:
        return f"release of {self.analysis_id}"

    def roles_of(self, user: User) -> set[Role]:
        return self.analysis.roles_of(user)
