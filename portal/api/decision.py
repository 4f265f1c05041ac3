"""What deciders weigh about a request, as their page shows it: the difference, the risk, what is out already."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.errors import NotAllowed, NotFound
from domains.requests import briefing, queries
from domains.requests.estimates import estimate_revision
from domains.requests.models import AnalysisRequest
from portal import code
from portal.api.estimates import EstimateOut
from portal.api.request_shapes import RequestDetailOut


class OverlapOut(serializers.Serializer[Any]):
    """An answer that is out from the dataset, and what it has in common with this request."""

    id = serializers.CharField(source="analysis.pk")
    title = serializers.CharField(source="analysis.title")
    author = serializers.CharField(source="analysis.author.name")
    epsilon = serializers.CharField(source="analysis.revision.epsilon")
    columns = serializers.ListField(child=serializers.CharField(), help_text="That both read.")
    is_same_question = serializers.BooleanField()
    is_same_project = serializers.BooleanField()


class EarlierOut(serializers.Serializer[Any]):
    """What is out from the dataset."""

    count = serializers.IntegerField(help_text="Answers that were compared, the latest 200 at most.")
    overlapping = serializers.IntegerField(help_text="Of those, how many read a column that this one reads.")
    rows = OverlapOut(many=True, help_text="Those most alike, most alike first.")


class ChangeOut(serializers.Serializer[Any]):
    """One line of the difference."""

    mark = serializers.ChoiceField(choices=["+", "-", " "])
    text = serializers.CharField(allow_blank=True, trim_whitespace=False)
    words = serializers.ListField(
        child=serializers.CharField(), help_text="The words that differ, where the line was changed."
    )


class BriefOut(serializers.Serializer[Any]):
    """All that a decider weighs; public values only."""

    request = serializers.SerializerMethodField(help_text="The request, with the votes that you may see.")
    estimate = EstimateOut(help_text="Budgets before and after, expected errors, policy rule by rule, now.")
    risk = serializers.CharField(help_text="What an answer can betray of one person, in one sentence.")
    compared_with = serializers.IntegerField(allow_null=True, help_text="Number of the revision before.")
    changes = ChangeOut(many=True, help_text="The difference from that revision; empty without one.")
    earlier = EarlierOut()
    may_decide = serializers.BooleanField(help_text="Whether the caller may vote now.")
    undo_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when the caller can take back their approval."
    )

    @extend_schema_field(RequestDetailOut)
    def get_request(self, found: dict[str, Any]) -> dict[str, Any]:
        """Show it as its own address does, so that others' votes stay hidden here too."""
        return dict(RequestDetailOut(found["request"], context=self.context).data)


class Brief(GenericViewSet[AnalysisRequest]):
    """The decision page's figures."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = BriefOut

    @extend_schema(responses=BriefOut, summary="Read all that a decision on the request rests on")
    @action(detail=True, methods=["get"])
    def decision(self, request: Request, pk: str) -> Response:
        analysis, now = queries.detail(pk, request.user), timezone.now()
        if not briefing.may_read(analysis, request.user):
            raise NotAllowed("Its dataset's owners and the reviewers they assign decide on this request.")
        revision = analysis.revision
        if revision is None:
            raise NotFound("This request has not passed a check yet.", code="no_revision")
        before = queries.revision_before(analysis)
        undoable = analysis.job is not None and queries.may_undo(analysis, request.user, now)
        found = {
            "request": analysis,
            "estimate": estimate_revision(revision, by=request.user),
            "risk": briefing.risk(revision),
            "compared_with": before and before.number,
            "changes": [_change(line) for line in code.changes(before.sql, revision.sql)] if before else [],
            "earlier": briefing.earlier(analysis),
            "may_decide": queries.may_decide(analysis, request.user),
            "undo_until": analysis.run.not_before if undoable else None,
        }
        return Response(BriefOut(found, context={"user": request.user}).data)


def _change(line: code.Line) -> dict[str, Any]:
    words = [piece.text for piece in line.pieces if piece.is_changed]
    return {"mark": line.mark, "text": line.text, "words": words}


router = SimpleRouter()
router.register("requests", Brief, basename="brief")
