"""Webhooks and deliveries. A webhook is added and its secret renewed on pages only: the secret would otherwise pass
through kept answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.delivery import actions, queries
from domains.delivery.lifecycle import DeliveryStatus, WebhookStatus
from domains.delivery.models import Channel, Delivery, Webhook
from domains.notices.kinds import KINDS
from portal.api.auth import RecentSignIn

CHANNELS = [Channel.MAIL.value, Channel.WEBHOOK.value]


class WebhookOut(serializers.Serializer[Any]):
    """An address that is told of events; its secret is never shown again."""

    id = serializers.CharField(source="pk")
    url = serializers.CharField()
    about = serializers.CharField()
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=[kind.key for kind in KINDS]), help_text="Every kind if empty."
    )
    is_of_node = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=WebhookStatus.values)
    status_code = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_is_of_node(self, row: Webhook) -> bool:
        return row.owner_id is None


class DeliveryOut(serializers.Serializer[Any]):
    """One event on its way to one address, with its tries."""

    id = serializers.CharField(source="pk")
    event = serializers.CharField(source="notice.event")
    channel = serializers.ChoiceField(choices=CHANNELS)
    webhook = serializers.CharField(source="webhook_id", allow_null=True)
    status = serializers.ChoiceField(choices=DeliveryStatus.values)
    status_code = serializers.CharField()
    answer_code = serializers.IntegerField(allow_null=True)
    tries = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    tried_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField()
    repeats = serializers.CharField(source="repeats_id", allow_null=True)


def _deciding(detail: bool = True) -> Callable[..., Any]:
    return action(detail=detail, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])


class Webhooks(GenericViewSet[Webhook]):
    """The webhooks that the caller manages."""

    queryset = Webhook.objects.none()
    serializer_class = WebhookOut
    filter_backends = []

    @extend_schema(responses=WebhookOut(many=True), summary="List webhooks, newest first")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.webhooks(request.user))
        return self.get_paginated_response(WebhookOut(rows, many=True).data)

    @extend_schema(responses=WebhookOut, summary="Read one webhook")
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(WebhookOut(queries.webhook(pk, request.user)).data)

    @extend_schema(responses={204: None}, summary="Remove a webhook")
    def destroy(self, request: Request, pk: str) -> Response:
        actions.remove(queries.webhook(pk, request.user), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=WebhookOut, summary="Pause a webhook")
    @_deciding()
    def pause(self, request: Request, pk: str) -> Response:
        row = queries.webhook(pk, request.user)
        actions.pause(row, by=request.user)
        return Response(WebhookOut(row).data)

    @extend_schema(request=None, responses=WebhookOut, summary="Resume a paused webhook")
    @_deciding()
    def resume(self, request: Request, pk: str) -> Response:
        row = queries.webhook(pk, request.user)
        actions.resume(row, by=request.user)
        return Response(WebhookOut(row).data)

    @extend_schema(request=None, responses=DeliveryOut, summary="Send a test to a webhook")
    @_deciding()
    def test(self, request: Request, pk: str) -> Response:
        row = actions.send_test(queries.webhook(pk, request.user), by=request.user)
        return Response(DeliveryOut(row).data)

    @extend_schema(responses=DeliveryOut(many=True), summary="What was sent to a webhook, newest first")
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: str) -> Response:
        rows = queries.deliveries_of(queries.webhook(pk, request.user))
        return self.get_paginated_response(DeliveryOut(self.paginate_queryset(rows), many=True).data)


class Deliveries(GenericViewSet[Delivery]):
    """What left the node or could not: all of it for its operators, and for others that of their own webhooks."""

    queryset = Delivery.objects.none()
    serializer_class = DeliveryOut
    filter_backends = []

    @extend_schema(
        responses=DeliveryOut(many=True),
        summary="List all deliveries, newest first, for the node's operators",
        parameters=[
            OpenApiParameter("status", str, enum=DeliveryStatus.values),
            OpenApiParameter("channel", str, enum=CHANNELS),
        ],
    )
    def list(self, request: Request) -> Response:
        asked = request.query_params
        rows = queries.deliveries(
            request.user, status=asked.get("status", ""), channel=asked.get("channel", "")
        )
        return self.get_paginated_response(DeliveryOut(self.paginate_queryset(rows), many=True).data)

    @extend_schema(responses=DeliveryOut, summary="Read one delivery")
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(DeliveryOut(queries.delivery(pk, request.user)).data)

    @extend_schema(request=None, responses=DeliveryOut, summary="Send an ended delivery once more")
    @_deciding()
    def redeliver(self, request: Request, pk: str) -> Response:
        row = actions.redeliver(queries.delivery(pk, request.user), by=request.user)
        return Response(DeliveryOut(row).data)


router = SimpleRouter()
router.register("webhooks", Webhooks, basename="webhook")
router.register("deliveries", Deliveries, basename="delivery")
