"""Agreements as those read them who accept them: what is due, the text, what changed, and the acceptance."""

from __future__ import annotations

import difflib
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from domains.agreements import actions, queries, signing, standing
from domains.agreements.models import Agreement, AgreementVersion
from domains.catalog.models import Dataset, ResearchArea
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from portal.web import pages
from portal.web.shown import DiffLine


class AcceptForm(forms.Form):
    """The hash of what was shown, and the tick that says it was read."""

    sha256 = forms.CharField(max_length=64, widget=forms.HiddenInput)
    agreed = forms.BooleanField(
        label="I have read this text and accept it",
        error_messages={"required": "Tick the box to accept the text."},
    )


def changed(before: str, after: str) -> list[DiffLine]:
    """Return what changed between two texts, line by line, with three lines around each change."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]
    return [DiffLine("…", "") if line.startswith("@@") else DiffLine(line[0], line[1:]) for line in lines]


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show what waits for this person, what they accepted, every agreement here, and which they manage."""
    user = request.user
    waiting = list(queries.waiting_for(user, timezone.now()))
    values = {
        "waiting": waiting,
        "page": pages.page_of(request, queries.agreements(user)),
        "due": {row.pk for row in waiting},
        "accepted": queries.acceptances_of(user)[:50],
        "managed": {row.pk for row in queries.managed(user)},
        "may_add": bool(scopes(user)),
    }
    return render(request, "agreements/list.html", values)


def scopes(user: User) -> list[tuple[str, str]]:
    """Return what this person may write agreements for: the node, their areas, their datasets."""
    found = [("node", "The whole node")] if allows(user, Permission.TERMS_MANAGE) else []
    if Role.OWNER not in user.node_roles or not _in_scope(user):
        return found
    areas = ResearchArea.objects.filter(
        seats__user=user, seats__role=Role.AREA_OWNER, seats__ended_at=None
    ).distinct()
    datasets = Dataset.objects.filter(
        stewards__user=user, stewards__role=Role.DATASET_OWNER, stewards__ended_at=None
    ).distinct()
    found += [(f"area:{area.pk}", f"Research area: {area.name}") for area in areas]
    return found + [(f"dataset:{row.pk}", f"Dataset: {row.title}") for row in datasets.order_by("title")]


def _in_scope(user: User) -> bool:
    return user.token_scopes is None or Permission.AGREEMENT_MANAGE in user.token_scopes


@require_GET
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """Show the text in force, what changed since the version accepted before, and the form to accept it."""
    row = queries.agreement(key, request.user)
    shown = queries.current(row, timezone.now()) or row.versions.first()
    return _page(request, row, shown)


@require_GET
def version(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """Show one version's text."""
    row = queries.agreement(key, request.user)
    return _page(request, row, queries.version(row, number))


def _page(
    request: HttpRequest, row: Agreement, shown: AgreementVersion | None, form: AcceptForm | None = None
) -> HttpResponse:
    user, now = request.user, timezone.now()
    in_force = queries.current(row, now)
    values: dict[str, Any] = {
        "agreement": row,
        "version": shown,
        "in_force": in_force,
        "may_manage": queries.may_manage(row, user),
        "may_look": standing.may_look(row, user),
        "form": form,
        "now": now,
    }
    if shown is not None:
        values |= _mine(row, shown, in_force, user, form)
    return render(request, "agreements/detail.html", values, status=422 if form else 200)


def _mine(
    row: Agreement,
    shown: AgreementVersion,
    in_force: AgreementVersion | None,
    user: User,
    form: AcceptForm | None,
) -> dict[str, Any]:
    """Return what the page says of this person's own acceptance of the version shown."""
    mine = queries.latest(shown, user)
    is_open = row.retired_at is None and (in_force is None or shown.number >= in_force.number)
    wanted = mine is None or signing.is_renewable(mine)
    before = queries.accepted_before(row, user, than=shown.number)
    return {
        "mine": mine,
        "before": before,
        "diff": changed(before.text, shown.text) if before is not None else [],
        "form": form or AcceptForm(initial={"sha256": shown.sha256}),
        "may_accept": is_open and wanted and allows(user, Permission.AGREEMENT_ACCEPT),
    }


@require_POST
def accept(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """Keep that this person accepted the bytes whose hash was shown."""
    row = queries.agreement(key, request.user)
    shown = queries.version(row, number)
    form = AcceptForm(request.POST)
    if not form.is_valid():
        return _page(request, row, shown, form)
    words = {"sha256": form.cleaned_data["sha256"], "through": "page", "by": request.user}
    pages.act(
        request, "Accepted and recorded. What it suspended works again.", actions.accept, shown, **words
    )
    return redirect("agreement", key)


@require_GET
def download(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """Offer a version's exact bytes, which have the hash that the page shows."""
    found = queries.version(queries.agreement(key, request.user), number)
    name = f"agreement-{found.agreement_id}-v{number}.md"
    return pages.download(found.text.encode(), name=name, content_type="text/markdown; charset=utf-8")


urlpatterns = [
    path("agreements/", listing, name="agreements"),
    path("agreements/<str:key>/", detail, name="agreement"),
    path("agreements/<str:key>/versions/<int:number>/", version, name="agreement_version"),
    path("agreements/<str:key>/versions/<int:number>/accept/", accept, name="agreement_accept"),
    path("agreements/<str:key>/versions/<int:number>/text/", download, name="agreement_text"),
]
