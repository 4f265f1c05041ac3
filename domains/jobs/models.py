"""The job table: the truth about what is to be done, by whom it is held, and how it ended."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from domains.base import AppendOnly, HasLifecycle, Model
from domains.errors import IllegalMove
from domains.jobs.lifecycle import JOB, JobStatus


class JobKind(models.TextChoices):
    QUERY = "query", "private query"
    MOCK_QUERY = "mock_query", "query on mock data"
    PROFILE = "profile", "check of an upload"
    CONFORM = "conform", "making of a dataset version"
    CONNECTION = "connection", "test of a connection"
    FIT = "fit", "fit of a workload's model"
    MEASUREMENT = "measurement", "measurement for a synthetic mock"
    SYNTHESIS = "synthesis", "making of a synthetic mock"
    DRY_RUN = "dry_run", "dry run of a policy"
    VERIFICATION = "verification", "check of the log and the ledger"


class Job(Model, HasLifecycle):
    """A unit of work. `subject` is the key of whatever asked for it; this table need not know what it is."""

    lifecycle = JOB

    kind = models.CharField(max_length=12, choices=JobKind.choices)
    queue = models.CharField(max_length=12, default="query")
    subject = models.CharField(max_length=26, db_index=True)
    status = models.CharField(
        max_length=12, default=JobStatus.QUEUED, choices=[(k, s.label) for k, s in JOB.items()]
    )
    status_code = models.CharField(max_length=40, blank=True)  # a public reason, never free text
    charge = models.ForeignKey("ledger.Charge", null=True, on_delete=models.PROTECT, related_name="jobs")
    spec = models.JSONField(default=dict)
    spec_sha256 = models.CharField(max_length=64)
    planned_seconds = models.DecimalField(max_digits=8, decimal_places=2)
    not_before = models.DateTimeField()
    valid_until = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    data_opened_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)  # when the outcome becomes visible; fixed as data is opened
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        indexes = [
            models.Index(fields=["status", "not_before"], name="job_ready"),
            models.Index(fields=["status", "lease_until"], name="job_lease"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=JobStatus.values), name="job_status"),
            models.UniqueConstraint(
                fields=["charge"], condition=models.Q(charge__isnull=False), name="job_one_per_charge"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} job {self.pk}"

    @property
    def charge_key(self) -> str:
        """The key of the charge that pays for it; IllegalMove for an uncharged job."""
        if self.charge_id is None:
            raise IllegalMove("This job is not charged.")
        return self.charge_id

    @property
    def deadline(self) -> datetime:
        """When outsiders learn its outcome; IllegalMove before data was opened."""
        if self.due_at is None:
            raise IllegalMove("This job has not opened data.")
        return self.due_at


class Result(AppendOnly):
    """What an uncharged job produced (mock runs); differentially private bytes live in the ledger."""

    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="result")
    payload = models.BinaryField()
    sha256 = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"result of {self.job_id}"


class WorkerBeat(models.Model):
    """A worker's sign of life, for `/readyz` and the people who run the node."""

    name = models.CharField(max_length=120, primary_key=True)
    queues = models.JSONField(default=list)
    pid = models.IntegerField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
