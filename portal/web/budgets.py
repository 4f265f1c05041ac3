"""Budgets: how much of each is committed, reserved and left, how it came to be so, and for how long it will last."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.ledger import caps, limits, lines, queries, usage
from domains.ledger.lifecycle import Scope
from domains.ledger.queries import Balance
from portal.web import burndown, pages
from portal.web.budget_forms import BudgetFilter
from portal.web.forms import SimilarForm
from privacy.loss import Loss, pure_of, rho_of

SIMILAR = Decimal("0.1")  # the question that is counted until another is named


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the budgets that this person may see, as bars with words, and how many similar questions each holds."""
    narrow = BudgetFilter(request.GET)
    only = narrow.chosen()
    rows = queries.budget_rows(request.user, **only)
    above = queries.budget_rows(request.user) if any(only.values()) else rows
    form, epsilon = _similar(request)
    page = pages.page_of(request, rows, 12)
    left = {balance.account: _similar_left(balance, above, epsilon) for balance in page}
    values = {"page": page, "form": form, "epsilon": epsilon, "similar": left, "narrow": narrow, "only": only}
    return render(request, "budgets/list.html", values)


def _similar(request: HttpRequest) -> tuple[SimilarForm, Decimal]:
    """Read the ε of the questions that are to be counted."""
    form = SimilarForm(request.GET if "epsilon" in request.GET else {"epsilon": SIMILAR})
    return form, form.cleaned_data["epsilon"] if form.is_valid() else SIMILAR


def _similar_left(balance: Balance, rows: list[Balance], epsilon: Decimal) -> dict[str, int]:
    """Return how many questions of an ε fit under this account and under those above it, in each currency."""
    losses = {
        "zcdp": Loss(_rho(float(epsilon), balance.delta), 0),
        "pure": Loss(0, 0, pure_of(epsilon, is_cost=True)),
    }
    chain = queries.chain_of(balance, rows)
    return {kind: queries.similar_left(chain, loss) for kind, loss in losses.items()}


_rho = functools.lru_cache(maxsize=256)(rho_of)


@require_GET
def account(request: HttpRequest, account: str) -> HttpResponse:
    """Show one budget: its three units, and to those inside its course, its outlook and who spent it."""
    balance = queries.visible_balance(account, request.user)
    form, epsilon = _similar(request)
    above = queries.chain(balance)
    values: dict[str, Any] = {
        "balance": balance,
        "form": form,
        "epsilon": epsilon,
        "left": _similar_left(balance, above, epsilon),
        "may": caps.may_change(limits.readable_account(account), request.user),
        "is_inside": queries.sees_inside(account, request.user),
    }
    if values["is_inside"]:
        values |= _inside(request, account, balance)
    return render(request, "budgets/account.html", values)


def _inside(request: HttpRequest, account: str, balance: Balance) -> dict[str, Any]:
    """Return what only those may see who may read every line of an account."""
    found: dict[str, Any] = {
        "course": burndown.drawn(usage.course(account), balance.delta),
        "outlook": usage.outlook(account),
        "changes": lines.changes(request.user, account=account)[:20],
    }
    shares = {}
    if balance.scope in {Scope.POPULATION, Scope.DATASET}:
        shares["project"] = usage.by_project(account)
    if balance.scope != Scope.PERSON:
        shares["person"] = usage.by_person(account)
    found["shares"] = {kind: burndown.shares(rows, balance) for kind, rows in shares.items()}
    return found


urlpatterns = [
    path("budgets/", listing, name="budgets"),
    path("budgets/accounts/<str:account>/", account, name="budget_account"),
]
