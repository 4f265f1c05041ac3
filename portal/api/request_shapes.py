"""How requests look from outside: the short form of lists, and the whole."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.jobs import queries as jobs
from domains.requests import queries
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Revision
from portal.api.shapes import DatasetShort, LossOut, PersonShort, ProjectShort

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
    reviews = ReviewOut(many=True)


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


class RequestDetailOut(RequestOut):
    """A request with its text, its findings and reasons, its revision with the votes, and its thread."""

    sql = serializers.CharField(source="draft_sql")
    epsilon = serializers.CharField(source="draft_epsilon")
    accounting = serializers.CharField(source="draft_accounting")
    status_code = serializers.CharField(allow_blank=True)
    findings = FindingOut(many=True)
    reasons = serializers.ListField(child=serializers.CharField())
    specification = RevisionOut(source="revision", allow_null=True)
    revisions = serializers.SerializerMethodField(help_text="Numbers of all revisions.")
    decided_by = PersonShort(allow_null=True)
    comments = CommentOut(many=True)
    mock_run = serializers.SerializerMethodField(help_text="State of the last run on mock data.")

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
