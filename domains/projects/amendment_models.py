"""An amendment: what its lead wants changed of a project that runs, kept apart until reviewers approve it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import HasLifecycle, Model, paired
from domains.projects.lifecycle import AMENDMENT, AmendmentStatus

_OPEN = [AmendmentStatus.DRAFT, AmendmentStatus.IN_REVIEW, AmendmentStatus.CHANGES_REQUESTED]


class Amendment(Model, HasLifecycle):
    """A wished change of an approved project; handed in, it is frozen as another version of the project."""

    lifecycle = AMENDMENT

    project = models.ForeignKey("projects.Project", on_delete=models.PROTECT, related_name="amendments")
    base = models.ForeignKey(  # what was in force when it was begun
        "projects.ProjectVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    frozen = models.ForeignKey(  # what was handed in last
        "projects.ProjectVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    form = models.ForeignKey("projects.FormVersion", on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    title = models.CharField(max_length=160)
    answers = models.JSONField(default=dict)  # to every question of the form, summary and purpose among them
    datasets = models.JSONField(default=list)  # short names of all that it wants, not only of what is new
    people = models.JSONField(default=list)  # keys of everybody but the lead who shall be on it
    valid_until = models.DateField(null=True, blank=True)  # none: as it was
    status = models.CharField(
        max_length=20, default=AmendmentStatus.DRAFT, choices=[(k, s.label) for k, s in AMENDMENT.items()]
    )
    version = models.PositiveIntegerField(default=1)  # forms carry it: "changed since you opened it"
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            paired("decided", "amendment"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(status__in=_OPEN), name="amendment_one_open"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[AmendmentStatus.DRAFT, AmendmentStatus.WITHDRAWN])
                | Q(frozen__isnull=False),
                name="amendment_reviewed_is_frozen",
            ),
            models.CheckConstraint(
                condition=Q(decided_at__isnull=False)
                & Q(status__in=[AmendmentStatus.APPROVED, AmendmentStatus.DENIED])
                | Q(decided_at__isnull=True)
                & ~Q(status__in=[AmendmentStatus.APPROVED, AmendmentStatus.DENIED]),
                name="amendment_decided_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"Amendment of {self.project}"
