"""How requests look from outside: the short form of lists, and the whole."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.jobs import queries as jobs
from domains.requests import queries, standing
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.quorum import Standing
from portal.api.shapes import DatasetShort, LossOut, PersonShort, ProjectShort, RuleOut

RUN_STATES = ["queued", "running", "finished", "failed"]  # all that outsiders learn of a job


class ProgressOut(serializers.Serializer[Any]):
    """One word for where a request stands, and a sentence for why."""

    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    why = serializers.CharField()
    is_final = serializers.BooleanField()


class FindingOut(serializers.Serializer[Any]):
    """Why a check did not pass: which clause, and what to write instead."""

    code = serializers.CharField()
    clause = serializers.CharField(allow_blank=True)
    text = serializers.CharField()
    alternative = serializers.CharField(allow_blank=True)


class ReviewOut(serializers.Serializer[Any]):
    """One person's vote."""

    reviewer = PersonShort()
    vote = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    role = serializers.CharField(allow_blank=True, help_text="Held when voting.")
    organisation = serializers.CharField(
        source="organisation.name", allow_null=True, default=None, help_text="Belonged to when voting."
    )
    created_at = serializers.DateTimeField()


class CommentOut(serializers.Serializer[Any]):
    """A line of the thread."""

    id = serializers.CharField(source="pk")
    author = PersonShort()
    text = serializers.CharField()
    created_at = serializers.DateTimeField()


class RevisionOut(serializers.Serializer[Any]):
    """What exactly would run: the immutable specification that an approval binds by its hash."""

    number = serializers.IntegerField()
    version = serializers.IntegerField(source="version.number", help_text="Number of the dataset version.")
    sql = serializers.CharField()
    epsilon = serializers.CharField()
    accounting = serializers.CharField(help_text="What it is paid in: zcdp or pure.")
    loss = LossOut(source="*")
    plan_sha256 = serializers.CharField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    reviews = serializers.SerializerMethodField(
        help_text="Votes. In review, others' are shown only to those who have voted themselves."
    )

    @extend_schema_field(ReviewOut(many=True))
    def get_reviews(self, revision: Revision) -> list[dict[str, Any]]:
        """Show what the asking person may see; without one, nobody's while it is in review."""
        parent = self.parent.instance if self.parent is not None else revision.analysis
        votes = standing.visible_votes(parent, self.context.get("user"))
        return list(ReviewOut(votes, many=True).data)


class QuorumOut(serializers.Serializer[Any]):
    """What an approval needs, and how many are in."""

    needed = serializers.IntegerField(source="terms.people")
    organisations = serializers.IntegerField(source="terms.organisations")
    has_owner = serializers.BooleanField(source="terms.has_owner")
    has_reviewer = serializers.BooleanField(source="terms.has_reviewer")
    in_words = serializers.CharField(source="terms.in_words")
    approvals = serializers.SerializerMethodField()
    is_reachable = serializers.BooleanField(help_text="Whether enough people are left who may decide.")

    def get_approvals(self, found: Standing) -> int:
        return len(found.approved)


class RequestOut(serializers.Serializer[Any]):
    """A request as a line of a list."""

    id = serializers.CharField(source="pk")
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    progress = serializers.SerializerMethodField()
    grant = serializers.CharField(source="grant_id")
    project = ProjectShort()
    dataset = DatasetShort()
    author = PersonShort()
    revision = serializers.IntegerField(
        source="revision.number",
        allow_null=True,
        default=None,
        help_text="The current revision; null before the first check passed.",
    )
    loss = serializers.SerializerMethodField(help_text="What the current revision costs.")
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(ProgressOut)
    def get_progress(self, analysis: AnalysisRequest) -> dict[str, Any]:
        return dict(ProgressOut(queries.progress(analysis, timezone.now())).data)

    @extend_schema_field(LossOut(allow_null=True))
    def get_loss(self, analysis: AnalysisRequest) -> dict[str, Any] | None:
        revision: Revision | None = analysis.revision
        return None if revision is None else dict(LossOut(revision).data)


class QueueOut(RequestOut):
    """A request that waits for a vote: how far it has come, and who looks first."""

    quorum = serializers.SerializerMethodField()
    assigned_to = PersonShort(allow_null=True)
    escalation = serializers.CharField(allow_blank=True, help_text="unanswered, unreachable or nothing")

    @extend_schema_field(QuorumOut)
    def get_quorum(self, analysis: AnalysisRequest) -> dict[str, Any]:
        return dict(QuorumOut(standing.standing(analysis)).data)


class RequestDetailOut(RequestOut):
    """A request with its text, its findings and reasons, its revision with the votes, and its thread."""

    sql = serializers.CharField(source="draft_sql")
    epsilon = serializers.CharField(source="draft_epsilon")
    accounting = serializers.CharField(source="draft_accounting")
    status_code = serializers.CharField(allow_blank=True)
    findings = FindingOut(many=True)
    reasons = serializers.ListField(child=serializers.CharField())
    policy_checks = RuleOut(
        many=True,
        source="policy_findings",
        help_text="What the dataset's policy said on submission, rule by rule.",
    )
    specification = RevisionOut(source="revision", allow_null=True)
    revisions = serializers.SerializerMethodField(help_text="Numbers of all revisions.")
    decided_by = PersonShort(allow_null=True)
    quorum = serializers.SerializerMethodField(help_text="While in review; else null.")
    assigned_to = PersonShort(allow_null=True)
    escalation = serializers.CharField(allow_blank=True, help_text="unanswered, unreachable or nothing")
    comments = CommentOut(many=True)
    mock_run = serializers.SerializerMethodField(help_text="State of the last run on mock data.")

    @extend_schema_field(QuorumOut(allow_null=True))
    def get_quorum(self, analysis: AnalysisRequest) -> dict[str, Any] | None:
        if analysis.status != Status.IN_REVIEW:
            return None
        return dict(QuorumOut(standing.standing(analysis)).data)

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_revisions(self, analysis: AnalysisRequest) -> list[int]:
        return [revision.number for revision in analysis.revisions.all()]

    @extend_schema_field(serializers.ChoiceField(choices=RUN_STATES, allow_null=True))
    def get_mock_run(self, analysis: AnalysisRequest) -> str | None:
        return jobs.public_status(analysis.mock_job, timezone.now()) if analysis.mock_job else None


class MockResultOut(serializers.Serializer[Any]):
    """The last run on mock data: it says nothing about the private data."""

    mock_run = serializers.ChoiceField(choices=RUN_STATES)
    answer = serializers.JSONField(
        allow_null=True, help_text="The answer's form, made of synthetic values; null until finished."
    )
