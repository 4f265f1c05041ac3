"""The tables that a draft version has beside its main one: private ones about the same units, and public look-ups."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, queries
from domains.catalog.models import Dataset, DatasetVersion
from domains.intake import actions as intake
from portal.api.catalog_shapes import VersionOut, version_out
from portal.api.publishing import SchemaIn
from portal.api.shapes import valid

_NAME = "tables/(?P<name>[a-z][a-z0-9_]{0,62})"


class TableIn(serializers.Serializer[Any]):
    """A further table of the draft version."""

    name = serializers.CharField(
        max_length=63, help_text="Small letters, digits and underscores: its name in SQL."
    )
    is_public = serializers.BooleanField(
        default=False, help_text="A look-up table that anybody may read; it is its own mock."
    )


class TableSchemaIn(SchemaIn):
    """A further table's schema: with a unit if it is private, with a key if it is public."""

    key = serializers.CharField(
        max_length=63,
        allow_null=True,
        allow_blank=True,
        default=None,
        help_text="The public table's column whose values are all there and all different.",
    )


class Tables(GenericViewSet[Dataset]):
    """Further tables of the draft version that the caller works on."""

    queryset = Dataset.objects.none()
    serializer_class = VersionOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(request=TableIn, responses={201: VersionOut}, summary="Add a table to the draft version")
    @action(detail=True, methods=["post"])
    def tables(self, request: Request, slug: str) -> Response:
        given = valid(TableIn, request)
        version = actions.open_draft(queries.dataset(slug, request.user), by=request.user)
        actions.add_table(version, **given, by=request.user)
        return _answer(version, status.HTTP_201_CREATED)

    @extend_schema(
        request=TableSchemaIn, responses=VersionOut, summary="Declare the schema of the draft version's table"
    )
    @action(detail=True, methods=["put"], url_path=f"{_NAME}/schema", url_name="table-schema")
    def declare(self, request: Request, slug: str, name: str) -> Response:
        given = valid(TableSchemaIn, request)
        version = queries.draft_of(queries.dataset(slug, request.user), request.user)
        actions.declare_table(queries.table(version, name), **given, by=request.user)
        return _answer(version)

    @extend_schema(
        request=None, responses=VersionOut, summary="Remove a table from the draft version, with its bytes"
    )
    @action(detail=True, methods=["post"], url_path=f"{_NAME}/remove", url_name="table-remove")
    def remove(self, request: Request, slug: str, name: str) -> Response:
        version = queries.draft_of(queries.dataset(slug, request.user), request.user)
        intake.remove_table(queries.table(version, name), by=request.user)
        return _answer(version)


def _answer(version: DatasetVersion, code: int = status.HTTP_200_OK) -> Response:
    """Answer with the version as it is now."""
    return Response(version_out(DatasetVersion.objects.get(pk=version.pk)), status=code)


router = SimpleRouter()
router.register("datasets", Tables, basename="tables")
