"""Larger budgets and higher caps: what was asked for, and the two people's answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.ledger import caps, limits, topups
from domains.ledger.lifecycle import ProposalStatus, TopUpStatus
from portal.api.auth import RecentSignIn
from portal.api.datasets import StatedReasonIn
from portal.api.shapes import DatasetShort, PersonShort, ProjectShort, valid


class ProposeIn(serializers.Serializer[Any]):
    """A whole new limit, not what is added to the present one."""

    epsilon = serializers.DecimalField(max_digits=9, decimal_places=6, min_value=Decimal("0.000001"))
    pure_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(0),
        allow_null=True,
        default=None,
        help_text="For answers with Laplace noise; without it, that limit stays as it is.",
    )


class LimitIn(ProposeIn):
    """A new limit, and why."""

    reason = serializers.CharField(max_length=300)


class TopUpOut(serializers.Serializer[Any]):
    """A larger budget that was asked for; each ε is the grant's whole new limit."""

    id = serializers.CharField(source="pk")
    grant = serializers.CharField(source="grant_id")
    project = ProjectShort(source="grant.project")
    dataset = DatasetShort(source="grant.dataset")
    status = serializers.ChoiceField(choices=TopUpStatus.values)
    asked_epsilon = serializers.DecimalField(max_digits=10, decimal_places=6)
    epsilon = serializers.DecimalField(max_digits=10, decimal_places=6)
    pure_epsilon = serializers.DecimalField(max_digits=10, decimal_places=6, allow_null=True)
    reason = serializers.CharField()
    asked_by = PersonShort()
    asked_at = serializers.DateTimeField(source="created_at")
    proposed_by = PersonShort(allow_null=True)
    proposed_at = serializers.DateTimeField(allow_null=True)
    decided_by = PersonShort(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(allow_blank=True, help_text="Why it was declined.")


class TopUpFilter(django_filters.FilterSet):
    """Narrows the list of larger budgets."""

    grant = django_filters.CharFilter(field_name="grant_id", help_text="Key of the grant.")
    status = django_filters.MultipleChoiceFilter(choices=[(value, value) for value in TopUpStatus.values])


_DECIDING = [IsAuthenticated, RecentSignIn]


class TopUps(GenericViewSet[Any]):
    """Larger budgets of the grants that the caller may read."""

    queryset = topups.none()
    serializer_class = TopUpOut
    filterset_class = TopUpFilter
    lookup_url_kwarg = "topup"

    @extend_schema(responses=TopUpOut(many=True), summary="List larger budgets asked for", filters=True)
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(topups.visible_to(request.user)))
        return self.get_paginated_response(TopUpOut(rows, many=True).data)

    @extend_schema(responses=TopUpOut, summary="Read a larger budget that was asked for")
    def retrieve(self, request: Request, topup: str) -> Response:
        return _shown(topup, request)

    @extend_schema(
        request=ProposeIn, responses=TopUpOut, summary="Propose the new limit, as an administrator"
    )
    @action(detail=True, methods=["post"], permission_classes=_DECIDING)
    def propose(self, request: Request, topup: str) -> Response:
        given = valid(ProposeIn, request)
        topups.propose(topups.one(topup, request.user), **given, by=request.user)
        return _shown(topup, request)

    @extend_schema(request=None, responses=TopUpOut, summary="Confirm a larger budget as the second person")
    @action(detail=True, methods=["post"], permission_classes=_DECIDING)
    def confirm(self, request: Request, topup: str) -> Response:
        topups.confirm(topups.one(topup, request.user), by=request.user)
        return _shown(topup, request)

    @extend_schema(request=StatedReasonIn, responses=TopUpOut, summary="Decline a larger budget")
    @action(detail=True, methods=["post"], permission_classes=_DECIDING)
    def decline(self, request: Request, topup: str) -> Response:
        given = valid(StatedReasonIn, request)
        topups.decline(topups.one(topup, request.user), **given, by=request.user)
        return _shown(topup, request)

    @extend_schema(request=None, responses=TopUpOut, summary="Take back what one asked for or proposed")
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, topup: str) -> Response:
        topups.withdraw(topups.one(topup, request.user), by=request.user)
        return _shown(topup, request)


def _shown(key: str, request: Request) -> Response:
    return Response(TopUpOut(topups.one(key, request.user)).data)


class CapOut(serializers.Serializer[Any]):
    """A higher cap of a dataset or population that one person proposed."""

    id = serializers.CharField(source="pk")
    account = serializers.CharField(source="account_id")
    scope = serializers.CharField(source="account.scope")
    label = serializers.CharField(source="account.label")  # type: ignore[assignment]  # not its own label
    status = serializers.ChoiceField(choices=ProposalStatus.values)
    epsilon = serializers.DecimalField(max_digits=10, decimal_places=6)
    reason = serializers.CharField()
    proposed_by = PersonShort()
    proposed_at = serializers.DateTimeField(source="created_at")
    decided_by = PersonShort(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class Caps(GenericViewSet[Any]):
    """Proposals of higher caps that the caller may read or decide."""

    queryset = caps.none()
    serializer_class = CapOut
    filter_backends = []
    lookup_url_kwarg = "cap"

    @extend_schema(responses=CapOut(many=True), summary="List proposals of higher caps")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(caps.visible_to(request.user))
        return self.get_paginated_response(CapOut(rows, many=True).data)

    @extend_schema(responses=CapOut, summary="Read a proposal of a higher cap")
    def retrieve(self, request: Request, cap: str) -> Response:
        return Response(CapOut(caps.one(cap, request.user)).data)

    @extend_schema(request=None, responses=CapOut, summary="Confirm a higher cap as the second person")
    @action(detail=True, methods=["post"], permission_classes=_DECIDING)
    def confirm(self, request: Request, cap: str) -> Response:
        limits.confirm_raise(caps.one(cap, request.user).pk, by=request.user)
        return self.retrieve(request, cap)

    @extend_schema(request=None, responses=CapOut, summary="Turn a higher cap down, or take one's own back")
    @action(detail=True, methods=["post"])
    def end(self, request: Request, cap: str) -> Response:
        limits.end_proposal(caps.one(cap, request.user).pk, by=request.user)
        return self.retrieve(request, cap)


router = SimpleRouter()
router.register("budgets/topups", TopUps, basename="topups")
router.register("budgets/caps", Caps, basename="caps")
