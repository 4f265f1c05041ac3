"""Owners' pages for what a draft version's tables are declared to be: the main one, and those beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from domains.catalog import actions, queries
from domains.catalog.models import Dataset, DatasetVersion, VersionTable
from domains.intake import actions as intake
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import UploadPurpose
from domains.people.permissions import Permission, require
from portal.web import pages
from portal.web.dataset_forms import (
    ColumnForm,
    ColumnFormSet,
    PrivateTableForm,
    PublicTableForm,
    TableForm,
    VersionForm,
)

BLANK_ROWS = 3  # empty lines below the declared columns, for those that no file has named


def owned(request: HttpRequest, slug: str) -> Dataset:
    """Return a dataset that this person may edit, or raise."""
    row = queries.dataset(slug, request.user)
    require(request.user, Permission.DATASET_EDIT, on=row)
    return row


@require_http_methods(["GET", "POST"])
def declare(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the schema as a table of columns to fill in, and keep it; nothing comes from the private rows but names."""
    row = owned(request, slug)
    draft = queries.draft_of(row, request.user)
    return _page(request, row, draft, draft, VersionForm, partial(actions.declare, draft))


@require_http_methods(["GET", "POST"])
def declare_table(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Do the same for a further table; a public one has a key and no privacy unit."""
    row = owned(request, slug)
    draft = queries.draft_of(row, request.user)
    table = queries.table(draft, name)
    kind = PublicTableForm if table.is_public else PrivateTableForm
    return _page(request, row, draft, table, kind, partial(actions.declare_table, table))


def _page(
    request: HttpRequest,
    row: Dataset,
    draft: DatasetVersion,
    source: DatasetVersion | VersionTable,
    kind: Any,
    act: Any,
) -> HttpResponse:
    form, columns = kind(initial=kind.of(source)), ColumnFormSet(initial=_columns(draft, source))
    if request.method == "POST":
        form, columns = kind(request.POST), ColumnFormSet(request.POST)
        if form.is_valid() and columns.is_valid():
            lines = [line.value() for line in columns if line.cleaned_data.get("name")]
            done, _ = pages.attempt(form, act, columns=lines, **form.cleaned_data, by=request.user)
            if done:
                pages.say(request, "The schema is declared.")
                return redirect("dataset_edit", row.slug)
    is_bad = form.is_bound and bool(form.errors or columns.total_error_count())
    values = {
        "dataset": row,
        "form": form,
        "columns": columns,
        "table": None if source is draft else source,
    }
    return render(request, "owning/schema.html", values, status=422 if is_bad else 200)


def _columns(draft: DatasetVersion, source: DatasetVersion | VersionTable) -> list[dict[str, Any]]:
    """Return what the page starts with: declared columns, then names that a check found, then blank lines."""
    declared = [ColumnForm.of(column) for column in source.columns.all()]
    known = {column["name"].lower() for column in declared}
    checked = [UploadStatus.READY, UploadStatus.CONFORMING, UploadStatus.CONFORMED]
    name = "" if isinstance(source, DatasetVersion) else source.name
    latest = draft.uploads.filter(table=name, purpose=UploadPurpose.DATA, status__in=checked).first()
    found = [
        {"name": column["name"], "kind": "text" if column["kind"] == "empty" else column["kind"]}
        for column in (latest.findings.get("columns", []) if latest else [])
        if column["name"].lower() not in known
    ]
    return declared + found + [{"kind": "text"}] * BLANK_ROWS


@require_POST
def add_table(request: HttpRequest, slug: str) -> HttpResponse:
    """Give the draft version a further table."""
    draft = queries.draft_of(owned(request, slug), request.user)
    form = TableForm(request.POST)
    if not form.is_valid():
        pages.complain(request, form)
        return redirect("dataset_edit", slug)
    done = "The table was added. Send its file and declare its schema."
    pages.act(request, done, actions.add_table, draft, **form.cleaned_data, by=request.user)
    return redirect("dataset_edit", slug)


@require_POST
def remove_table(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Take a further table out of the draft version, with its bytes."""
    draft = queries.draft_of(owned(request, slug), request.user)
    table = queries.table(draft, name)
    pages.act(request, "The table was removed.", intake.remove_table, table, by=request.user)
    return redirect("dataset_edit", slug)


urlpatterns = [
    path("datasets/<slug:slug>/schema/", declare, name="dataset_schema"),
    path("datasets/<slug:slug>/tables/", add_table, name="dataset_add_table"),
    path("datasets/<slug:slug>/tables/<slug:name>/schema/", declare_table, name="dataset_table_schema"),
    path("datasets/<slug:slug>/tables/<slug:name>/remove/", remove_table, name="dataset_remove_table"),
]
