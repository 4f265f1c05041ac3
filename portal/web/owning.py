"""Owners' pages: describe a dataset, send its file, declare its schema, publish it, and look after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import actions, queries
from domains.catalog.models import Dataset, DatasetVersion
from domains.errors import NotAllowed
from domains.intake import actions as intake
from domains.intake import queries as uploads
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import Upload
from domains.ledger import queries as books
from domains.people.permissions import Permission, allows
from portal.web import caring, connections, declaring, pages
from portal.web.access import recent_sign_in
from portal.web.dataset_forms import (
    DatasetForm,
    PublishForm,
    TableForm,
    UploadForm,
)
from portal.web.declaring import owned

MOVING = {UploadStatus.RECEIVED, UploadStatus.CHECKING, UploadStatus.CONFORMING}


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Ask what the catalogue should say, and describe a new dataset; its data comes afterwards."""
    areas = queries.areas(request.user)
    mine = [area.pk for area in areas if allows(request.user, Permission.DATASET_CREATE, on=area)]
    if not mine:
        raise NotAllowed(
            "Datasets are added by the owners of a research area. Ask an administrator for a seat."
        )
    options = {"areas": areas.filter(pk__in=mine), "populations": queries.populations(request.user)}
    form = DatasetForm(request.POST or None, **options)
    if request.method == "POST" and form.is_valid():
        done, row = pages.attempt(form, _create, form.cleaned_data, by=request.user)
        if done:
            return redirect("dataset_edit", row.slug)
    return render(request, "owning/new.html", {"form": form}, status=422 if form.errors else 200)


def _create(data: dict[str, Any], *, by: Any) -> Dataset:
    """Declare the population, if it is new, and describe the dataset."""
    words = dict(data)
    name, unit = words.pop("new_population"), words.pop("unit_label")
    if words["population"] is None:
        words["population"] = actions.create_population(area=words["area"], name=name, unit_label=unit, by=by)
    return actions.create_dataset(**words, by=by)


@require_GET
def prepare(request: HttpRequest, slug: str) -> HttpResponse:
    """Show where a dataset stands on its way to publication, with the next step first."""
    row = owned(request, slug)
    draft = next((v for v in queries.versions(row, request.user) if v.published_at is None), None)
    files = uploads.uploads(draft, user=request.user).exclude(status=UploadStatus.DISCARDED) if draft else []
    values = {
        "dataset": row,
        "draft": draft,
        "uploads": [shown_upload(each) for each in files],
        "columns": list(draft.columns.all()) if draft else [],
        "tables": list(draft.tables.all()) if draft else [],
        "table_form": TableForm(),
        "form": _upload_form(draft),
        "publish_form": _publish_form(row),
        "is_made": draft is not None and bool(draft.sha256) and bool(draft.mock_sha256),
        "can_publish": draft is not None and _is_whole(draft),
        "most_mb": settings.UPLOAD_MAX_MB,
        "stewards": caring.stewards(row),
        "steward_form": caring.StewardForm(),
        "versions": queries.versions(row, request.user),
        **connections.placing(draft, request.user),
    }
    return render(request, "owning/prepare.html", values)


def _is_whole(draft: DatasetVersion) -> bool:
    """Say whether every table of a draft is made."""
    return bool(draft.sha256 and draft.mock_sha256) and all(table.sha256 for table in draft.tables.all())


def _upload_form(draft: DatasetVersion | None, *args: Any) -> UploadForm:
    names = [table.name for table in draft.tables.all()] if draft else []
    return UploadForm(*args, tables=names, main=draft.main_name if draft else "")


def _publish_form(row: Dataset, data: Any = None) -> PublishForm:
    is_first = books.dataset_balance(row) is None
    return PublishForm(
        data, is_first=is_first, needs_population=books.population_balance(row.population) is None
    )


@require_POST
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a file in; a worker checks it in a limited child process."""
    draft = queries.draft_of(owned(request, slug), request.user)
    form = _upload_form(draft, request.POST, request.FILES)
    if not form.is_valid():
        pages.complain(request, form)
        return redirect("dataset_edit", slug)
    file = form.cleaned_data["file"]
    words = {name: form.cleaned_data.get(name, "") for name in ("format", "purpose", "table")}
    done = "The file has arrived and is being checked."
    pages.act(request, done, intake.receive, draft, file, filename=file.name, **words, by=request.user)
    return redirect("dataset_edit", slug)


def _upload(request: HttpRequest, slug: str, key: str) -> Upload:
    owned(request, slug)
    return uploads.upload(key, user=request.user)


@dataclass(frozen=True)
class Shown:
    """An upload as its owner sees it."""

    row: Upload
    is_moving: bool
    can_make: bool
    reason: str


def shown_upload(row: Upload) -> Shown:
    """Return an upload with its reason in words."""
    can_make = row.status == UploadStatus.READY and _has_schema(row)
    return Shown(row, row.status in MOVING, can_make, uploads.reason(row))


def _has_schema(row: Upload) -> bool:
    if row.table:
        return row.version.tables.filter(name=row.table, columns__isnull=False).exists()
    return row.version.columns.exists()


@require_GET
def upload_fragment(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Show how far an upload is; the page asks again every second while a worker has it."""
    row = _upload(request, slug, key)
    values = {"shown": shown_upload(row), "dataset": row.version.dataset}
    response = render(request, "owning/_upload.html", values)
    if row.status not in MOVING:
        response["HX-Refresh"] = "true"  # what can be done next is elsewhere on the page
    return response


@require_POST
def conform(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Make the version's file from an upload under the declared schema."""
    row = _upload(request, slug, key)
    pages.act(request, "The file is being made.", intake.conform, row, by=request.user)
    return redirect("dataset_edit", slug)


@require_POST
def discard(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Delete an upload's bytes."""
    row = _upload(request, slug, key)
    pages.act(request, "Discarded; its bytes are deleted.", intake.discard, row, by=request.user)
    return redirect("dataset_edit", slug)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Restate what publishing does, take the attestation and the caps, and publish."""
    row = owned(request, slug)
    draft = queries.draft_of(row, request.user)
    form = _publish_form(row, request.POST or None)
    if request.method == "POST" and form.is_valid():
        done, _ = pages.attempt(form, intake.publish, draft, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Published.")
            return redirect("dataset", slug)
    values = {"dataset": row, "draft": draft, "form": form, "now": timezone.now()}
    return render(request, "owning/publish.html", values, status=422 if form.errors else 200)


urlpatterns = [
    path("catalogue/new/", new, name="dataset_new"),
    path("datasets/<slug:slug>/prepare/", prepare, name="dataset_edit"),
    path("datasets/<slug:slug>/uploads/", upload, name="dataset_upload"),
    path("datasets/<slug:slug>/uploads/<str:key>/", upload_fragment, name="upload_status"),
    path("datasets/<slug:slug>/uploads/<str:key>/conform/", conform, name="upload_conform"),
    path("datasets/<slug:slug>/uploads/<str:key>/discard/", discard, name="upload_discard"),
    *declaring.urlpatterns,
    path("datasets/<slug:slug>/publish/", publish, name="dataset_publish"),
    *caring.urlpatterns,
]
