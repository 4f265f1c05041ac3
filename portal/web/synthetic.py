"""Synthetic mocks: an owner proposes with the price beside it, a second person decides, everybody downloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from django import forms
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import queries as catalog
from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.people.permissions import Permission, allows
from domains.requests.actions import MOST_SQL
from domains.synthetic import actions, queries
from domains.synthetic.models import SyntheticMock
from portal.web import pages, shown
from portal.web.access import recent_sign_in
from portal.web.forms import ReasonForm

_SHOWN_COLUMNS = 3


class ProposalForm(forms.Form):
    """Which tables the rows are made of, and the ε that pays for them."""

    sql = forms.CharField(
        label="Tables of counts",
        max_length=MOST_SQL,
        widget=forms.Textarea(attrs={"rows": "6", "class": "form-control-code", "spellcheck": "false"}),
        help_text="A workload, as JSON or GROUP BY GROUPING SETS. Rows have the columns that it names; "
        "columns that stand in one table together keep what binds them.",
    )
    epsilon = forms.CharField(
        label="ε to spend",
        max_length=20,
        initial="0.5",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short", "autocomplete": "off"}),
        help_text="Paid once, for good, by the dataset and its population.",
    )


@require_http_methods(["GET", "POST"])
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a dataset's synthetic mocks, old ones too; let an owner price a new one, or propose it."""
    row = catalog.dataset(slug, request.user)
    may_propose = allows(request.user, Permission.SYNTHETIC_PROPOSE, on=row)
    form = ProposalForm(request.POST or None, initial={"sql": _example(row)})
    found = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("do") == "propose":
            done, mock = pages.attempt(form, actions.propose, row, **form.cleaned_data, by=request.user)
            if done:
                pages.say(request, "Proposed. Another person has to confirm it; nothing was charged yet.")
                return redirect("synthetic_mock", slug, mock.pk)
        else:
            _, found = pages.attempt(form, queries.estimate, row, **form.cleaned_data, by=request.user)
    values = {
        "dataset": row,
        "mocks": queries.mocks(row, request.user),
        "form": form,
        "may_propose": may_propose and row.is_public,
    }
    status = 422 if form.errors else 200
    return render(request, "catalogue/synthetic_mocks.html", values | _priced(found), status=status)


def _priced(found: queries.Estimate | None) -> dict[str, Any]:
    """Return what the page shows of a price."""
    errors = None if found is None else shown.expected_errors(found, "")
    return {"estimate": found, "errors": errors}


def _example(row: Dataset) -> str:
    """Write tables that this schema can give, from its declared columns alone."""
    columns = row.current.columns.all() if row.current else []
    names = [column.name for column in columns if column.codes or column.kind == "boolean"][:_SHOWN_COLUMNS]
    pairs = [list(pair) for pair in pairwise(names)] or [[name] for name in names]
    return json.dumps({"marginals": pairs}, ensure_ascii=False)


@require_GET
def one(request: HttpRequest, slug: str, mock: str) -> HttpResponse:
    """Show one synthetic mock: its terms, its report, and what may be done with it."""
    return _page(request, _found(request, slug, mock), ReasonForm())


def _found(request: HttpRequest, slug: str, mock: str) -> SyntheticMock:
    return queries.mock(catalog.dataset(slug, request.user), mock, request.user)


def _page(request: HttpRequest, found: SyntheticMock, form: ReasonForm) -> HttpResponse:
    user, is_own = request.user, found.proposed_by_id == request.user.pk
    is_waiting = found.status == "proposed"
    values = {
        "dataset": found.dataset,
        "mock": found,
        "form": form,
        "may_decide": is_waiting and not is_own and allows(user, Permission.SYNTHETIC_CONFIRM, on=found),
        "may_withdraw": is_waiting and is_own and allows(user, Permission.SYNTHETIC_PROPOSE, on=found),
        "may_retract": found.status == "published" and allows(user, Permission.SYNTHETIC_RETRACT, on=found),
        "sees_all": queries.sees_all(found.dataset, user),
    }
    priced = _priced(queries.estimate_of(found))
    return render(
        request, "catalogue/synthetic_mock.html", values | priced, status=422 if form.errors else 200
    )


@require_POST
@recent_sign_in
def confirm(request: HttpRequest, slug: str, mock: str) -> HttpResponse:
    """Confirm a proposal as the second person."""
    found = _found(request, slug, mock)
    pages.act(
        request, "Confirmed. A worker measures its tables now.", actions.confirm, found, by=request.user
    )
    return redirect("synthetic_mock", slug, mock)


@require_POST
def withdraw(request: HttpRequest, slug: str, mock: str) -> HttpResponse:
    """Take one's own proposal back."""
    found = _found(request, slug, mock)
    pages.act(request, "Withdrawn. Nothing was charged.", actions.withdraw, found, by=request.user)
    return redirect("synthetic_mock", slug, mock)


def _reasoned(
    request: HttpRequest, slug: str, mock: str, done: str, action: Callable[..., None]
) -> HttpResponse:
    """Do what takes a reason, or show the page again with what is wrong with it."""
    found, form = _found(request, slug, mock), ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form)
    pages.act(request, done, action, found, reason=form.cleaned_data["reason"], by=request.user)
    return redirect("synthetic_mock", slug, mock)


@require_POST
@recent_sign_in
def decline(request: HttpRequest, slug: str, mock: str) -> HttpResponse:
    """Turn a proposal down, with a reason."""
    return _reasoned(request, slug, mock, "Declined. Nothing was charged.", actions.decline)


@require_POST
@recent_sign_in
def retract(request: HttpRequest, slug: str, mock: str) -> HttpResponse:
    """Stop serving published rows, with a reason."""
    done = "Retracted. The rows are no longer served; what they cost stays spent."
    return _reasoned(request, slug, mock, done, actions.retract)


@require_GET
def rows(request: HttpRequest, slug: str, mock: str, kind: str) -> FileResponse:
    """Offer published rows as a file whose name says what they are."""
    found = _found(request, slug, mock)
    file = queries.path_of(found, kind)
    if not file.exists():
        raise NotFound("These rows are not published.", code="no_synthetic_mock")
    return FileResponse(file.open("rb"), as_attachment=True, filename=queries.filename(found, kind))


_ONE = "datasets/<slug:slug>/synthetic/<str:mock>/"
urlpatterns = [
    path("datasets/<slug:slug>/synthetic/", listing, name="synthetic_mocks"),
    path(_ONE, one, name="synthetic_mock"),
    path(f"{_ONE}confirm/", confirm, name="synthetic_confirm"),
    path(f"{_ONE}decline/", decline, name="synthetic_decline"),
    path(f"{_ONE}withdraw/", withdraw, name="synthetic_withdraw"),
    path(f"{_ONE}retract/", retract, name="synthetic_retract"),
    path(f"{_ONE}rows.csv", rows, {"kind": "csv"}, name="synthetic_rows_csv"),
    path(f"{_ONE}rows.parquet", rows, {"kind": "parquet"}, name="synthetic_rows_parquet"),
]
