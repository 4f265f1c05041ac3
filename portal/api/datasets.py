"""The catalogue: what there is, its schema and budget, its mock, and what owners do with a dataset as a whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, queries, storage
from domains.catalog.models import NEEDS, Dataset, DatasetVersion
from domains.catalog.use import TERMS
from domains.errors import NotFound
from domains.people.permissions import Role
from domains.synthetic import queries as synthetic
from domains.synthetic.models import SyntheticMock
from portal.api.auth import RecentSignIn
from portal.api.catalog_shapes import DatasetDetailOut, DatasetOut, UseConditionIn, detail
from portal.api.shapes import PersonShort, valid

MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
GRADES = ("plain", "synthetic")
STEWARDS = (Role.DATASET_OWNER.value, Role.DATASET_REVIEWER.value)
_CSV = {(200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, "Made-up rows of the same schema.")}
_PARQUET = {
    (200, "application/vnd.apache.parquet"): OpenApiResponse(
        OpenApiTypes.BINARY, "Made-up rows of the same schema."
    )
}


class ListIn(serializers.Serializer[Any]):
    """Narrows the catalogue."""

    search = serializers.CharField(required=False, help_text="Words of title, summary or column names.")
    area = serializers.SlugField(required=False, help_text="Short name of a research area.")
    use = serializers.ChoiceField(choices=list(TERMS), required=False, help_text="A condition of use.")


class WordsIn(serializers.Serializer[Any]):
    """The words that the catalogue shows; a field left out stays as it is."""

    title = serializers.CharField(max_length=160, required=False)
    summary = serializers.CharField(max_length=8000, allow_blank=True, required=False)
    provenance = serializers.CharField(max_length=8000, allow_blank=True, required=False)
    licence = serializers.CharField(max_length=80, allow_blank=True, required=False)


class DatasetIn(serializers.Serializer[Any]):
    """A new dataset, a draft until its first version is published."""

    area = serializers.SlugField(help_text="Short name of a research area where the caller is an owner.")
    population = serializers.CharField(max_length=160, help_text="Name or key.")
    title = serializers.CharField(max_length=160)
    slug = serializers.SlugField(max_length=50)
    summary = serializers.CharField(max_length=8000, allow_blank=True, default="")
    provenance = serializers.CharField(max_length=8000, allow_blank=True, default="")
    licence = serializers.CharField(max_length=80, allow_blank=True, default="")
    tick = serializers.DecimalField(max_digits=6, decimal_places=2, default=Decimal("0.25"))


class StatedReasonIn(serializers.Serializer[Any]):
    """Why; it stands in the log."""

    reason = serializers.CharField(max_length=300)


class StewardIn(serializers.Serializer[Any]):
    """Who shares the care, and how."""

    user = serializers.CharField(max_length=254, help_text="Key or e-mail address.")
    role = serializers.ChoiceField(choices=STEWARDS)


class StewardOut(serializers.Serializer[Any]):
    """Who cares for a dataset now."""

    id = serializers.CharField(source="pk")
    user = PersonShort()
    role = serializers.ChoiceField(choices=STEWARDS)


def shown(slug: str, request: Request, code: int = status.HTTP_200_OK) -> Response:
    """Answer with the dataset as it is now."""
    return Response(detail(queries.dataset(slug, request.user), request.user), status=code)


class UseIn(serializers.Serializer[Any]):
    """All conditions of use; they replace those declared before."""

    conditions = UseConditionIn(many=True)


class MockIn(serializers.Serializer[Any]):
    """Which table's mock; the main one's if none is named."""

    table = serializers.CharField(max_length=128, required=False, default="", help_text="Its name in SQL.")


class GradedMockIn(MockIn):
    """Which table's mock, and of which grade."""

    grade = serializers.ChoiceField(
        choices=GRADES,
        default="plain",
        help_text="plain: made of public metadata or by its owner; synthetic: the newest DP synthetic rows.",
    )


def graded(slug: str, kind: str, request: Request) -> FileResponse:
    """Answer with the mock of the grade that is asked for, as csv or parquet."""
    given = GradedMockIn(data=request.query_params)
    given.is_valid(raise_exception=True)
    if given.validated_data["grade"] == "plain":
        return file_of(_mock(slug, request), kind, request)
    if given.validated_data["table"]:
        raise NotFound("Synthetic rows are of the whole dataset, not of one table.", code="no_synthetic_mock")
    return synthetic_file(synthetic.offered(queries.dataset(slug, request.user)), kind)


def synthetic_file(mock: SyntheticMock, kind: str) -> FileResponse:
    """Answer with published synthetic rows, under a name that says what they are."""
    path = synthetic.path_of(mock, kind)
    try:
        return FileResponse(
            path.open("rb"),
            as_attachment=True,
            filename=synthetic.filename(mock, kind),
            content_type=MEDIA[kind],
        )
    except FileNotFoundError:
        raise NotFound("These rows are not published.", code="no_synthetic_mock") from None


def file_of(version: DatasetVersion, kind: str, request: Request) -> FileResponse:
    """Answer with the mock file of a version's table; the private file has no such way out."""
    given = MockIn(data=request.query_params)
    given.is_valid(raise_exception=True)
    source = queries.mock_source(version, given.validated_data["table"])
    is_csv = kind == "csv"
    path = storage.mock_csv_path(source) if is_csv else storage.mock_path(source)
    which = "" if source is version else f"-{given.validated_data['table']}"
    name = f"{version.dataset.slug}-v{version.number}{which}-mock.{kind}"
    try:
        return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type=MEDIA[kind])
    except FileNotFoundError:
        raise NotFound("This version has no mock data yet.", code="no_mock") from None


class Datasets(GenericViewSet[Dataset]):
    """Datasets that the caller may see."""

    queryset = Dataset.objects.none()
    serializer_class = DatasetDetailOut
    lookup_field = "slug"
    filter_backends = []

    def get_permissions(self) -> Any:
        """Saying who decides on a dataset asks for a recent sign-in, as deciding does."""
        kinds: Any = [IsAuthenticated, *([RecentSignIn] if self.action in {"assign", "end_steward"} else [])]
        return [kind() for kind in kinds]

    @extend_schema(parameters=[ListIn], responses=DatasetOut(many=True), summary="List the catalogue")
    def list(self, request: Request) -> Response:
        given = ListIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        rows = self.paginate_queryset(queries.catalogue(request.user, **given.validated_data))
        return self.get_paginated_response(DatasetOut(rows, many=True).data)

    @extend_schema(responses=DatasetDetailOut, summary="Read a dataset: schema, budget, how to ask")
    def retrieve(self, request: Request, slug: str) -> Response:
        return shown(slug, request)

    @extend_schema(request=DatasetIn, responses={201: DatasetDetailOut}, summary="Describe a new dataset")
    def create(self, request: Request) -> Response:
        given = valid(DatasetIn, request)
        area = queries.area(given.pop("area"), request.user)
        population = queries.population(given.pop("population"), request.user)
        dataset = actions.create_dataset(area=area, population=population, **given, by=request.user)
        return shown(dataset.slug, request, status.HTTP_201_CREATED)

    @extend_schema(request=WordsIn, responses=DatasetDetailOut, summary="Change the words of a dataset")
    def partial_update(self, request: Request, slug: str) -> Response:
        dataset = queries.dataset(slug, request.user)
        written = {name: getattr(dataset, name) for name in ("title", "summary", "provenance", "licence")}
        actions.describe(dataset, **(written | valid(WordsIn, request)), by=request.user)
        return shown(slug, request)

    @extend_schema(
        request=UseIn, responses=DatasetDetailOut, summary="Declare for what a dataset may be used"
    )
    @action(detail=True, methods=["put"], url_path="use-conditions")
    def use_conditions(self, request: Request, slug: str) -> Response:
        given = [(row["code"], row["detail"]) for row in valid(UseIn, request)["conditions"]]
        actions.declare_use(queries.dataset(slug, request.user), given, by=request.user)
        return shown(slug, request)

    @extend_schema(parameters=[GradedMockIn], responses=_CSV, summary="Download the mock data as CSV")
    @action(detail=True, methods=["get"])
    def mock(self, request: Request, slug: str) -> FileResponse:
        return graded(slug, "csv", request)

    @extend_schema(parameters=[GradedMockIn], responses=_PARQUET, summary="Download the mock data as Parquet")
    @action(detail=True, methods=["get"], url_path="mock/parquet")
    def mock_parquet(self, request: Request, slug: str) -> FileResponse:
        return graded(slug, "parquet", request)

    @extend_schema(request=StatedReasonIn, responses=DatasetDetailOut, summary="Stop a dataset at once")
    @action(detail=True, methods=["post"])
    def freeze(self, request: Request, slug: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.freeze(queries.dataset(slug, request.user), **given, by=request.user)
        return shown(slug, request)

    @extend_schema(
        request=StatedReasonIn, responses=DatasetDetailOut, summary="Let a frozen dataset be asked again"
    )
    @action(detail=True, methods=["post"])
    def unfreeze(self, request: Request, slug: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.unfreeze(queries.dataset(slug, request.user), **given, by=request.user)
        return shown(slug, request)

    @extend_schema(
        request=StatedReasonIn, responses=DatasetDetailOut, summary="Take a dataset out of use for good"
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, slug: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.withdraw(queries.dataset(slug, request.user), **given, by=request.user)
        return shown(slug, request)

    @extend_schema(responses=StewardOut(many=True), summary="List who cares for a dataset")
    @action(detail=True, methods=["get"])
    def stewards(self, request: Request, slug: str) -> Response:
        return _stewards(slug, request)

    @extend_schema(
        request=StewardIn, responses={201: StewardOut(many=True)}, summary="Share the care of a dataset"
    )
    @stewards.mapping.post
    def assign(self, request: Request, slug: str) -> Response:
        given = valid(StewardIn, request)
        dataset = queries.dataset(slug, request.user)
        (user,) = queries.named([given["user"]], NEEDS[Role(given["role"])])
        actions.assign(dataset, user, role=Role(given["role"]), by=request.user)
        return _stewards(slug, request, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=StewardOut(many=True), summary="End a person's role on a dataset")
    @action(detail=True, methods=["post"], url_path="stewards/(?P<key>[0-9A-Z]+)/end")
    def end_steward(self, request: Request, slug: str, key: str) -> Response:
        dataset = queries.dataset(slug, request.user)
        actions.end_steward(queries.steward(dataset, key), by=request.user)
        return _stewards(slug, request)


def _mock(slug: str, request: Request) -> DatasetVersion:
    version = queries.mock_version(queries.dataset(slug, request.user))
    if version is None:
        raise NotFound("This dataset has no mock data that is out.", code="no_mock")
    return version


def _stewards(slug: str, request: Request, code: int = status.HTTP_200_OK) -> Response:
    rows = queries.stewards(queries.dataset(slug, request.user))
    return Response(StewardOut(rows, many=True).data, status=code)


router = SimpleRouter()
router.register("datasets", Datasets, basename="datasets")
