"""Connections to databases in which data stay, their tests, and binding a draft version to a table."""

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

from domains.catalog import actions, connections, queries
from domains.catalog.connection import Connection, EngineName, TlsMode
from domains.catalog.models import Dataset
from domains.intake import connecting
from domains.intake.lifecycle import CheckStatus
from domains.intake.models import ConnectionCheck
from portal.api.auth import RecentSignIn
from portal.api.shapes import PersonShort, valid

ENGINES = tuple(EngineName.values)
TLS = tuple(TlsMode.values)


class AddressIn(serializers.Serializer[Any]):
    """Where a database is and as which role it is read; a password is never taken here."""

    host = serializers.CharField(max_length=253)
    port = serializers.IntegerField(min_value=1, max_value=65535, default=5432)
    database = serializers.CharField(max_length=63, help_text="With Spark, its catalogue.")
    role = serializers.CharField(max_length=63, help_text="With Spark, the user of the token.")
    tls = serializers.ChoiceField(choices=TLS, default=TlsMode.VERIFY_FULL.value)


class ConnectionIn(AddressIn):
    """A new connection of a research area."""

    area = serializers.SlugField()
    name = serializers.SlugField(max_length=50, help_text="The password's file has this name.")
    engine = serializers.ChoiceField(choices=ENGINES, default=EngineName.POSTGRESQL.value)


class ConnectionOut(serializers.Serializer[Any]):
    """A connection, without its password, which this node's web process cannot read."""

    name = serializers.CharField()
    area = serializers.CharField(source="area.slug")
    engine = serializers.ChoiceField(choices=ENGINES)
    host = serializers.CharField()
    port = serializers.IntegerField()
    database = serializers.CharField()
    role = serializers.CharField()
    tls = serializers.ChoiceField(choices=TLS)
    created_by = PersonShort()
    created_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class ConnectionTestOut(serializers.Serializer[Any]):
    """A test of a connection, or of a table that a draft version is to stay in."""

    id = serializers.CharField(source="pk")
    connection = serializers.CharField(source="connection.name")
    relation = serializers.CharField(allow_blank=True, help_text="schema.table, or empty.")
    status = serializers.ChoiceField(choices=CheckStatus.values)
    status_code = serializers.CharField(allow_blank=True)
    reason = serializers.SerializerMethodField(help_text="Why it was refused, in words.")
    findings = serializers.JSONField(help_text="Names and types from the catalogue; never a row or a size.")
    created_by = PersonShort()
    created_at = serializers.DateTimeField()

    def get_reason(self, check: ConnectionCheck) -> str:
        return connecting.reason(check)


class PlaceIn(serializers.Serializer[Any]):
    """Which table behind which connection the draft version's rows stay in."""

    connection = serializers.SlugField()
    relation = serializers.CharField(max_length=127, help_text="schema.table")


class Connections(GenericViewSet[Connection]):
    """Connections that the caller manages."""

    queryset = Connection.objects.none()
    serializer_class = ConnectionOut
    lookup_field = "name"
    filter_backends = []

    @extend_schema(responses=ConnectionOut(many=True), summary="List connections to databases")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(connections.connections(request.user))
        return self.get_paginated_response(ConnectionOut(rows, many=True).data)

    @extend_schema(responses=ConnectionOut, summary="Read a connection")
    def retrieve(self, request: Request, name: str) -> Response:
        return Response(ConnectionOut(connections.connection(name, request.user)).data)

    @extend_schema(request=ConnectionIn, responses={201: ConnectionOut}, summary="Add a connection")
    def create(self, request: Request) -> Response:
        given = valid(ConnectionIn, request)
        area = queries.area(given.pop("area"), request.user)
        made = actions.add_connection(area=area, **given, by=request.user)
        return Response(ConnectionOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=AddressIn, responses=ConnectionOut, summary="Change where a connection leads")
    @action(detail=True, methods=["put"], permission_classes=[IsAuthenticated, RecentSignIn])
    def address(self, request: Request, name: str) -> Response:
        row = connections.connection(name, request.user)
        actions.edit_connection(row, **valid(AddressIn, request), by=request.user)
        return Response(ConnectionOut(row).data)

    @extend_schema(request=None, responses=ConnectionOut, summary="Stop using a connection for good")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def retire(self, request: Request, name: str) -> Response:
        row = connections.connection(name, request.user)
        actions.retire_connection(row, by=request.user)
        return Response(ConnectionOut(row).data)

    @extend_schema(responses=ConnectionTestOut(many=True), summary="List the newest tests of a connection")
    @action(detail=True, methods=["get"], pagination_class=None)
    def tests(self, request: Request, name: str) -> Response:
        row = connections.connection(name, request.user)
        return Response(ConnectionTestOut(connecting.checks(row, user=request.user)[:50], many=True).data)

    @extend_schema(
        request=None, responses={202: ConnectionTestOut}, summary="Ask a worker to test a connection"
    )
    @tests.mapping.post
    def test(self, request: Request, name: str) -> Response:
        row = connections.connection(name, request.user)
        check = connecting.check_connection(row, by=request.user)
        return Response(ConnectionTestOut(check).data, status=status.HTTP_202_ACCEPTED)


class Placings(GenericViewSet[Dataset]):
    """The draft version of a dataset whose rows stay where they are."""

    queryset = Dataset.objects.none()
    serializer_class = ConnectionTestOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(
        responses=ConnectionTestOut(many=True), summary="List the looks at tables for the draft version"
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def placings(self, request: Request, slug: str) -> Response:
        draft = queries.draft_of(queries.dataset(slug, request.user), request.user)
        return Response(ConnectionTestOut(connecting.placings(draft, user=request.user)[:50], many=True).data)

    @extend_schema(
        request=PlaceIn, responses={202: ConnectionTestOut}, summary="Leave the draft version's rows in place"
    )
    @placings.mapping.post
    def place(self, request: Request, slug: str) -> Response:
        given = valid(PlaceIn, request)
        draft = queries.draft_of(queries.dataset(slug, request.user), request.user)
        check = connecting.place(draft, **given, by=request.user)
        return Response(ConnectionTestOut(check).data, status=status.HTTP_202_ACCEPTED)


router = SimpleRouter()
router.register("connections", Connections, basename="connections")
router.register("datasets", Placings, basename="placings")
