"""Budgets: how much of each is committed, reserved and left, and the lines of the books."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.ledger import queries
from portal import sheets
from portal.web import pages


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the budgets that this person may see, as bars with words."""
    page = pages.page_of(request, queries.budget_rows(request.user), 12)
    return render(request, "budgets/list.html", {"page": page})


@require_GET
def entries(request: HttpRequest) -> HttpResponse:
    """Show the lines of the books behind those budgets, newest first."""
    page = pages.page_of(request, queries.entry_rows(request.user), 50)
    return render(request, "budgets/entries.html", {"page": page})


@require_GET
def entries_csv(request: HttpRequest) -> HttpResponse:
    """Offer the same lines as CSV, in ledger units."""
    header = ("seq", "at", "kind", "account", "charge", "rho_1e-12", "delta_1e-18")
    rows = (
        (row.seq, row.at.isoformat(), row.kind, row.account.label, row.charge_id, row.rho, row.delta)
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
