"""Budgets: what is left under every cap, and what a loss would do to it."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.catalog import queries as catalog
from domains.ledger import queries as books
from domains.ledger.queries import Balance
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects import queries as projects
from domains.projects.models import AccessGrant
from domains.requests.accounting import Accounting, offer
from domains.requests.specification import parse_epsilon
from portal.api.shapes import BalanceOut, EffectOut
from privacy.loss import Loss


class EffectIn(serializers.Serializer[Any]):
    """A loss, as the ε of one question asked alone."""

    epsilon = serializers.CharField(max_length=20)
    accounting = serializers.ChoiceField(
        choices=[Accounting.ZCDP.value, Accounting.PURE.value], default=Accounting.ZCDP.value
    )


def readable(grant: str, by: User) -> AccessGrant:
    """Return a grant whose budget `by` may read."""
    found = projects.grant(grant, by)
    require(by, Permission.BUDGET_READ, on=found)
    return found


def _concerning(grant: AccessGrant, by: User, rows: list[Any]) -> list[Any]:
    """Leave out the person's own cap for those who are not on the project: it is nobody's budget there."""
    if by.pk in grant.project.member_ids:
        return rows
    return [row for row in rows if getattr(row, "balance", row).scope != "person"]


class MyBudgets(APIView):
    @extend_schema(responses=BalanceOut(many=True), summary="List the budgets that the caller may see")
    def get(self, request: Request) -> Response:
        return Response(BalanceOut(books.budget_rows(request.user), many=True).data)


class GrantBudget(APIView):
    @extend_schema(
        responses=BalanceOut(many=True), summary="Read every cap that a question under a grant meets"
    )
    def get(self, request: Request, key: str) -> Response:
        grant = readable(key, request.user)
        rows = _concerning(grant, request.user, books.balances(grant, request.user))
        return Response(BalanceOut(rows, many=True).data)


class GrantEffect(APIView):
    @extend_schema(
        parameters=[EffectIn], responses=EffectOut(many=True), summary="Show what a loss would do to each cap"
    )
    def get(self, request: Request, key: str) -> Response:
        given = EffectIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        grant = readable(key, request.user)
        epsilon = parse_epsilon(given.validated_data["epsilon"])
        kind = Accounting(given.validated_data["accounting"])
        offered = offer(epsilon, kind, grant.dataset.population, ())
        loss = Loss(offered.rho, 0, offered.pure)
        rows = _concerning(grant, request.user, books.effect(grant, request.user, loss))
        return Response(EffectOut(rows, many=True).data)


class DatasetBudget(APIView):
    @extend_schema(responses=BalanceOut, summary="Read a dataset's own cap")
    def get(self, request: Request, slug: str) -> Response:
        dataset = catalog.dataset(slug, request.user)
        balance: Balance | None = books.dataset_balance(dataset)
        visible = {row.account for row in books.budget_rows(request.user)}
        if balance is None or balance.account not in visible:
            require(request.user, Permission.BUDGET_READ, on=dataset)
        return Response(BalanceOut(balance or _none(slug)).data)


def _none(slug: str) -> Balance:
    """Return the balance of a dataset that was not published yet: nothing may be spent."""
    nothing = Loss.zero()
    return Balance("dataset", slug, nothing, nothing, nothing, delta=0.5)


urlpatterns = [
    path("budgets/", MyBudgets.as_view()),
    path("budgets/grants/<str:key>/", GrantBudget.as_view()),
    path("budgets/grants/<str:key>/effect/", GrantEffect.as_view()),
    path("budgets/datasets/<slug:slug>/", DatasetBudget.as_view()),
]
