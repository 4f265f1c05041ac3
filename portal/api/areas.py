"""Research areas, who sits in them, and the populations that their datasets share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, queries
from domains.catalog.models import NEEDS, Population, ResearchArea
from domains.errors import NotFound
from domains.people.permissions import Role
from portal.api.shapes import PersonShort, valid

SEATS = (Role.AREA_OWNER.value, Role.AREA_REVIEWER.value)


class SeatOut(serializers.Serializer[Any]):
    """Who holds which role in an area now."""

    id = serializers.CharField(source="pk")
    user = PersonShort()
    role = serializers.ChoiceField(choices=SEATS)


class AreaOut(serializers.Serializer[Any]):
    """A discipline with its own owners and reviewers."""

    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    seats = serializers.SerializerMethodField()

    @extend_schema_field(SeatOut(many=True))
    def get_seats(self, area: ResearchArea) -> list[dict[str, Any]]:
        return list(SeatOut([seat for seat in area.seats.all() if seat.ended_at is None], many=True).data)


class AreaIn(serializers.Serializer[Any]):
    """A new research area."""

    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=50)
    description = serializers.CharField(max_length=4000, allow_blank=True, default="")


class SeatIn(serializers.Serializer[Any]):
    """Who gets which role."""

    user = serializers.CharField(max_length=254, help_text="Key or e-mail address.")
    role = serializers.ChoiceField(choices=SEATS)


class PopulationOut(serializers.Serializer[Any]):
    """The people whose privacy budget datasets share."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    unit_label = serializers.CharField(help_text="What one privacy unit is.")
    delta = serializers.CharField(help_text="δ of every ε under it; fixed for good.")


class PopulationIn(serializers.Serializer[Any]):
    """A new population, declared by an owner of the research area."""

    area = serializers.SlugField()
    name = serializers.CharField(max_length=160)
    unit_label = serializers.CharField(max_length=80)
    delta = serializers.DecimalField(max_digits=20, decimal_places=18, default=Decimal("0.000001"))


class Areas(GenericViewSet[ResearchArea]):
    """Research areas."""

    queryset = ResearchArea.objects.none()
    serializer_class = AreaOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(responses=AreaOut(many=True), summary="List research areas")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.areas(request.user))
        return self.get_paginated_response(AreaOut(rows, many=True).data)

    @extend_schema(responses=AreaOut, summary="Read a research area")
    def retrieve(self, request: Request, slug: str) -> Response:
        return Response(AreaOut(queries.area(slug, request.user)).data)

    @extend_schema(request=AreaIn, responses={201: AreaOut}, summary="Open a research area")
    def create(self, request: Request) -> Response:
        area = actions.create_area(**valid(AreaIn, request), by=request.user)
        return Response(AreaOut(area).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SeatIn, responses={201: AreaOut}, summary="Give a person a seat")
    @action(detail=True, methods=["post"])
    def seats(self, request: Request, slug: str) -> Response:
        given = valid(SeatIn, request)
        area = queries.area(slug, request.user)
        (user,) = queries.named([given["user"]], NEEDS[Role(given["role"])])
        actions.seat(area, user, role=Role(given["role"]), by=request.user)
        return Response(AreaOut(queries.area(slug, request.user)).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=AreaOut, summary="End a seat")
    @action(detail=True, methods=["post"], url_path="seats/(?P<key>[0-9A-Z]+)/end")
    def end_seat(self, request: Request, slug: str, key: str) -> Response:
        area = queries.area(slug, request.user)
        seat = next((row for row in area.seats.all() if row.pk == key), None)
        if seat is None:
            raise NotFound("There is no such seat.")
        actions.end_seat(seat, by=request.user)
        return Response(AreaOut(queries.area(slug, request.user)).data)


class Populations(GenericViewSet[Population]):
    """Populations."""

    queryset = Population.objects.none()
    serializer_class = PopulationOut
    filter_backends = []

    @extend_schema(responses=PopulationOut(many=True), summary="List populations")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.populations(request.user))
        return self.get_paginated_response(PopulationOut(rows, many=True).data)

    @extend_schema(request=PopulationIn, responses={201: PopulationOut}, summary="Declare a population")
    def create(self, request: Request) -> Response:
        given = valid(PopulationIn, request)
        area = queries.area(given.pop("area"), request.user)
        population = actions.create_population(area=area, **given, by=request.user)
        return Response(PopulationOut(population).data, status=status.HTTP_201_CREATED)


router = SimpleRouter()
router.register("areas", Areas, basename="areas")
router.register("populations", Populations, basename="populations")
