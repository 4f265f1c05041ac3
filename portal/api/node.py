"""The node's own state: whether it is paused, and emergency accesses."""

from __future__ import annotations

from typing import Any

from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.emergency import actions as emergency
from domains.emergency import queries as emergencies
from domains.emergency.models import ActKind, EmergencyAccess
from domains.errors import NotFound
from domains.node import actions, queries
from domains.node.models import Pause
from portal.api.auth import RecentSignIn
from portal.api.datasets import StatedReasonIn
from portal.api.shapes import PersonShort, valid


class PauseOut(serializers.Serializer[Any]):
    """A pause of the node."""

    reason = serializers.CharField()
    paused_at = serializers.DateTimeField(source="created_at")
    paused_by = PersonShort()


class PauseStateOut(serializers.Serializer[Any]):
    """Whether the node runs; while it is paused nothing is approved, raised, let out or run."""

    is_paused = serializers.BooleanField()
    pause = PauseOut(allow_null=True)


class NodePause(GenericViewSet[Pause]):
    """Whether the node is paused."""

    queryset = Pause.objects.none()
    serializer_class = PauseStateOut
    filter_backends = []
    pagination_class = None

    def _state(self) -> Response:
        found = queries.current()
        return Response(PauseStateOut({"is_paused": found is not None, "pause": found}).data)

    @extend_schema(
        responses=forced_singular_serializer(PauseStateOut), summary="Say whether the node is paused, and why"
    )
    def list(self, request: Request) -> Response:
        return self._state()

    @extend_schema(
        request=StatedReasonIn, responses=PauseStateOut, summary="Pause the node, as an administrator"
    )
    @action(detail=False, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def begin(self, request: Request) -> Response:
        actions.pause(**valid(StatedReasonIn, request), by=request.user)
        return self._state()

    @extend_schema(
        request=StatedReasonIn, responses=PauseStateOut, summary="Resume the node, as an administrator"
    )
    @action(detail=False, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def end(self, request: Request) -> Response:
        actions.resume(**valid(StatedReasonIn, request), by=request.user)
        return self._state()


class ActOut(serializers.Serializer[Any]):
    """One thing done under an emergency access."""

    kind = serializers.ChoiceField(choices=ActKind.values)
    subject = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    done_at = serializers.DateTimeField(source="created_at")


class EmergencyOut(serializers.Serializer[Any]):
    """An emergency access and everything done under it."""

    id = serializers.CharField(source="pk")
    reason = serializers.CharField()
    opened_at = serializers.DateTimeField(source="created_at")
    opened_by = PersonShort()
    expires_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    is_open = serializers.BooleanField()
    acts = ActOut(source="acts.all", many=True)


class OpenIn(StatedReasonIn):
    """Why, and for how long."""

    hours = serializers.IntegerField(min_value=1, max_value=emergency.MOST_HOURS, default=1)


class ActIn(serializers.Serializer[Any]):
    """What is stopped: its key in the list of datasets, projects or people."""

    kind = serializers.ChoiceField(choices=ActKind.values)
    subject = serializers.CharField(max_length=26)


_ACTS: dict[str, tuple[Any, Any]] = {
    ActKind.FREEZE_DATASET: (emergencies.datasets, emergency.freeze_dataset),
    ActKind.SUSPEND_PROJECT: (emergencies.projects, emergency.suspend_project),
    ActKind.SIGN_OUT: (emergencies.people, emergency.sign_out),
}


def _shown(pk: str, request: Request, code: int = status.HTTP_200_OK) -> Response:
    return Response(EmergencyOut(emergencies.access(pk, request.user)).data, status=code)


class Emergencies(GenericViewSet[EmergencyAccess]):
    """Emergency accesses, for auditors and administrators."""

    queryset = EmergencyAccess.objects.none()
    serializer_class = EmergencyOut
    filter_backends = []

    @extend_schema(responses=EmergencyOut(many=True), summary="List emergency accesses, the newest first")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(emergencies.accesses(request.user))
        return self.get_paginated_response(EmergencyOut(rows, many=True).data)

    @extend_schema(responses=EmergencyOut, summary="Read an emergency access")
    def retrieve(self, request: Request, pk: str) -> Response:
        return _shown(pk, request)

    @extend_schema(
        request=OpenIn, responses={201: EmergencyOut}, summary="Open an emergency access, as an administrator"
    )
    def create(self, request: Request) -> Response:
        made = emergency.open_access(**valid(OpenIn, request), by=request.user)
        return _shown(made.pk, request, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=EmergencyOut, summary="End one's emergency access")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def close(self, request: Request, pk: str) -> Response:
        emergency.close_access(emergencies.access(pk, request.user), by=request.user)
        return _shown(pk, request)

    @extend_schema(
        request=ActIn, responses=EmergencyOut, summary="Stop one thing under one's emergency access"
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def acts(self, request: Request, pk: str) -> Response:
        found, given = emergencies.access(pk, request.user), valid(ActIn, request)
        offered, act = _ACTS[given["kind"]]
        subject = offered(request.user).filter(pk=given["subject"]).first()
        if subject is None:
            raise NotFound("There is nothing of that key to stop.")
        act(found, subject, by=request.user)
        return _shown(pk, request)


router = SimpleRouter()
router.register("emergencies", Emergencies, basename="emergencies")
router.register("pause", NodePause, basename="pause")
