"""What is out from a dataset: the released answers, for those who may take one back and for auditors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import queries as catalogue
from domains.catalog.models import Dataset
from domains.requests import outputs
from portal.api.shapes import PersonShort, ProjectShort


class ReleasedOut(serializers.Serializer[Any]):
    """A released answer from a dataset, without the answer."""

    id = serializers.CharField(source="pk")
    request = serializers.CharField(source="analysis_id")
    title = serializers.CharField(source="analysis.title")
    project = ProjectShort(source="analysis.grant.project")
    author = PersonShort(source="analysis.author")
    status = serializers.CharField(help_text="released, or revoked after a disclosure.")
    sha256 = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)
    fetched = serializers.IntegerField(help_text="How often somebody read or downloaded it here.")


class Outputs(GenericViewSet[Dataset]):
    """Released answers of a dataset."""

    queryset = Dataset.objects.none()
    serializer_class = ReleasedOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(
        responses=ReleasedOut(many=True),
        summary="List the answers from a dataset that are out; deciders and auditors",
    )
    @action(detail=True, methods=["get"])
    def released(self, request: Request, slug: str) -> Response:
        rows = outputs.released(catalogue.dataset(slug, request.user), by=request.user)
        return self.get_paginated_response(ReleasedOut(self.paginate_queryset(rows), many=True).data)


router = SimpleRouter()
router.register("datasets", Outputs, basename="outputs")
