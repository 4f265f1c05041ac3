"""The making of a dataset: declare the schema, upload a file, make it conform, publish it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, queries
from domains.catalog.models import BoundSource, Dataset
from domains.intake import actions as intake
from domains.intake import queries as uploads
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import Upload, UploadFormat, UploadPurpose
from portal.api.auth import RecentSignIn
from portal.api.catalog_shapes import KINDS, DatasetDetailOut, VersionOut, VersionShort, version_out
from portal.api.datasets import MockIn, StatedReasonIn, file_of, shown
from portal.api.shapes import valid
from privacy.schema import MAX_CODES, MAX_COLUMNS

_NUMBER = "versions/(?P<number>[0-9]{1,9})"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOCK = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, "Made-up rows of the same schema.")}


@extend_schema_field(OpenApiTypes.STR)
class BoundIn(serializers.Field[Any, Any, Any, Any]):
    """A bound: a decimal number, or for a date column a day written YYYY-MM-DD."""

    number = serializers.DecimalField(max_digits=24, decimal_places=6)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and _DAY.fullmatch(data):
            return data
        return self.number.run_validation(data)


class ColumnIn(serializers.Serializer[Any]):
    """A column as its owner declares it, in public terms."""

    name = serializers.CharField(max_length=63)
    kind = serializers.ChoiceField(choices=KINDS)
    description = serializers.CharField(max_length=200, allow_blank=True, default="")
    lower = BoundIn(allow_null=True, default=None, help_text="A number; for a date a day, YYYY-MM-DD.")
    upper = BoundIn(allow_null=True, default=None)
    step = serializers.DecimalField(max_digits=12, decimal_places=6, default=1)
    codes = serializers.ListField(
        child=serializers.JSONField(),
        max_length=MAX_CODES,
        default=list,
        help_text="All texts or all whole numbers.",
    )
    missing = serializers.ListField(
        child=serializers.CharField(max_length=200, allow_blank=True, trim_whitespace=False),
        max_length=100,
        default=list,
    )
    nullable = serializers.BooleanField(default=True)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the stubs know another `source`
        choices=BoundSource.choices,
        required=False,
        help_text="Where bounds and codes come from; needed with either. Never the private data.",
    )


class SchemaIn(serializers.Serializer[Any]):
    """A version's schema, privacy unit and contribution bound."""

    columns = ColumnIn(many=True, allow_empty=False, max_length=MAX_COLUMNS)  # type: ignore[call-arg]  # of the list
    unit_column = serializers.CharField(
        max_length=63, allow_null=True, allow_blank=True, default=None, help_text="None: one row is one unit."
    )
    max_groups = serializers.IntegerField(min_value=1, max_value=10**6, default=1)
    max_rows = serializers.IntegerField(min_value=1, max_value=10**6, default=1)
    max_units = serializers.IntegerField(min_value=1, max_value=10**12)
    declared_rows = serializers.IntegerField(min_value=1, max_value=10**12, allow_null=True, default=None)


class UploadIn(serializers.Serializer[Any]):
    """A file for the draft version; CSV may come as .csv.gz."""

    file = serializers.FileField(max_length=160)
    format = serializers.ChoiceField(
        choices=UploadFormat.values, required=False, help_text="Else by its name."
    )
    purpose = serializers.ChoiceField(choices=UploadPurpose.values, default=UploadPurpose.DATA)
    table = serializers.CharField(
        max_length=63,
        allow_blank=True,
        default="",
        help_text="A further table's name; empty for the main one.",
    )


class UploadOut(serializers.Serializer[Any]):
    """A file on its way; findings are for the dataset's owners only."""

    id = serializers.CharField(source="pk")
    dataset = serializers.CharField(source="version.dataset.slug")
    version = serializers.IntegerField(source="version.number")
    purpose = serializers.ChoiceField(choices=UploadPurpose.values)
    table = serializers.CharField(allow_blank=True, help_text="Empty for the main table.")
    format = serializers.ChoiceField(choices=UploadFormat.values)
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    status = serializers.ChoiceField(choices=UploadStatus.values)
    status_code = serializers.CharField(allow_blank=True)
    reason = serializers.SerializerMethodField(help_text="Why it was not taken, in words.")
    findings = serializers.JSONField(help_text="Names and types found; never bounds or codes.")
    created_at = serializers.DateTimeField()

    def get_reason(self, upload: Upload) -> str:
        return uploads.reason(upload)


class PublishIn(serializers.Serializer[Any]):
    """The owner's word, and the caps that a first publication sets."""

    attested = serializers.BooleanField(help_text="Bounds, codes and sizes come from public knowledge alone.")
    dataset_epsilon = serializers.DecimalField(max_digits=9, decimal_places=6, allow_null=True, default=None)
    population_epsilon = serializers.DecimalField(
        max_digits=9, decimal_places=6, allow_null=True, default=None
    )
    dataset_pure_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(0),
        default=Decimal(0),
        help_text="Pure ε beside it, for answers with Laplace noise; 0 means none.",
    )
    population_pure_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(0),
        default=Decimal(0),
        help_text="The same for all datasets about these people.",
    )


class Versions(GenericViewSet[Dataset]):
    """Versions of a dataset, and the draft that its owners work on."""

    queryset = Dataset.objects.none()
    serializer_class = VersionOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(responses=VersionShort(many=True), summary="List the versions of a dataset")
    @action(detail=True, methods=["get"], pagination_class=None)
    def versions(self, request: Request, slug: str) -> Response:
        rows = queries.versions(queries.dataset(slug, request.user), request.user)
        return Response(VersionShort(rows, many=True).data)

    @extend_schema(request=None, responses={201: VersionOut}, summary="Start the next draft version")
    @versions.mapping.post
    def start(self, request: Request, slug: str) -> Response:
        version = actions.new_version(queries.dataset(slug, request.user), by=request.user)
        return Response(version_out(version), status=status.HTTP_201_CREATED)

    @extend_schema(responses=VersionOut, summary="Read a version with its declared schema")
    @action(detail=True, methods=["get"], url_path=_NUMBER)
    def version(self, request: Request, slug: str, number: str) -> Response:
        return Response(version_out(queries.version(slug, int(number), request.user)))

    @extend_schema(
        request=StatedReasonIn, responses=VersionOut, summary="Retire a version that a newer one replaces"
    )
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/retire")
    def retire(self, request: Request, slug: str, number: str) -> Response:
        given = valid(StatedReasonIn, request)
        version = queries.version(slug, int(number), request.user)
        actions.retire(version, **given, by=request.user)
        return Response(version_out(version))

    @extend_schema(
        request=StatedReasonIn,
        responses=VersionOut,
        summary="Have a retired version's data erased for good, a day from now",
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_NUMBER}/erase",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def erase(self, request: Request, slug: str, number: str) -> Response:
        given = valid(StatedReasonIn, request)
        version = queries.version(slug, int(number), request.user)
        actions.erase(version, **given, by=request.user)
        return Response(version_out(version))

    @extend_schema(request=None, responses=VersionOut, summary="Keep data that was about to be erased")
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/keep")
    def keep(self, request: Request, slug: str, number: str) -> Response:
        version = queries.version(slug, int(number), request.user)
        actions.keep(version, by=request.user)
        return Response(version_out(version))

    @extend_schema(
        parameters=[MockIn],
        responses=_MOCK,
        summary="Download a version's mock data, as its owner or second person",
    )
    @action(detail=True, methods=["get"], url_path=f"{_NUMBER}/mock")
    def version_mock(self, request: Request, slug: str, number: str) -> Any:
        return file_of(queries.mock_of(slug, int(number), request.user), "csv", request)

    @extend_schema(
        request=None, responses=VersionOut, summary="Let an uploaded mock out, as the second person"
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_NUMBER}/approve-mock",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def approve_mock(self, request: Request, slug: str, number: str) -> Response:
        version = queries.version(slug, int(number), request.user)
        actions.approve_mock(version, by=request.user)
        return Response(version_out(version))

    @extend_schema(request=SchemaIn, responses=VersionOut, summary="Declare the draft version's schema")
    @action(detail=True, methods=["put"], url_path="schema")
    def declare(self, request: Request, slug: str) -> Response:
        given = valid(SchemaIn, request)
        version = actions.open_draft(queries.dataset(slug, request.user), by=request.user)
        actions.declare(version, **given, by=request.user)
        return Response(version_out(version))

    @extend_schema(
        request=PublishIn,
        responses=DatasetDetailOut,
        summary="Publish the draft version; it never changes again",
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def publish(self, request: Request, slug: str) -> Response:
        given = valid(PublishIn, request)
        draft = queries.draft_of(queries.dataset(slug, request.user), request.user)
        intake.publish(draft, **given, by=request.user)
        return shown(slug, request)

    @extend_schema(responses=UploadOut(many=True), summary="List the draft version's uploads")
    @action(detail=True, methods=["get"], pagination_class=None)
    def uploads(self, request: Request, slug: str) -> Response:
        draft = queries.draft_of(queries.dataset(slug, request.user), request.user)
        return Response(UploadOut(uploads.uploads(draft, user=request.user), many=True).data)

    @extend_schema(
        request={"multipart/form-data": UploadIn},
        responses={201: UploadOut},
        summary="Send a file for the draft version",
    )
    @uploads.mapping.post
    def upload(self, request: Request, slug: str) -> Response:
        given = valid(UploadIn, request)
        file = given.pop("file")
        given.setdefault("format", _format_of(file.name))
        draft = actions.open_draft(queries.dataset(slug, request.user), by=request.user)
        upload = intake.receive(draft, file, filename=file.name, **given, by=request.user)
        return Response(UploadOut(upload).data, status=status.HTTP_201_CREATED)

    def get_parsers(self) -> list[Any]:
        """Files come as forms, everything else as JSON."""
        if self.action_map.get(self.request.method.lower() if self.request else "") == "upload":
            return [MultiPartParser()]
        return super().get_parsers()


def _format_of(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    return UploadFormat.PARQUET.value if ".parquet" in suffixes else UploadFormat.CSV.value


class Uploads(GenericViewSet[Upload]):
    """One upload of the caller's datasets."""

    queryset = Upload.objects.none()
    serializer_class = UploadOut

    @extend_schema(responses=UploadOut, summary="Read how far an upload is")
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(UploadOut(uploads.upload(pk, user=request.user)).data)

    @extend_schema(
        request=None, responses={202: UploadOut}, summary="Make the version's file under its schema"
    )
    @action(detail=True, methods=["post"])
    def conform(self, request: Request, pk: str) -> Response:
        upload = uploads.upload(pk, user=request.user)
        intake.conform(upload, by=request.user)
        return Response(UploadOut(upload).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses=UploadOut, summary="Delete an upload's bytes")
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        upload = uploads.upload(pk, user=request.user)
        intake.discard(upload, by=request.user)
        return Response(UploadOut(upload).data)


router = SimpleRouter()
router.register("datasets", Versions, basename="versions")
router.register("uploads", Uploads, basename="uploads")
