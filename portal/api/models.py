"""Fitted models of workloads: what they are about, and questions that they answer at no charge."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.requests import actions, modelled, queries
from domains.requests.models import AnalysisRequest
from portal import sheets
from portal.api.results import AnswerOut, _file
from portal.api.shapes import valid


class QualityOut(serializers.Serializer[Any]):
    """One released table, and how far the model's is from it."""

    name = serializers.CharField()
    distance = serializers.FloatField(
        help_text="Total variation distance, 0 to 1, from the noisy table; it includes the noise."
    )


class ModelOut(serializers.Serializer[Any]):
    """A model made of released tables alone; asking it costs nothing."""

    request = serializers.CharField(
        source="fitted.release.analysis_id", help_text="The workload that was paid for."
    )
    status = serializers.CharField(source="fitted.status", help_text="queued, running, finished or failed")
    code = serializers.CharField(source="fitted.code", allow_blank=True, help_text="Why no model was made.")
    sha256 = serializers.CharField(source="fitted.sha256", allow_blank=True)
    method = serializers.CharField(allow_blank=True)
    columns = serializers.ListField(child=serializers.CharField())
    total = serializers.FloatField(help_text="Number of rows, estimated from the released tables.")
    qualities = QualityOut(many=True)


class ModelAskIn(serializers.Serializer[Any]):
    """A question that counts rows by columns of the model."""

    sql = serializers.CharField(max_length=actions.MOST_SQL)


class ClosenessOut(serializers.Serializer[Any]):
    """How far the rows are from one released table, or from one column of it."""

    name = serializers.CharField()
    columns = serializers.IntegerField(help_text="1 for a column, 2 for a table of two.")
    distance = serializers.FloatField(help_text="Total variation distance, 0 to 1; it includes the noise.")


class SyntheticOut(serializers.Serializer[Any]):
    """A report on the model's synthetic rows, made of noisy values alone."""

    epsilon = serializers.CharField(
        help_text="What the workload was paid for with; the rows add nothing to it."
    )
    count = serializers.SerializerMethodField()
    columns = serializers.ListField(child=serializers.CharField(), source="header")
    closeness = ClosenessOut(many=True)

    def get_count(self, found: modelled.SyntheticView) -> int:
        return len(found.rows)


_CSV = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "Synthetic rows; about nobody.")}


class Models(GenericViewSet[AnalysisRequest]):
    """The fitted model of a released workload, for the project's members."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = ModelOut

    @extend_schema(responses=ModelOut, summary="Read about the fitted model of a workload")
    @action(detail=True, methods=["get"])
    def model(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        return Response(ModelOut(modelled.view(analysis, by=request.user)).data)

    @extend_schema(
        request=ModelAskIn, responses=AnswerOut, summary="Ask the fitted model of a workload, at no charge"
    )
    @action(detail=True, methods=["post"], url_path="model/ask")
    def ask(self, request: Request, pk: str) -> Response:
        given = valid(ModelAskIn, request)
        analysis = queries.detail(pk, request.user)
        return Response(AnswerOut(modelled.ask(analysis, **given, by=request.user)).data)

    @extend_schema(responses=SyntheticOut, summary="Read how near the model's synthetic rows come")
    @action(detail=True, methods=["get"])
    def synthetic(self, request: Request, pk: str) -> Response:
        found = modelled.synthetic(queries.detail(pk, request.user), by=request.user)
        return Response(SyntheticOut(found).data)

    @extend_schema(responses=_CSV, summary="Download synthetic rows of the model as CSV, at no charge")
    @action(detail=True, methods=["get"], url_path="synthetic/csv")
    def synthetic_csv(self, request: Request, pk: str) -> HttpResponse:
        found = modelled.synthetic(queries.detail(pk, request.user), by=request.user)
        text = sheets.to_csv(found.header, found.rows)
        return _file(text.encode(), "text/csv; charset=utf-8", f"synthetic-{pk}.csv")


router = SimpleRouter()
router.register("requests", Models, basename="models")
