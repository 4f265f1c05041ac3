"""Synthetic mocks: owners propose, a second person confirms, and everybody downloads what was published."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import queries as catalog
from domains.catalog.models import Dataset
from domains.requests.actions import MOST_SQL
from domains.synthetic import actions, queries
from domains.synthetic.lifecycle import MockStatus
from domains.synthetic.models import SyntheticMock
from domains.synthetic.queries import Estimate
from portal.api.auth import RecentSignIn
from portal.api.datasets import StatedReasonIn, synthetic_file
from portal.api.shapes import EffectOut, LossOut, PersonShort, valid

_MOCK = "synthetic/(?P<mock>[0-9A-Z]+)"
_FILES = {
    (200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, "Synthetic rows; about nobody."),
    (200, "application/vnd.apache.parquet"): OpenApiResponse(OpenApiTypes.BINARY, "The same rows."),
}


class SyntheticIn(serializers.Serializer[Any]):
    """Which tables of counts the rows are to be made of, and the ε that pays for them."""

    sql = serializers.CharField(max_length=MOST_SQL, help_text="A workload: GROUPING SETS, or JSON.")
    epsilon = serializers.CharField(max_length=20, help_text="A decimal above 0, at most 10, such as 0.5.")


class TablePriceOut(serializers.Serializer[Any]):
    """What is known beforehand of one table."""

    name = serializers.CharField()
    plus_minus_95 = serializers.CharField(allow_null=True, help_text="± of each of its counts at 95 %.")


class SyntheticEstimateOut(serializers.Serializer[Any]):
    """What a proposal would cost and how exact its tables would be; nothing is stored."""

    epsilon = serializers.CharField(source="specification.epsilon")
    loss = LossOut(source="specification.loss")
    tables = TablePriceOut(many=True, source="specification.pricing.outputs")
    effects = EffectOut(many=True, help_text="On the population's budget and on the dataset's own.")
    fits = serializers.BooleanField()
    in_words = serializers.ListField(child=serializers.CharField(), source="specification.in_words")


class DistanceOut(serializers.Serializer[Any]):
    """How far the rows are from one released table, or from one column of it."""

    name = serializers.CharField()
    columns = serializers.IntegerField(help_text="1 for a column, 2 for a table of two.")
    distance = serializers.FloatField(help_text="Total variation distance, 0 to 1; it includes the noise.")


class ReportOut(serializers.Serializer[Any]):
    """A report on the rows, made of the released noisy tables alone."""

    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Number of rows, estimated from the released tables.")
    method = serializers.CharField()
    closeness = DistanceOut(many=True)


class SyntheticMockOut(serializers.Serializer[Any]):
    """A synthetic mock: its terms, who decided, and the report on its rows."""

    id = serializers.CharField(source="pk")
    dataset = serializers.CharField(source="dataset.slug")
    version = serializers.IntegerField(source="version.number")
    status = serializers.ChoiceField(choices=MockStatus.values)
    status_code = serializers.CharField(allow_blank=True, help_text="Why it lapsed or failed.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    sql = serializers.CharField()
    epsilon = serializers.CharField()
    loss = LossOut()
    proposed_by = PersonShort()
    created_at = serializers.DateTimeField()
    decided_by = PersonShort(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True, help_text="Why it was declined.")
    published_at = serializers.DateTimeField(allow_null=True)
    retracted_at = serializers.DateTimeField(allow_null=True)
    retracted_reason = serializers.CharField(allow_blank=True)
    answer_sha256 = serializers.CharField(allow_blank=True, help_text="Of the released tables.")
    file_sha256 = serializers.CharField(allow_blank=True, help_text="Of the Parquet file.")
    report = serializers.SerializerMethodField(help_text="Null before it is published.")
    estimate = serializers.SerializerMethodField(help_text="What confirming would do; null once decided.")

    @extend_schema_field(ReportOut(allow_null=True))
    def get_report(self, mock: SyntheticMock) -> Any:
        return mock.report or None

    @extend_schema_field(SyntheticEstimateOut(allow_null=True))
    def get_estimate(self, mock: SyntheticMock) -> Any:
        found = queries.estimate_of(mock)
        return None if found is None else _priced(found)


def _priced(found: Estimate) -> Any:
    return SyntheticEstimateOut(found).data


class Synthetic(GenericViewSet[Dataset]):
    """Synthetic mocks of a dataset."""

    queryset = Dataset.objects.none()
    serializer_class = SyntheticMockOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(
        responses=SyntheticMockOut(many=True), summary="List a dataset's synthetic mocks, newest first"
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def synthetic(self, request: Request, slug: str) -> Response:
        rows = queries.mocks(catalog.dataset(slug, request.user), request.user)
        return Response(SyntheticMockOut(rows, many=True).data)

    @extend_schema(
        request=SyntheticIn, responses={201: SyntheticMockOut}, summary="Propose synthetic rows for everybody"
    )
    @synthetic.mapping.post
    def propose(self, request: Request, slug: str) -> Response:
        given = valid(SyntheticIn, request)
        mock = actions.propose(catalog.dataset(slug, request.user), **given, by=request.user)
        return Response(SyntheticMockOut(mock).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=SyntheticIn, responses=SyntheticEstimateOut, summary="Price synthetic rows beforehand"
    )
    @action(detail=True, methods=["post"], url_path="synthetic/estimate")
    def synthetic_estimate(self, request: Request, slug: str) -> Response:
        given = valid(SyntheticIn, request)
        found = queries.estimate(catalog.dataset(slug, request.user), **given, by=request.user)
        return Response(_priced(found))

    @extend_schema(responses=SyntheticMockOut, summary="Read a synthetic mock with its report")
    @action(detail=True, methods=["get"], url_path=_MOCK)
    def one(self, request: Request, slug: str, mock: str) -> Response:
        return Response(SyntheticMockOut(_found(slug, mock, request)).data)

    @extend_schema(
        request=None, responses=SyntheticMockOut, summary="Confirm synthetic rows that somebody else proposed"
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_MOCK}/confirm",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def confirm(self, request: Request, slug: str, mock: str) -> Response:
        return _done(actions.confirm, slug, mock, request)

    @extend_schema(
        request=StatedReasonIn, responses=SyntheticMockOut, summary="Decline proposed synthetic rows"
    )
    @action(detail=True, methods=["post"], url_path=f"{_MOCK}/decline")
    def decline(self, request: Request, slug: str, mock: str) -> Response:
        return _done(actions.decline, slug, mock, request, **valid(StatedReasonIn, request))

    @extend_schema(request=None, responses=SyntheticMockOut, summary="Take one's own proposal back")
    @action(detail=True, methods=["post"], url_path=f"{_MOCK}/withdraw")
    def withdraw_proposal(self, request: Request, slug: str, mock: str) -> Response:
        return _done(actions.withdraw, slug, mock, request)

    @extend_schema(
        request=StatedReasonIn, responses=SyntheticMockOut, summary="Stop serving published synthetic rows"
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_MOCK}/retract",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def retract(self, request: Request, slug: str, mock: str) -> Response:
        return _done(actions.retract, slug, mock, request, **valid(StatedReasonIn, request))

    @extend_schema(responses=_FILES, summary="Download published synthetic rows, csv or parquet")
    @action(detail=True, methods=["get"], url_path=f"{_MOCK}/rows/(?P<kind>csv|parquet)")
    def rows(self, request: Request, slug: str, mock: str, kind: str) -> FileResponse:
        return synthetic_file(_found(slug, mock, request), kind)


def _found(slug: str, mock: str, request: Request) -> SyntheticMock:
    return queries.mock(catalog.dataset(slug, request.user), mock, request.user)


def _done(act: Any, slug: str, mock: str, request: Request, **given: Any) -> Response:
    """Do one thing to a mock, and answer with it as it is now."""
    found = _found(slug, mock, request)
    act(found, **given, by=request.user)
    return Response(SyntheticMockOut(_found(slug, mock, request)).data)


router = SimpleRouter()
router.register("datasets", Synthetic, basename="synthetic")
