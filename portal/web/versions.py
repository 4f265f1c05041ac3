"""Versions of a dataset: the list, retiring one that a newer replaces, and erasing its data for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from domains.catalog import actions, queries
from domains.catalog.lifecycle import VersionStatus
from domains.errors import NotFound
from domains.people.permissions import Permission, allows, require
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.forms import ReasonForm


@dataclass(frozen=True)
class Ending:
    """A way to end a version: who may, what the page says, and what is done."""

    permission: Permission
    title: str
    effect: str
    done: str
    act: Callable[..., Any]


ENDINGS = {
    "retire": Ending(
        Permission.DATASET_PUBLISH,
        "Retire version {0}",
        "Approvals of this version that have not run lapse, and their losses are given back. Nobody can ask it again.",
        "Retired.",
        actions.retire,
    ),
    "erase": Ending(
        Permission.DATASET_ERASE,
        "Erase the data of version {0}",
        "A day from now the keys of its files are destroyed, and nobody can read them again: no worker, and no "
        "backup without a copy of the keys. Until then any owner can take it back. Answers, receipts and the "
        "ledger stay.",
        "Its data will be erased in a day. You can still keep it.",
        actions.erase,
    ),
}


@require_http_methods(["GET", "POST"])
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Show every version that the reader may see, with what can be done about it; or start the next one."""
    row = queries.dataset(slug, request.user)
    if request.method == "POST":
        pages.act(request, "A new draft version was started.", actions.new_version, row, by=request.user)
        return redirect("dataset_edit", slug)
    values = {
        "dataset": row,
        "versions": queries.versions(row, request.user),
        "may_retire": allows(request.user, Permission.DATASET_PUBLISH, on=row),
        "may_erase": allows(request.user, Permission.DATASET_ERASE, on=row),
        "newest": None if row.status == "withdrawn" else row.current,
        "status": VersionStatus,
    }
    return render(request, "owning/versions.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def ending(request: HttpRequest, slug: str, number: int, what: str) -> HttpResponse:
    """Ask why, then retire a version or have its data erased."""
    if what not in ENDINGS:
        raise NotFound("There is no such page.")
    way, row = ENDINGS[what], queries.version(slug, number, request.user)
    require(request.user, way.permission, on=row)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pages.act(request, way.done, way.act, row, reason=form.cleaned_data["reason"], by=request.user)
        return redirect("versions", slug)
    values = {"dataset": row.dataset, "form": form, "title": way.title.format(number), "effect": way.effect}
    return render(request, "owning/ending.html", values, status=422 if form.errors else 200)


@require_POST
def keep(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Keep data that was about to be erased."""
    row = queries.version(slug, number, request.user)
    pages.act(request, "Its data is kept.", actions.keep, row, by=request.user)
    return redirect("versions", slug)


urlpatterns = [
    path("datasets/<slug:slug>/versions/", versions, name="versions"),
    path("datasets/<slug:slug>/versions/<int:number>/keep/", keep, name="version_keep"),
    path("datasets/<slug:slug>/versions/<int:number>/<slug:what>/", ending, name="version_ending"),
]
