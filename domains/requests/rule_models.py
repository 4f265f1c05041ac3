"""How a dataset's requests are decided: its versioned rule, who stood aside, and who fetched what came out."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import AppendOnly, Model, paired
from domains.catalog.models import Dataset
from domains.people.models import User
from domains.people.permissions import Role
from domains.requests.quorum import MOST_DAYS, MOST_PEOPLE, Terms


class ApprovalRule(Model):
    """One version of what an approval on a dataset needs; a looser one waits for a second person."""

    is_public = True  # how decisions are made is no secret

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="approval_rules")
    number = models.PositiveIntegerField()
    people = models.PositiveSmallIntegerField(default=1)
    organisations = models.PositiveSmallIntegerField(default=0)  # distinct ones among them; 0 does not ask
    has_owner = models.BooleanField(default=False)
    has_reviewer = models.BooleanField(default=False)  # one who is no owner
    days = models.PositiveSmallIntegerField(default=7)  # after which an unanswered request is escalated
    is_looser = models.BooleanField()  # than the one in force when it was proposed
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
            paired("activated", "rule"),
            paired("ended", "rule"),
            models.UniqueConstraint(fields=["dataset", "number"], name="rule_number"),
            models.UniqueConstraint(
                fields=["dataset"],
                condition=Q(activated_at__isnull=False, ended_at__isnull=True),
                name="rule_one_active",
            ),
            models.UniqueConstraint(
                fields=["dataset"],
                condition=Q(activated_at__isnull=True, ended_at__isnull=True),
                name="rule_one_proposed",
            ),
            models.CheckConstraint(
                condition=Q(is_looser=False)
                | Q(activated_by__isnull=True)
                | ~Q(activated_by=F("proposed_by")),
                name="rule_looser_takes_two",
            ),
            models.CheckConstraint(
                condition=Q(people__gte=1, people__lte=MOST_PEOPLE, days__gte=1, days__lte=MOST_DAYS),
                name="rule_bounds",
            ),
            models.CheckConstraint(
                condition=Q(organisations__lte=F("people")), name="rule_organisations_need_people"
            ),
            models.CheckConstraint(
                condition=Q(has_owner=False) | Q(has_reviewer=False) | Q(people__gte=2),
                name="rule_two_roles_need_two_people",
            ),
        ]

    def __str__(self) -> str:
        return f"approval rule {self.number} of {self.dataset}"

    @property
    def terms(self) -> Terms:
        """The rule as a value."""
        return Terms(self.people, self.has_owner, self.days, self.organisations, self.has_reviewer)

    def roles_of(self, user: User) -> set[Role]:
        return self.dataset.roles_of(user)


class Recusal(AppendOnly):
    """A person who stands aside from one request: never counts, and is not asked again."""

    analysis = models.ForeignKey("AnalysisRequest", on_delete=models.PROTECT, related_name="recusals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=300)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["analysis", "person"], name="recusal_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="recusal_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.person} stands aside from {self.analysis_id}"


class Download(AppendOnly):
    """One fetch of a released answer's bytes: what an auditor needs when it has to be taken back."""

    release = models.ForeignKey("Release", on_delete=models.PROTECT, related_name="downloads")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    form = models.CharField(max_length=16)  # page, csv, parquet, bundle, payload or json

    class Meta:
        ordering = ["created_at"]
        constraints = [models.CheckConstraint(condition=~Q(form=""), name="download_has_form")]

    def __str__(self) -> str:
        return f"{self.person}: {self.form}"
