"""Answers: as JSON, as CSV, as the exact bytes released, with the receipt; and held ones let out."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.errors import NotFound
from domains.requests import incidents, queries, releases
from domains.requests.models import AnalysisRequest, Release
from domains.requests.releases import Result
from portal import sheets
from portal.api.auth import RecentSignIn
from portal.api.request_shapes import RequestDetailOut
from portal.api.requests import shown
from portal.api.reviews import ReasonIn
from portal.api.shapes import LossOut, PersonShort, valid
from privacy.loss import Loss


class ReleaseOut(serializers.Serializer[Any]):
    """Whether and when the answer was let out, and the hash of its bytes."""

    id = serializers.CharField(source="pk")
    status = serializers.CharField()
    sha256 = serializers.CharField()
    is_repeat = serializers.BooleanField(help_text="Stored bytes returned again, at no cost.")
    released_at = serializers.DateTimeField(allow_null=True)


class AnswerColumnOut(serializers.Serializer[Any]):
    """One column of the answer."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(
        choices=[
            "key",
            "count",
            "units",
            "sum",
            "mean",
            "variance",
            "stddev",
            "quantile",
            "running",
            "formula",
        ]
    )
    plus_minus = serializers.CharField(
        allow_null=True,
        help_text="± at 95 % for every row; null where rows differ. "
        "A quantile's counts percentile points of rank.",
    )


class MarginalOut(serializers.Serializer[Any]):
    """One table of a workload: its name, as in the rows' first column, and the columns that it has."""

    name = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())


class AnswerOut(serializers.Serializer[Any]):
    """Noisy figures as numbers, and beside each how far off it may be."""

    columns = AnswerColumnOut(many=True)
    rows = serializers.SerializerMethodField(help_text="Values in the order of the columns.")
    accuracy = serializers.SerializerMethodField(help_text="± at 95 % of each value; null for keys.")
    notes = serializers.ListField(child=serializers.CharField())
    marginals = serializers.SerializerMethodField(
        help_text="The tables of a workload, whose rows leave other columns empty; none for other questions."
    )

    @extend_schema_field(MarginalOut(many=True))
    def get_marginals(self, answer: Any) -> list[dict[str, Any]]:
        return list(MarginalOut(answer.certificate.get("marginals", []), many=True).data)

    @extend_schema_field(
        serializers.ListField(child=serializers.ListField(child=serializers.JSONField(allow_null=True)))
    )
    def get_rows(self, answer: Any) -> list[list[Any]]:
        across = range(len(answer.columns))
        return [
            [sheets.plain(answer.value(row, column)) for column in across] for row in range(len(answer.rows))
        ]

    @extend_schema_field(
        serializers.ListField(child=serializers.ListField(child=serializers.FloatField(allow_null=True)))
    )
    def get_accuracy(self, answer: Any) -> list[list[float | None]]:
        return [[None if cell is None else float(cell) for cell in row] for row in answer.accuracy]


class ResultOut(serializers.Serializer[Any]):
    """A released answer with what it cost."""

    request = serializers.CharField(source="release.analysis_id")
    release = ReleaseOut()
    cost = serializers.SerializerMethodField(
        help_text="What this answer took from the budgets; a repeat takes nothing."
    )
    answer = AnswerOut()

    @extend_schema_field(LossOut)
    def get_cost(self, result: Result) -> dict[str, Any]:
        paid = Loss.zero() if result.release.is_repeat else result.release.analysis.revision
        return dict(LossOut(paid).data)


class ReceiptOut(serializers.Serializer[Any]):
    """What proves the release offline, to the one-file verifier; see the audit endpoints."""

    kind = serializers.CharField()
    origin = serializers.CharField()
    index = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Length of the log that the proof is for.")
    leaf = serializers.CharField(help_text="The event's exact bytes, in base64.")
    proof = serializers.ListField(child=serializers.CharField(), help_text="Hashes in base64.")
    checkpoint = serializers.CharField(help_text="Signed note that covers the event.")
    public_key = serializers.CharField()


class ReleaseIn(serializers.Serializer[Any]):
    """The hash of the exact bytes that were looked at."""

    sha256 = serializers.RegexField(r"\A[0-9a-f]{64}\Z")


def held(analysis: AnalysisRequest) -> Release:
    """Return the request's newest release."""
    release: Release | None = analysis.releases.first()
    if release is None:
        raise NotFound("There is no result yet.", code="no_result")
    return release


_CSV = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "The answer, each figure followed by its ±.")}
_PARQUET = {
    (200, "application/vnd.apache.parquet"): OpenApiResponse(
        OpenApiTypes.BINARY, "The answer, each figure followed by its ±; notes and certificate in the footer."
    )
}
_BUNDLE = {
    (200, "application/json"): OpenApiResponse(
        OpenApiTypes.OBJECT,
        "Figures, certificate, the exact bytes as `payload`, and the `receipt` that proves them.",
    )
}
_BYTES = {
    (200, "application/octet-stream"): OpenApiResponse(
        OpenApiTypes.BINARY, "The exact bytes that were released."
    )
}


class DownloadOut(serializers.Serializer[Any]):
    """One fetch of an answer's bytes."""

    person = PersonShort()
    form = serializers.CharField(help_text="page, json, csv, parquet, bundle or payload")
    request = serializers.CharField(source="release.analysis_id")
    created_at = serializers.DateTimeField()


class IncidentOut(serializers.Serializer[Any]):
    """Who fetched an answer, and why and by whom it was taken back, where it was."""

    release = ReleaseOut()
    revoked_at = serializers.DateTimeField(source="release.revoked_at", allow_null=True)
    revoked_by = PersonShort(source="release.revoked_by", allow_null=True)
    reason = serializers.CharField(source="release.revoked_why", allow_blank=True)
    downloads = DownloadOut(many=True)


class Results(GenericViewSet[AnalysisRequest]):
    """The answer to a request, for the project's members."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = ResultOut

    @extend_schema(responses=ResultOut, summary="Read the released answer")
    @action(detail=True, methods=["get"])
    def result(self, request: Request, pk: str) -> Response:
        found = releases.fetch(queries.detail(pk, request.user), form="json", by=request.user)
        return Response(ResultOut(found).data)

    @extend_schema(responses=_CSV, summary="Download the released answer as CSV")
    @action(detail=True, methods=["get"], url_path="result/csv")
    def csv(self, request: Request, pk: str) -> HttpResponse:
        found = releases.fetch(queries.detail(pk, request.user), form="csv", by=request.user)
        return _file(
            sheets.of(found.answer).encode(), "text/csv; charset=utf-8", sheets.file_name(found, "csv")
        )

    @extend_schema(responses=_PARQUET, summary="Download the released answer as Parquet")
    @action(detail=True, methods=["get"], url_path="result/parquet")
    def parquet(self, request: Request, pk: str) -> HttpResponse:
        found = releases.fetch(queries.detail(pk, request.user), form="parquet", by=request.user)
        name = sheets.file_name(found, "parquet")
        return _file(sheets.to_parquet(found), "application/vnd.apache.parquet", name)

    @extend_schema(responses=_BUNDLE, summary="Download the answer with its certificate and its receipt")
    @action(detail=True, methods=["get"], url_path="result/bundle")
    def bundle(self, request: Request, pk: str) -> HttpResponse:
        analysis = queries.detail(pk, request.user)
        found = releases.fetch(analysis, form="bundle", by=request.user)
        text = sheets.bundle(found, releases.receipt(analysis, by=request.user))
        return _file(text.encode(), "application/json", sheets.file_name(found, "json"))

    @extend_schema(responses=_BYTES, summary="Download the released bytes, whose hash the receipt proves")
    @action(detail=True, methods=["get"], url_path="result/payload")
    def payload(self, request: Request, pk: str) -> HttpResponse:
        found = releases.fetch(queries.detail(pk, request.user), form="payload", by=request.user)
        return _file(found.payload, "application/octet-stream", f"{found.release.analysis_id}.json")

    @extend_schema(responses=ReceiptOut, summary="Read the receipt of the release")
    @action(detail=True, methods=["get"])
    def receipt(self, request: Request, pk: str) -> Response:
        return Response(releases.receipt(queries.detail(pk, request.user), by=request.user))


class HeldResults(GenericViewSet[AnalysisRequest]):
    """Answers that were held back because a right ended while they ran."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = RequestDetailOut
    permission_classes = [IsAuthenticated, RecentSignIn]

    @extend_schema(request=ReleaseIn, responses=RequestDetailOut, summary="Release a held answer")
    @action(detail=True, methods=["post"], url_path="result/release")
    def release(self, request: Request, pk: str) -> Response:
        given = valid(ReleaseIn, request)
        analysis = queries.detail(pk, request.user)
        releases.release_held(held(analysis), sha256=given["sha256"], by=request.user)
        return shown(analysis, request)

    @extend_schema(request=ReasonIn, responses=RequestDetailOut, summary="Keep a held answer back for good")
    @action(detail=True, methods=["post"], url_path="result/reject")
    def reject(self, request: Request, pk: str) -> Response:
        given = valid(ReasonIn, request)
        analysis = queries.detail(pk, request.user)
        releases.reject(held(analysis), reason=given["reason"], by=request.user)
        return shown(analysis, request)

    @extend_schema(
        request=ReasonIn, responses=IncidentOut, summary="Take a released answer back after a disclosure"
    )
    @action(detail=True, methods=["post"], url_path="result/revoke")
    def revoke_release(self, request: Request, pk: str) -> Response:
        given = valid(ReasonIn, request)
        analysis = queries.detail(pk, request.user)
        incidents.revoke_release(held(analysis), reason=given["reason"], by=request.user)
        return Response(IncidentOut(incidents.incident(analysis, by=request.user)).data)

    @extend_schema(
        responses=IncidentOut,
        summary="Who fetched an answer, and why it was taken back; deciders and auditors",
    )
    @action(detail=True, methods=["get"], permission_classes=[IsAuthenticated])
    def incident(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        return Response(IncidentOut(incidents.incident(analysis, by=request.user)).data)


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


router = SimpleRouter()
router.register("requests", Results, basename="results")
router.register("requests", HeldResults, basename="held-results")
