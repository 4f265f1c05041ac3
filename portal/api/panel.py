"""Who decides: a dataset's approval rule, the assignment of a request, and standing aside from it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import queries as catalogue
from domains.catalog.models import Dataset
from domains.errors import InvalidInput
from domains.requests import panel, queries, rules, standing
from domains.requests.models import AnalysisRequest, ApprovalRule
from domains.requests.quorum import MOST_DAYS, MOST_PEOPLE
from portal.api.auth import RecentSignIn
from portal.api.request_shapes import RequestDetailOut
from portal.api.requests import shown
from portal.api.reviews import ReasonIn
from portal.api.shapes import PersonShort, valid

_NUMBER = "approval-rules/(?P<number>[0-9]{1,9})"


class RuleIn(serializers.Serializer[Any]):
    """What an approval needs."""

    people = serializers.IntegerField(min_value=1, max_value=MOST_PEOPLE, help_text="Distinct people.")
    organisations = serializers.IntegerField(
        min_value=0,
        max_value=MOST_PEOPLE,
        default=0,
        help_text="Distinct organisations of theirs; 0 does not ask.",
    )
    has_owner = serializers.BooleanField(default=False, help_text="One of them an owner of the dataset.")
    has_reviewer = serializers.BooleanField(
        default=False, help_text="One of them a reviewer who is no owner."
    )
    days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, default=7, help_text="After which an unanswered request goes up."
    )


class PanelRuleOut(RuleIn):
    """One version of the rule; a looser one waits for a second person."""

    number = serializers.IntegerField()
    is_looser = serializers.BooleanField()
    proposed_by = PersonShort()
    activated_at = serializers.DateTimeField(allow_null=True)
    activated_by = PersonShort(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class AssignIn(serializers.Serializer[Any]):
    """Who looks first; null asks nobody in particular."""

    person = serializers.CharField(max_length=26, allow_null=True)


class ApprovalRules(GenericViewSet[Dataset]):
    """Versions of what an approval on a dataset needs."""

    queryset = Dataset.objects.none()
    serializer_class = PanelRuleOut
    lookup_field = "slug"
    filter_backends = []
    permission_classes = [IsAuthenticated, RecentSignIn]

    @extend_schema(responses=PanelRuleOut(many=True), summary="List a dataset's approval rules, newest first")
    @action(
        detail=True,
        methods=["get"],
        url_path="approval-rules",
        pagination_class=None,
        permission_classes=[IsAuthenticated],
    )
    def approval_rules(self, request: Request, slug: str) -> Response:
        row = catalogue.dataset(slug, request.user)
        rows = row.approval_rules.select_related("proposed_by", "activated_by")
        return Response(PanelRuleOut(rows, many=True).data)

    @extend_schema(
        request=RuleIn,
        responses={201: PanelRuleOut},
        summary="Set the approval rule; a looser one is only proposed",
    )
    @action(detail=True, methods=["post"], url_path="approval-rules/set")
    def set_rule(self, request: Request, slug: str) -> Response:
        given = valid(RuleIn, request)
        row = rules.set_rule(catalogue.dataset(slug, request.user), **given, by=request.user)
        return Response(PanelRuleOut(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=None, responses=PanelRuleOut, summary="Confirm a looser rule that somebody else proposed"
    )
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/confirm")
    def confirm_rule(self, request: Request, slug: str, number: str) -> Response:
        row = _rule(slug, number, request)
        rules.confirm_rule(row, by=request.user)
        return Response(PanelRuleOut(row).data)

    @extend_schema(request=None, responses=PanelRuleOut, summary="Withdraw a rule that waits to be confirmed")
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/withdraw")
    def withdraw_rule(self, request: Request, slug: str, number: str) -> Response:
        rules.withdraw_rule(_rule(slug, number, request), by=request.user)
        return Response(PanelRuleOut(_rule(slug, number, request)).data)


def _rule(slug: str, number: str, request: Request) -> ApprovalRule:
    return rules.rule(catalogue.dataset(slug, request.user), int(number))


class Panel(GenericViewSet[AnalysisRequest]):
    """Who looks at a request."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = RequestDetailOut
    permission_classes = [IsAuthenticated, RecentSignIn]

    @extend_schema(
        request=ReasonIn, responses=RequestDetailOut, summary="Stand aside from a request for good"
    )
    @action(detail=True, methods=["post"])
    def recuse(self, request: Request, pk: str) -> Response:
        given = valid(ReasonIn, request)
        analysis = queries.detail(pk, request.user)
        panel.recuse(analysis, reason=given["reason"], by=request.user)
        return shown(analysis, request)

    @extend_schema(request=AssignIn, responses=RequestDetailOut, summary="Say who looks at a request first")
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        wanted = valid(AssignIn, request)["person"]
        analysis = queries.detail(pk, request.user)
        found = (
            standing.panel(analysis).get(wanted or "") if queries.is_open_to(analysis, request.user) else None
        )
        if wanted and found is None and queries.is_open_to(analysis, request.user):
            raise InvalidInput("This person may not decide on the request.", code="not_on_panel")
        panel.assign(analysis, found[0] if found else None, by=request.user)
        return shown(analysis, request)


router = SimpleRouter()
router.register("datasets", ApprovalRules, basename="approval-rules")
router.register("requests", Panel, basename="panel")
