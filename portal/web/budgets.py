"""Budgets: how much of each is committed, reserved and left, and the lines of the books."""

from __future__ import annotations

import functools
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.ledger import queries
from domains.ledger.queries import Balance
from portal import sheets
from portal.web import pages
from portal.web.forms import SimilarForm
from privacy.loss import Loss, pure_of, rho_of

SIMILAR = Decimal("0.1")  # the question that is counted until another is named


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the budgets that this person may see, as bars with words, and how many similar questions each holds."""
    rows = queries.budget_rows(request.user)
    form = SimilarForm(request.GET if "epsilon" in request.GET else {"epsilon": SIMILAR})
    epsilon = form.cleaned_data["epsilon"] if form.is_valid() else SIMILAR
    page = pages.page_of(request, rows, 12)
    left = {balance.account: _similar_left(balance, rows, epsilon) for balance in page}
    return render(
        request, "budgets/list.html", {"page": page, "form": form, "epsilon": epsilon, "similar": left}
    )


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
def entries(request: HttpRequest) -> HttpResponse:
    """Show the lines of the books behind those budgets, newest first."""
    page = pages.page_of(request, queries.entry_rows(request.user), 50)
    return render(request, "budgets/entries.html", {"page": page})


@require_GET
def entries_csv(request: HttpRequest) -> HttpResponse:
    """Offer the same lines as CSV, in ledger units."""
    header = ("seq", "at", "kind", "account", "charge", "rho_1e-12", "delta_1e-18", "pure_1e-12")
    rows = (
        (
            row.seq,
            row.at.isoformat(),
            row.kind,
            row.account.label,
            row.charge_id,
            row.rho,
            row.delta,
            row.pure,
        )
        for row in queries.entry_rows(request.user)
    )
    return pages.download(
        sheets.to_csv(header, rows), name="ledger-entries.csv", content_type="text/csv; charset=utf-8"
    )


urlpatterns = [
    path("budgets/", listing, name="budgets"),
    path("budgets/entries/", entries, name="budget_entries"),
    path("budgets/entries.csv", entries_csv, name="budget_entries_csv"),
]
