"""A dataset's rules for automation: one person proposes, another activates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, queries
from domains.catalog.models import AccessPolicy, Dataset
from portal.api.auth import RecentSignIn
from portal.api.catalog_shapes import PolicyOut
from portal.api.shapes import valid

_NUMBER = "policies/(?P<number>[0-9]{1,9})"


def _epsilon(**words: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=9, decimal_places=6, min_value=Decimal(0), **words)


class PolicyIn(serializers.Serializer[Any]):
    """Proposed rules; zero means that people decide everything."""

    auto_epsilon = _epsilon(help_text="One request up to this ε is approved without a person.")
    auto_epsilon_per_month = _epsilon(
        default=Decimal(0), help_text="And a grant's requests of a month up to this."
    )
    max_epsilon = _epsilon(allow_null=True, default=None, help_text="A request above this ε is refused.")
    allows_unknown_keys = serializers.BooleanField(default=True)


class Policies(GenericViewSet[Dataset]):
    """Policies of a dataset."""

    queryset = Dataset.objects.none()
    serializer_class = PolicyOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(responses=PolicyOut(many=True), summary="List a dataset's policies, newest first")
    @action(detail=True, methods=["get"], pagination_class=None)
    def policies(self, request: Request, slug: str) -> Response:
        rows = queries.policies(queries.dataset(slug, request.user), request.user)
        return Response(PolicyOut(rows, many=True).data)

    @extend_schema(request=PolicyIn, responses={201: PolicyOut}, summary="Propose a policy")
    @policies.mapping.post
    def propose(self, request: Request, slug: str) -> Response:
        given = valid(PolicyIn, request)
        policy = actions.propose_policy(queries.dataset(slug, request.user), **given, by=request.user)
        return Response(PolicyOut(policy).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=PolicyOut, summary="Activate a policy that somebody else proposed")
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_NUMBER}/activate",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def activate(self, request: Request, slug: str, number: str) -> Response:
        policy = _policy(slug, number, request)
        actions.activate_policy(policy, by=request.user)
        return Response(PolicyOut(policy).data)

    @extend_schema(request=None, responses=PolicyOut, summary="End a policy; people decide everything again")
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/end")
    def end(self, request: Request, slug: str, number: str) -> Response:
        policy = _policy(slug, number, request)
        actions.end_policy(policy, by=request.user)
        return Response(PolicyOut(policy).data)


def _policy(slug: str, number: str, request: Request) -> AccessPolicy:
    return queries.policy(queries.dataset(slug, request.user), int(number), request.user)


router = SimpleRouter()
router.register("datasets", Policies, basename="policies")
