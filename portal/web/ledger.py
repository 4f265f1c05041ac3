"""The ledger's own pages: every line with filters, one line with what it belongs to, and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.audit import queries as audit
from domains.ledger import lines
from domains.people.permissions import Permission, allows
from domains.requests import queries as requests
from portal import sheets
from portal.web import pages
from portal.web.budget_forms import LineFilter

HEADER = (
    "seq", "at", "kind", "scope", "account", "account_label", "charge", "project", "dataset", "person",
    "rho_1e-12", "delta_1e-18", "pure_1e-12", "rho_reserved", "rho_spent", "delta_reserved", "delta_spent",
    "pure_reserved", "pure_spent",
)  # fmt: skip
CHUNK = 2_000


@require_GET
def entries(request: HttpRequest) -> HttpResponse:
    """Show the lines of the books that this person may see, newest first, as far as the filters let them through."""
    form = LineFilter(request.GET)
    page = pages.page_of(request, lines.rows(request.user, **form.chosen()), 50)
    values: dict[str, Any] = {
        "page": page,
        "form": form,
        "query": form.query(),
        "is_narrowed": any(form.chosen().values()),
    }
    checkers = (Permission.AUDIT_READ, Permission.AUDIT_RECONCILE)
    values["may_check"] = any(allows(request.user, permission) for permission in checkers)
    return render(request, "budgets/entries.html", values)


@require_GET
def entries_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Offer the same lines as CSV, in ledger units, a piece at a time."""
    rows = lines.rows(request.user, **LineFilter(request.GET).chosen())
    response = StreamingHttpResponse(_written(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="ledger-entries.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _written(rows: Any) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(HEADER)
    for row in rows.iterator(chunk_size=CHUNK):
        yield writer.writerow([sheets.safe(cell) for cell in _cells(row)])


def _cells(row: Any) -> Iterable[object]:
    grant, person = row.charge.grant, row.charge.person
    about = (grant.project.title, grant.dataset.slug) if grant else ("", "")
    return (
        row.seq, row.at.isoformat(), row.kind, row.account.scope, row.account_id, row.label, row.charge_id,
        *about, person.name if person else "", row.rho, row.delta, row.pure, row.rho_reserved, row.rho_spent,
        row.delta_reserved, row.delta_spent, row.pure_reserved, row.pure_spent,
    )  # fmt: skip


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """Show one line, its charge's other lines, the request it was for, and the log's events about it."""
    row = lines.one(seq, request.user)
    is_auditor = allows(request.user, Permission.AUDIT_READ)
    values = {
        "row": row,
        "beside": lines.beside(row, request.user),
        "analysis": requests.paid_by(row.charge_id, request.user),
        "events": list(audit.events(subject=row.charge_id)[:20]) if is_auditor else [],
    }
    return render(request, "budgets/entry.html", values)


urlpatterns = [
    path("budgets/entries/", entries, name="budget_entries"),
    path("budgets/entries.csv", entries_csv, name="budget_entries_csv"),
    path("budgets/entries/<int:seq>/", entry, name="budget_entry"),
]
