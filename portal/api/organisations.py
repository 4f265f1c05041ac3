"""The organisations that people of the node belong to."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.people import organisations, queries
from domains.people.models import Organisation
from portal.api.auth import RecentSignIn
from portal.api.people import PersonOut
from portal.api.shapes import valid


class OrganisationOut(serializers.Serializer[Any]):
    """An organisation as the node knows it."""

    slug = serializers.CharField()
    name = serializers.CharField()
    country = serializers.CharField(help_text="Two letters, or empty.")
    ror = serializers.CharField(help_text="The key after ror.org/, or empty.")
    is_active = serializers.BooleanField(help_text="Whether people can still be put into it.")
    people = serializers.IntegerField(source="headcount", help_text="How many open accounts belong to it.")


class OrganisationIn(serializers.Serializer[Any]):
    """What an organisation is called."""

    name = serializers.CharField(max_length=160)
    country = serializers.CharField(max_length=2, allow_blank=True, default="")
    ror = serializers.CharField(max_length=30, allow_blank=True, default="")


class Organisations(GenericViewSet[Organisation]):
    """Organisations, for those who may read or manage people."""

    queryset = Organisation.objects.none()
    serializer_class = OrganisationOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(
        responses=OrganisationOut(many=True),
        summary="List organisations",
        parameters=[OpenApiParameter("search", str)],
    )
    def list(self, request: Request) -> Response:
        found = queries.organisations(request.user, request.query_params.get("search", ""))
        return self.get_paginated_response(OrganisationOut(self.paginate_queryset(found), many=True).data)

    @extend_schema(responses=OrganisationOut, summary="Read an organisation")
    def retrieve(self, request: Request, slug: str) -> Response:
        return Response(OrganisationOut(queries.organisation(slug, request.user)).data)

    def get_permissions(self) -> Any:
        """Adding one asks for a recent sign-in, as its page does."""
        return [IsAuthenticated(), RecentSignIn()] if self.action == "create" else super().get_permissions()

    @extend_schema(request=OrganisationIn, responses={201: OrganisationOut}, summary="Add an organisation")
    def create(self, request: Request) -> Response:
        made = organisations.create_organisation(**valid(OrganisationIn, request), by=request.user)
        return Response(self._read(request, made.slug), status=status.HTTP_201_CREATED)

    @extend_schema(request=OrganisationIn, responses=OrganisationOut, summary="Edit an organisation")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def rename(self, request: Request, slug: str) -> Response:
        found = queries.organisation(slug, request.user)
        organisations.rename_organisation(found, **valid(OrganisationIn, request), by=request.user)
        return Response(self._read(request, slug))

    @extend_schema(request=None, responses=OrganisationOut, summary="Retire an organisation")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def retire(self, request: Request, slug: str) -> Response:
        organisations.retire_organisation(queries.organisation(slug, request.user), by=request.user)
        return Response(self._read(request, slug))

    @extend_schema(responses=PersonOut(many=True), summary="List an organisation's people")
    @action(detail=True, methods=["get"])
    def people(self, request: Request, slug: str) -> Response:
        found = queries.of_organisation(queries.organisation(slug, request.user), request.user)
        return self.get_paginated_response(PersonOut(self.paginate_queryset(found), many=True).data)

    def _read(self, request: Request, slug: str) -> dict[str, Any]:
        return OrganisationOut(queries.organisation(slug, request.user)).data


router = SimpleRouter()
router.register("organisations", Organisations, basename="organisation")
