"""The public register over REST, for anybody."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from domains.evidence import register
from portal.api.paging import Cursor
from portal.api.throttles import StrangerThrottle


class ListedIn(serializers.Serializer[Any]):
    """Narrows the register."""

    search = serializers.CharField(required=False, max_length=200, help_text="Words of title or summary.")


class ListedOut(serializers.Serializer[Any]):
    """An approved project, as the public may know it."""

    id = serializers.CharField()
    title = serializers.CharField()
    lay_summary = serializers.CharField()
    area = serializers.CharField()
    state = serializers.CharField(help_text="Active, Suspended or Closed.")
    approved_on = serializers.DateField()
    valid_until = serializers.DateField(allow_null=True)
    datasets = serializers.ListField(child=serializers.CharField())


class OutputOut(serializers.Serializer[Any]):
    """A released answer, without the answer."""

    title = serializers.CharField()
    dataset = serializers.CharField()
    released_on = serializers.DateField()
    epsilon = serializers.CharField()
    delta = serializers.CharField(help_text="The δ at which ε is told.")


class ListedDetailOut(ListedOut):
    """The same with what was released to it."""

    outputs = OutputOut(many=True)


class ByDecision(Cursor):
    """The latest decision first."""

    ordering = ("-decided_at", "-pk")


class _Public(GenericAPIView[Any]):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (StrangerThrottle,)
    pagination_class = ByDecision
    filter_backends = ()


class RegisterView(_Public):
    serializer_class = ListedOut

    @extend_schema(
        parameters=[ListedIn], responses=ListedOut(many=True), summary="List approved projects", auth=[]
    )
    def get(self, request: Request) -> Response:
        given = ListedIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        rows = self.paginate_queryset(register.projects(search=given.validated_data.get("search", "")))
        return self.get_paginated_response([register.told(row) for row in rows or ()])


class ListedView(_Public):
    serializer_class = ListedDetailOut

    @extend_schema(
        responses=ListedDetailOut, summary="Read an approved project and its released outputs", auth=[]
    )
    def get(self, request: Request, pk: str) -> Response:
        row = register.project(pk)
        return Response(ListedDetailOut(register.told(row) | {"outputs": register.outputs(row)}).data)


urlpatterns = [
    path("register/", RegisterView.as_view()),
    path("register/<str:pk>/", ListedView.as_view()),
]
