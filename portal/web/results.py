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
from domains.people.permissions import Permission, allows
from domains.requests import queries, releases
from domains.requests.guards import is_separate
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
    found = releases.result(analysis, by=request.user)
    values = {
        "analysis": analysis,
        "release": found.release,
        "grid": answers.grid(found.answer, key="result", page=request.GET.get("page", "1")),
        "progress": queries.progress(analysis, timezone.now()),
        "balances": books.balances(analysis.grant, analysis.author),
        "may_release": found.release.status == "awaiting_review"
        and allows(request.user, Permission.RESULT_RELEASE, on=analysis)
        and is_separate(analysis, request.user),
        "form": form,
        "node_name": settings.NODE_NAME,
    }
    return render(request, "results/detail.html", values, status=422 if form.errors else 200)


def _released(request: HttpRequest, key: str) -> releases.Result:
    return releases.result(queries.detail(key, request.user), by=request.user)


@require_GET
def as_csv(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as CSV: each figure beside its ±, and no cell that a spreadsheet would run."""
    found = _released(request, key)
    name = sheets.file_name(found, "csv")
    return pages.download(sheets.of(found.answer), name=name, content_type="text/csv; charset=utf-8")


@require_GET
def as_parquet(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as Parquet, with its notes and its certificate in the footer."""
    found = _released(request, key)
    name = sheets.file_name(found, "parquet")
    return pages.download(sheets.to_parquet(found), name=name, content_type="application/vnd.apache.parquet")


@require_GET
def as_bundle(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer as JSON with its certificate, its exact bytes and the receipt that proves them."""
    analysis = queries.detail(key, request.user)
    found = releases.result(analysis, by=request.user)
    text = sheets.bundle(found, releases.receipt(analysis, by=request.user))
    return pages.download(text, name=sheets.file_name(found, "json"), content_type="application/json")


@require_GET
def as_json(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the answer's exact bytes, the ones whose hash the receipt proves."""
    payload = _released(request, key).payload
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


urlpatterns = [
    path("requests/<str:key>/result/", result, name="result"),
    path("requests/<str:key>/result.csv", as_csv, name="result_csv"),
    path("requests/<str:key>/result.parquet", as_parquet, name="result_parquet"),
    path("requests/<str:key>/result-with-receipt.json", as_bundle, name="result_bundle"),
    path("requests/<str:key>/result.json", as_json, name="result_json"),
    path("requests/<str:key>/receipt.json", receipt, name="receipt"),
    path("requests/<str:key>/release/", release, name="release"),
]
