"""The caller's inbox: what waits for them now, before anything that they should merely know."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from domains.notices import tasks


class TaskOut(serializers.Serializer[Any]):
    """One thing that waits for the caller; `path` is the page where they act on it."""

    kind = serializers.CharField(help_text="A stable code, such as request.decide.")
    what = serializers.CharField()
    title = serializers.CharField()
    about = serializers.CharField()
    path = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    is_own = serializers.BooleanField(help_text="Whether it is about what is the caller's own.")


@extend_schema(
    responses=TaskOut(many=True),
    summary="What waits for the caller, decisions about others' work first",
    parameters=[OpenApiParameter("kind", str, description="Only this kind of work.")],
)
@api_view(["GET"])
def waiting(request: Request) -> Response:
    """Answer with what waits for the caller: at most 25 of each kind, the longest waiting first."""
    found = tasks.tasks(request.user, request.query_params.get("kind", ""))
    return Response(TaskOut(found, many=True).data)


urlpatterns = [path("tasks/", waiting, name="tasks")]
