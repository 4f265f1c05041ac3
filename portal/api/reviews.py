"""Decisions on requests: vote on a revision, take a vote's effect back, revoke an approval."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.projects.models import Vote
from domains.requests import decisions, queries
from domains.requests.models import AnalysisRequest
from portal.api.auth import RecentSignIn
from portal.api.request_shapes import RequestDetailOut
from portal.api.requests import shown
from portal.api.shapes import valid


class ReviewIn(serializers.Serializer[Any]):
    """A vote on the revision that was looked at; anything but an approval says why."""

    revision = serializers.IntegerField(min_value=1)
    vote = serializers.ChoiceField(choices=Vote.values)
    reason = serializers.CharField(max_length=4000, allow_blank=True, default="")


class ReasonIn(serializers.Serializer[Any]):
    """Why; the person concerned reads it."""

    reason = serializers.CharField(max_length=4000)


class Decisions(GenericViewSet[AnalysisRequest]):
    """What those who decide may do to a request."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = RequestDetailOut
    permission_classes = [IsAuthenticated, RecentSignIn]

    @extend_schema(
        request=ReviewIn, responses=RequestDetailOut, summary="Vote: approve, request changes or deny"
    )
    @action(detail=True, methods=["post"])
    def review(self, request: Request, pk: str) -> Response:
        given = valid(ReviewIn, request)
        analysis = queries.detail(pk, request.user)
        decisions.review(analysis, **given, by=request.user, undo_seconds=0)
        return shown(analysis, request)

    @extend_schema(
        request=None, responses=RequestDetailOut, summary="Take back one's own approval in its undo window"
    )
    @action(detail=True, methods=["post"], url_path="undo-approval")
    def undo_approval(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        decisions.undo_approval(analysis, by=request.user)
        return shown(analysis, request)

    @extend_schema(
        request=ReasonIn, responses=RequestDetailOut, summary="Revoke an approval before data is read"
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        given = valid(ReasonIn, request)
        analysis = queries.detail(pk, request.user)
        decisions.revoke(analysis, reason=given["reason"], by=request.user)
        return shown(analysis, request)


router = SimpleRouter()
router.register("requests", Decisions, basename="decisions")
