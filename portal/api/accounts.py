"""One budget: what is left of it in three units, its course and outlook, who spent it, and changes of its limit."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.ledger import limits, queries, usage
from domains.ledger.queries import Balance
from domains.requests import cuts
from domains.requests.accounting import Accounting, offer
from domains.requests.specification import parse_epsilon
from portal.api.auth import RecentSignIn
from portal.api.shapes import BalanceOut, LossOut, valid
from portal.api.topups import LimitIn
from privacy.loss import Loss
from privacy.risk import guess_after


class SimilarIn(serializers.Serializer[Any]):
    """The question that is counted."""

    epsilon = serializers.CharField(
        max_length=20, default="0.1", help_text="The ε of one question; 0.1 without."
    )


class PointOut(serializers.Serializer[Any]):
    """The account at the end of a day, or now."""

    at = serializers.DateTimeField()
    limit = LossOut()
    spent = LossOut()
    reserved = LossOut()


class ShareOut(serializers.Serializer[Any]):
    """What one project or person has of it; an empty key is what was spent for everybody."""

    key = serializers.CharField(allow_blank=True)
    name = serializers.CharField(allow_blank=True)
    spent = LossOut()
    reserved = LossOut()


class OutlookOut(serializers.Serializer[Any]):
    """When it will be used up at the pace of the last `days`; null where that is more than ten years away."""

    days = serializers.IntegerField()
    at = serializers.DateTimeField(allow_null=True)
    is_full = serializers.BooleanField()


class AccountOut(serializers.Serializer[Any]):
    """One budget in three units; what only insiders may see is null to others."""

    balance = BalanceOut()
    delta = serializers.FloatField(help_text="The δ at which each ε is read.")
    similar_left = serializers.IntegerField(
        help_text="Questions of the ε asked about that fit, budgets above counted."
    )
    risk = serializers.FloatField(
        help_text="Of guesses about one person that are right half the time now, the most that could be right "
        "once all of it is spent."
    )
    course = PointOut(many=True, allow_null=True)
    outlook = serializers.SerializerMethodField()
    by_project = ShareOut(many=True, allow_null=True)
    by_person = ShareOut(many=True, allow_null=True)

    @extend_schema_field(OutlookOut(allow_null=True))
    def get_outlook(self, row: dict[str, Any]) -> dict[str, Any] | None:
        found = row["outlook"]
        return None if found is None else dict(OutlookOut(found).data)


class CutOut(serializers.Serializer[Any]):
    """The balance after a cut, and the requests that lost their reservation."""

    balance = BalanceOut()
    in_review_again = serializers.ListField(child=serializers.CharField())


class RaisedOut(serializers.Serializer[Any]):
    """The balance, and the proposal that waits for a second person; null where one was enough."""

    balance = BalanceOut()
    proposal = serializers.CharField(allow_null=True)


class Accounts(GenericViewSet[Any]):
    """Budgets that the caller may see."""

    queryset = queries.inside_nothing()
    serializer_class = AccountOut
    filter_backends = []
    lookup_url_kwarg = "account"

    @extend_schema(parameters=[SimilarIn], responses=AccountOut, summary="Read one budget in full")
    def retrieve(self, request: Request, account: str) -> Response:
        given = SimilarIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        epsilon = parse_epsilon(given.validated_data["epsilon"])
        balance = queries.visible_balance(account, request.user)
        row = limits.readable_account(account)
        offered = offer(epsilon, Accounting.ZCDP, row.counted_in, ())
        found: dict[str, Any] = {
            "balance": balance,
            "delta": 2 * balance.delta,
            "similar_left": queries.similar_left(queries.chain(balance), Loss(offered.rho, 0)),
            "risk": guess_after(balance.epsilon_limit, 2 * balance.delta),
        }
        return Response(AccountOut(found | _inside(account, balance, request)).data)

    @extend_schema(
        request=LimitIn,
        responses=CutOut,
        summary="Cut a limit; the newest reservations end if need be, and their requests are in review again",
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def cut(self, request: Request, account: str) -> Response:
        given = valid(LimitIn, request)
        queries.visible_balance(account, request.user)
        ended = cuts.cut(account, **given, by=request.user)
        keys = [analysis.pk for analysis in ended]
        return Response(CutOut({"balance": queries.balance(account), "in_review_again": keys}).data)

    @extend_schema(
        request=LimitIn,
        responses=RaisedOut,
        summary="Propose a higher cap of a dataset or population, or raise a person's own limit",
        description="A grant's limit is raised by a top-up: see /grants/{id}/top_up/.",
    )
    @action(
        detail=True, methods=["post"], url_path="raise", permission_classes=[IsAuthenticated, RecentSignIn]
    )
    def raise_limit(self, request: Request, account: str) -> Response:
        given = valid(LimitIn, request)
        balance = queries.visible_balance(account, request.user)
        change = limits.change_limit if balance.scope == "person" else limits.propose_raise
        proposal = change(account, **given, by=request.user)
        return Response(RaisedOut({"balance": queries.balance(account), "proposal": proposal}).data)


def _inside(account: str, balance: Balance, request: Request) -> dict[str, Any]:
    """Return what only those may read who may read every line of it."""
    if not queries.sees_inside(account, request.user):
        return dict.fromkeys(("course", "outlook", "by_project", "by_person"))
    return {
        "course": usage.course(account),
        "outlook": usage.outlook(account),
        "by_project": usage.by_project(account),
        "by_person": usage.by_person(account),
    }


router = SimpleRouter()
router.register("budgets/accounts", Accounts, basename="accounts")
