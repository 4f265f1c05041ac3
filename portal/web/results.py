"""The result of a request: its table with errors, what it cost, its receipt, and its downloads."""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from domains.ledger import queries as books
from domains.people.permissions import Permission, allows, require
from domains.requests import incidents, queries, releases
from domains.requests.guards import has_approved, is_separate
from domains.requests.models import AnalysisRequest
from portal import sheets
from portal.web import answers, pages
from portal.web.access import recent_sign_in
from portal.web.forms import ReasonForm


@require_GET
def result(request: HttpRequest, key: str) -> HttpResponse:
    """Show the released answer to a member of the project, or a held one to those who may release it."""
    analysis = queries.detail(key, request.user)
    return _page(request, analysis, ReasonForm())


def _page(request: HttpRequest, analysis: AnalysisRequest, form: ReasonForm) -> HttpResponse:
    found = releases.fetch(analysis, form="page", by=request.user)
    values = {
        "analysis": analysis,
        "release": found.release,
        "grid": answers.grid(found.answer, key="result", page=request.GET.get("page", "1")),
        "progress": queries.progress(analysis, timezone.now()),
        "balances": books.balances(analysis.grant, analysis.author),
        "may_release": found.release.status == "awaiting_review"
        and allows(request.user, Permission.RESULT_RELEASE, on=analysis)
        and is_separate(analysis, request.user),
        "has_approved": has_approved(analysis, request.user),
        "may_revoke": incidents.may_revoke(analysis, request.user),
        "form": form,
        "node_name": settings.NODE_NAME,
    }
    return render(request, "results/detail.html", values, status=422 if form.errors else 200)


def _released(request: HttpRequest, key: str, form: str) -> releases.Result:
    return releases.fetch(queries.detail(key, request.user), form=form, by=request.user)


@require_GET
def as_csv(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as CSV: each figure beside its ±, and no cell that a spreadsheet would run."""
    found = _released(request, key, "csv")
    name = sheets.file_name(found, "csv")
    return pages.download(sheets.of(found.answer), name=name, content_type="text/csv; charset=utf-8")


@require_GET
def as_parquet(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as Parquet, with its notes and its certificate in the footer."""
    found = _released(request, key, "parquet")
    name = sheets.file_name(found, "parquet")
    return pages.download(sheets.to_parquet(found), name=name, content_type="application/vnd.apache.parquet")


@require_GET
def as_bundle(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as JSON with its certificate, its exact bytes and the receipt that proves them."""
    analysis = queries.detail(key, request.user)
    found = releases.fetch(analysis, form="bundle", by=request.user)
    text = sheets.bundle(found, releases.receipt(analysis, by=request.user))
    return pages.download(text, name=sheets.file_name(found, "json"), content_type="application/json")


@require_GET
def as_json(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer's exact bytes, the ones whose hash the receipt proves."""
    payload = _released(request, key, "payload").payload
    return pages.download(payload, name=f"result-{key}.json", content_type="application/json")


@require_GET
def receipt(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the receipt: what proves to an outsider that this answer was released and charged."""
    analysis = queries.detail(key, request.user)
    text = json.dumps(releases.receipt(analysis, by=request.user), indent=2)
    return pages.download(text, name=f"receipt-{key}.json", content_type="application/json")


@require_http_methods(["POST"])
@recent_sign_in
def release(request: HttpRequest, key: str) -> HttpResponse:
    """Let a held answer out, or keep it back with a reason; the form names the bytes that were looked at."""
    analysis = queries.detail(key, request.user)
    found = releases.result(analysis, by=request.user)
    if request.POST.get("do") == "reject":
        form = ReasonForm(request.POST)
        if not form.is_valid():
            return _page(request, analysis, form)
        reason = form.cleaned_data["reason"]
        pages.act(request, "Kept back.", releases.reject, found.release, reason=reason, by=request.user)
        return redirect("queue")
    sha256 = request.POST.get("sha256", "")
    pages.act(request, "Released.", releases.release_held, found.release, sha256=sha256, by=request.user)
    return redirect("queue")


@require_http_methods(["GET", "POST"])
@recent_sign_in
def take_back(request: HttpRequest, key: str) -> HttpResponse:
    """Say what taking a released answer back does, ask why, and do it."""
    analysis = queries.detail(key, request.user)
    require(request.user, Permission.RESULT_RELEASE, on=analysis)
    if not incidents.may_revoke(analysis, request.user):
        return redirect("incident", key)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        release = analysis.releases.first()
        reason = form.cleaned_data["reason"]
        done, _ = pages.attempt(form, incidents.revoke_release, release, reason=reason, by=request.user)
        if done:
            pages.say(request, "Taken back. The project was told to delete its copies.")
            return redirect("incident", key)
    found = incidents.incident(analysis, by=request.user)
    values = {"analysis": analysis, "found": found, "form": form, "members": _members(analysis)}
    return render(request, "results/take_back.html", values, status=422 if form.errors else 200)


def _members(analysis: AnalysisRequest) -> list[str]:
    rows = analysis.project.members.filter(ended_at=None).select_related("user")
    return [row.user.name for row in rows]


@require_GET
def incident(request: HttpRequest, key: str) -> HttpResponse:
    """Show deciders and auditors who fetched an answer, and why and by whom it was taken back."""
    analysis = queries.detail(key, request.user)
    found = incidents.incident(analysis, by=request.user)
    values = {
        "analysis": analysis,
        "found": found,
        "downloads": pages.page_of(request, found.downloads),
        "may_revoke": incidents.may_revoke(analysis, request.user),
    }
    return render(request, "results/incident.html", values)


urlpatterns = [
    path("requests/<str:key>/result/", result, name="result"),
    path("requests/<str:key>/result.csv", as_csv, name="result_csv"),
    path("requests/<str:key>/result.parquet", as_parquet, name="result_parquet"),
    path("requests/<str:key>/result-with-receipt.json", as_bundle, name="result_bundle"),
    path("requests/<str:key>/result.json", as_json, name="result_json"),
    path("requests/<str:key>/receipt.json", receipt, name="receipt"),
    path("requests/<str:key>/release/", release, name="release"),
    path("requests/<str:key>/take-back/", take_back, name="release_revoke"),
    path("requests/<str:key>/incident/", incident, name="incident"),
]
