"""The caller's inbox: what waits for them now, their notices, and what they are told where and when."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action, api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.delivery import preferences
from domains.delivery.models import Channel, Mode
from domains.delivery.preferences import Settings
from domains.notices import actions, queries, tasks
from domains.notices.kinds import KINDS
from domains.notices.models import Notice
from portal.api.shapes import valid

KIND_KEYS = [kind.key for kind in KINDS]
CHANNELS = [Channel.INBOX.value, Channel.MAIL.value]


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


class NoticeOut(serializers.Serializer[Any]):
    """Something the caller should know; `path` is the page where they can act on it."""

    id = serializers.CharField(source="pk")
    event = serializers.CharField()
    kind = serializers.ChoiceField(choices=KIND_KEYS)
    text = serializers.CharField()
    path = serializers.CharField()
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticesRead(serializers.Serializer[Any]):
    """Which notices were read; all when none is named."""

    notices = serializers.ListField(
        child=serializers.CharField(max_length=26), max_length=200, required=False
    )


class NoticesUnread(serializers.Serializer[Any]):
    """Which notices to come back to."""

    notices = serializers.ListField(child=serializers.CharField(max_length=26), max_length=200)


class ReadCount(serializers.Serializer[Any]):
    """How many notices changed."""

    read = serializers.IntegerField()


class UnreadCount(serializers.Serializer[Any]):
    """How many notices changed."""

    unread = serializers.IntegerField()


class Notices(GenericViewSet[Notice]):
    """The caller's notices."""

    queryset = Notice.objects.none()
    serializer_class = NoticeOut
    filter_backends = []

    @extend_schema(
        responses=NoticeOut(many=True),
        summary="List notices, newest first",
        parameters=[
            OpenApiParameter("unread", bool, description="Only those not read yet."),
            OpenApiParameter("kind", str, enum=KIND_KEYS),
            OpenApiParameter("search", str, description="Words of the text."),
        ],
    )
    def list(self, request: Request) -> Response:
        asked = request.query_params
        rows = queries.found(
            request.user,
            search=asked.get("search", "")[:100],
            kind=asked.get("kind", ""),
            is_unread=asked.get("unread", "").lower() in {"1", "true"},
        )
        return self.get_paginated_response(NoticeOut(self.paginate_queryset(rows), many=True).data)

    @extend_schema(request=NoticesRead, responses=ReadCount, summary="Mark notices as read")
    @action(detail=False, methods=["post"])
    def read(self, request: Request) -> Response:
        changed = actions.mark_read(valid(NoticesRead, request).get("notices"), by=request.user)
        return Response(ReadCount({"read": changed}).data)

    @extend_schema(request=NoticesUnread, responses=UnreadCount, summary="Mark notices as not read")
    @action(detail=False, methods=["post"])
    def unread(self, request: Request) -> Response:
        changed = actions.mark_unread(valid(NoticesUnread, request)["notices"], by=request.user)
        return Response(UnreadCount({"unread": changed}).data)


class ChoiceShape(serializers.Serializer[Any]):
    """When one kind of notice is told on one channel."""

    kind = serializers.ChoiceField(choices=KIND_KEYS)
    channel = serializers.ChoiceField(choices=CHANNELS)
    mode = serializers.ChoiceField(choices=Mode.values)


class SettingsShape(serializers.Serializer[Any]):
    """What the caller is told, where and when; choices that are not sent stay as they are."""

    timezone = serializers.CharField(max_length=64)
    hour = serializers.IntegerField(min_value=0, max_value=23)
    weekday = serializers.IntegerField(min_value=0, max_value=6, help_text="0 is Monday.")
    choices = ChoiceShape(many=True)


def _shown(now: Settings) -> dict[str, Any]:
    choices = [
        {"kind": kind, "channel": channel, "mode": mode} for (kind, channel), mode in now.modes.items()
    ]
    times = {"timezone": now.timezone, "hour": now.hour, "weekday": now.weekday}
    return dict(SettingsShape(times | {"choices": choices}).data)


@extend_schema(methods=["GET"], responses=SettingsShape, summary="What the caller is told, where and when")
@extend_schema(
    methods=["PUT"], request=SettingsShape, responses=SettingsShape, summary="Choose what one is told"
)
@api_view(["GET", "PUT"])
def settings(request: Request) -> Response:
    """Answer with the caller's notice settings, after changing them if asked to."""
    if request.method == "GET":
        return Response(_shown(preferences.of(request.user)))
    given = valid(SettingsShape, request)
    chosen = {(one["kind"], one["channel"]): one["mode"] for one in given.pop("choices")}
    return Response(_shown(preferences.choose(chosen, **given, by=request.user)))


router = SimpleRouter()
router.register("notices", Notices, basename="notice")
urlpatterns = [path("tasks/", waiting, name="tasks"), path("notice-settings/", settings, name="settings")]
