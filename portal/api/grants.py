"""Access grants: whether one can be used now, its budget's allocation, and how it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.ledger import actions as ledger
from domains.ledger import topups
from domains.projects import actions, queries
from domains.projects.lifecycle import GrantStatus
from domains.projects.models import AccessGrant
from domains.projects.rights import grant_usable
from portal.api.auth import RecentSignIn
from portal.api.datasets import StatedReasonIn
from portal.api.shapes import DatasetShort, PersonShort, ProjectShort, valid
from portal.api.topups import LimitIn, TopUpOut


class GrantOut(serializers.Serializer[Any]):
    """A project's right to ask one dataset."""

    id = serializers.CharField(source="pk")
    project = ProjectShort()
    dataset = DatasetShort()
    status = serializers.ChoiceField(choices=GrantStatus.values)
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)
    granted_by = PersonShort(allow_null=True)
    ended_reason = serializers.CharField(allow_blank=True)


class ConditionOut(serializers.Serializer[Any]):
    """One condition, and what to do when it does not hold."""

    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the stubs know another `label`
    ok = serializers.BooleanField()
    hint = serializers.CharField()
    path = serializers.CharField(help_text="The page where it can be done, or empty.")


class UsableOut(serializers.Serializer[Any]):
    """Whether the caller may use a grant now: the same conditions that a worker asks before it runs."""

    ok = serializers.BooleanField()
    checks = ConditionOut(many=True)


class AllocateIn(serializers.Serializer[Any]):
    """A grant's budget, for all members together."""

    epsilon = serializers.DecimalField(max_digits=9, decimal_places=6, min_value=Decimal("0.000001"))
    pure_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(0),
        default=Decimal(0),
        help_text="Pure ε beside it, for answers with Laplace noise; 0 means none.",
    )
    person_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        allow_null=True,
        default=None,
        help_text="At most this for each person on the dataset; else the dataset's own cap.",
    )
    person_pure_epsilon = serializers.DecimalField(
        max_digits=9,
        decimal_places=6,
        min_value=Decimal(0),
        allow_null=True,
        default=None,
        help_text="At most this pure ε for each person on the dataset; else the dataset's own.",
    )
    valid_days = serializers.IntegerField(min_value=1, max_value=3650, default=365)


class GrantFilter(django_filters.FilterSet):
    """Narrows the list of grants."""

    dataset = django_filters.CharFilter(field_name="dataset__slug", help_text="Short name of the dataset.")
    project = django_filters.CharFilter(field_name="project_id", help_text="Key of the project.")
    status = django_filters.MultipleChoiceFilter(choices=[(value, value) for value in GrantStatus.values])
    mine = django_filters.BooleanFilter(method="own", help_text="Only grants of projects the caller is on.")

    def own(self, rows: QuerySet[AccessGrant], name: str, value: bool) -> QuerySet[AccessGrant]:
        """Keep, or leave out, the grants of projects that the caller is on now."""
        on = rows.filter(project__members__user=self.request.user, project__members__ended_at=None).values(
            "pk"
        )
        return rows.filter(pk__in=on) if value else rows.exclude(pk__in=on)


class Grants(GenericViewSet[AccessGrant]):
    """Access grants that the caller may see."""

    queryset = AccessGrant.objects.none()
    serializer_class = GrantOut
    filterset_class = GrantFilter

    @extend_schema(responses=GrantOut(many=True), summary="List access grants", filters=True)
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(queries.grants(request.user)))
        return self.get_paginated_response(GrantOut(rows, many=True).data)

    @extend_schema(responses=GrantOut, summary="Read an access grant")
    def retrieve(self, request: Request, pk: str) -> Response:
        return shown(pk, request)

    @extend_schema(
        responses=UsableOut, summary="Say whether the caller may use a grant now, and what is missing"
    )
    @action(detail=True, methods=["get"])
    def usable(self, request: Request, pk: str) -> Response:
        grant = queries.grant(pk, request.user)
        return Response(UsableOut(grant_usable(grant, request.user, timezone.now())).data)

    @extend_schema(
        request=AllocateIn, responses=GrantOut, summary="Allocate a grant's budget, as an administrator"
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def allocate(self, request: Request, pk: str) -> Response:
        given = valid(AllocateIn, request)
        ledger.allocate(queries.grant(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(
        request=LimitIn,
        responses={201: TopUpOut},
        summary="Ask for a larger budget, as a member of the project",
    )
    @action(detail=True, methods=["post"])
    def ask_for_more(self, request: Request, pk: str) -> Response:
        given = valid(LimitIn, request)
        made = topups.ask(queries.grant(pk, request.user), **given, by=request.user)
        return Response(TopUpOut(made).data, status=201)

    @extend_schema(
        request=LimitIn,
        responses={201: TopUpOut},
        summary="Propose a larger budget, as an administrator who is not on the project",
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def top_up(self, request: Request, pk: str) -> Response:
        given = valid(LimitIn, request)
        made = topups.propose_unasked(queries.grant(pk, request.user), **given, by=request.user)
        return Response(TopUpOut(made).data, status=201)

    @extend_schema(
        request=StatedReasonIn, responses=GrantOut, summary="End a grant for good, as the dataset's owner"
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.revoke_grant(queries.grant(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=StatedReasonIn, responses=GrantOut, summary="Stop a grant at once")
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.suspend_grant(queries.grant(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=StatedReasonIn, responses=GrantOut, summary="Let a suspended grant be used again")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def reinstate(self, request: Request, pk: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.reinstate_grant(queries.grant(pk, request.user), **given, by=request.user)
        return shown(pk, request)


def shown(pk: str, request: Request) -> Response:
    """Answer with the grant as it is now."""
    return Response(GrantOut(queries.grant(pk, request.user)).data)


router = SimpleRouter()
router.register("grants", Grants, basename="grants")
