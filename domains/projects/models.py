"""Projects, their people and reviews, and the access grants that carry a budget."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import AppendOnly, HasLifecycle, Model, paired
from domains.catalog.models import Dataset, ResearchArea
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects.amendment_models import Amendment
from domains.projects.lifecycle import GRANT, PROJECT, GrantStatus, ProjectStatus

__all__ = [
    "AccessGrant",
    "Amendment",
    "FormVersion",
    "Project",
    "ProjectMember",
    "ProjectReminder",
    "ProjectReview",
    "ProjectVersion",
    "SectionReview",
    "SectionVerdict",
    "Vote",
]


class FormVersion(AppendOnly):
    """One immutable version of the node's application form; `text` is its JSON, byte for byte what `sha256` is of."""

    number = models.PositiveIntegerField(unique=True)
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    changes = models.CharField(max_length=1000, blank=True)
    published_by = models.ForeignKey(  # nobody: the form that comes with the software
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(condition=Q(number=1) | ~Q(changes=""), name="form_says_what_changed"),
            models.CheckConstraint(
                condition=Q(number=1) | Q(published_by__isnull=False), name="form_published_by_somebody"
            ),
        ]

    def __str__(self) -> str:
        return f"Application form, version {self.number}"


class Project(Model, HasLifecycle):
    """A purpose, the people who pursue it and the datasets they ask for."""

    lifecycle = PROJECT

    area = models.ForeignKey(ResearchArea, on_delete=models.PROTECT, related_name="projects")
    title = models.CharField(max_length=160)
    lay_summary = models.TextField()
    purpose = models.TextField()
    purpose_codes = models.JSONField(default=list, blank=True)  # see `purposes`
    form = models.ForeignKey(
        FormVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="projects"
    )
    answers = models.JSONField(default=dict, blank=True)  # to the form's other questions, while it is written
    status = models.CharField(
        max_length=20, default=ProjectStatus.DRAFT, choices=[(k, s.label) for k, s in PROJECT.items()]
    )
    version = models.PositiveIntegerField(default=1)  # forms carry it: "changed since you opened it"
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    valid_until = models.DateTimeField(null=True, blank=True)
    in_force = (
        models.ForeignKey(  # what was approved last; none of what was approved before there were versions
            "ProjectVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
        )
    )
    suspended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [paired("decided", "project")]

    def __str__(self) -> str:
        return self.title

    def roles_of(self, user: User) -> set[Role]:
        """Give lead, member, the area's seats, and the stewards of the datasets it asks for."""
        stewards = (grant.dataset.steward_roles_of(user) for grant in self.grants.all())
        return self.own_roles_of(user).union(*stewards)

    def own_roles_of(self, user: User) -> set[Role]:
        """Give the same without the stewards: one dataset's steward has no say over another's grant."""
        own = {
            Role(row.role) for row in self.members.all() if row.user_id == user.pk and row.ended_at is None
        }
        return own | self.area.roles_of(user)

    @property
    def member_ids(self) -> set[str]:
        """Keys of everyone who is, or ever was, on the project: none of them may decide on it (S1)."""
        return {row.user_id for row in self.members.all()} | {self.created_by_id}


class ProjectMember(Model):
    """A person on a project; ended, never deleted, so that separation of duties remembers."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="project_seats")
    role = models.CharField(
        max_length=20, choices=[(r.value, r.value) for r in (Role.PROJECT_LEAD, Role.PROJECT_MEMBER)]
    )
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            paired("ended", "member"),
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(ended_at__isnull=True), name="member_once"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[Role.PROJECT_LEAD.value, Role.PROJECT_MEMBER.value]), name="member_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.project}"


class ProjectVersion(AppendOnly):
    """What was handed in, as it was handed in; votes and notes are about one of these (`sha256` of its content)."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    form = models.ForeignKey(FormVersion, on_delete=models.PROTECT, related_name="+")
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="project_version_number"),
        ]

    def __str__(self) -> str:
        return f"{self.project}, version {self.number}"


class ProjectReminder(AppendOnly):
    """That people were told once that an approval ends within `days`, or, with 0, that it has ended."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    valid_until = models.DateTimeField()  # a renewal is reminded of anew
    days = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "valid_until", "days"], name="project_reminder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.project} reminded {self.days} days before"


class SectionVerdict(models.TextChoices):
    FINE = "fine", "Fine"
    CHANGE = "change", "Needs a change"


class SectionReview(AppendOnly):
    """What a reviewer thinks of one section of a version; of several by one person the last one counts."""

    version = models.ForeignKey(ProjectVersion, on_delete=models.PROTECT, related_name="section_reviews")
    section = models.CharField(max_length=40)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=8, choices=SectionVerdict.choices)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict=SectionVerdict.FINE) | ~Q(note=""), name="section_review_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer} on {self.section}: {self.verdict}"


class Vote(models.TextChoices):
    APPROVE = "approve", "Approve"
    REQUEST_CHANGES = "request_changes", "Request changes"
    DENY = "deny", "Deny"


class ProjectReview(AppendOnly):
    """One reviewer's vote on one version of a project (S11: one vote per person and version)."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="reviews")
    version = models.PositiveIntegerField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    vote = models.CharField(max_length=16, choices=Vote.choices)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["project", "version", "reviewer"], name="project_review_once"),
            models.CheckConstraint(
                condition=Q(vote=Vote.APPROVE) | ~Q(reason=""), name="project_review_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.vote}"


class AccessGrant(Model, HasLifecycle):
    """A project's right to ask one dataset within a budget; the ledger's grant account hangs on it."""

    lifecycle = GRANT

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="grants")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="grants")
    status = models.CharField(
        max_length=16, default=GrantStatus.REQUESTED, choices=[(k, s.label) for k, s in GRANT.items()]
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_to = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            paired("granted", "grant"),
            models.UniqueConstraint(
                fields=["project", "dataset"],
                condition=Q(status__in=["requested", "granted", "suspended"]),
                name="grant_one_live",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} × {self.dataset}"

    def roles_of(self, user: User) -> set[Role]:
        return self.project.own_roles_of(user) | self.dataset.roles_of(user)
