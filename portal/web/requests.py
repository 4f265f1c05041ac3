"""Scientists' pages of requests: the list, and one request from draft to answer."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.people.permissions import Permission, allows
from domains.requests import actions, incidents, queries
from domains.requests.estimates import Estimate, estimate_revision
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from portal.web import pages, shown, timeline
from portal.web.forms import CommentForm

EDITABLE = {Status.DRAFT, Status.READY, Status.CHANGES_REQUESTED}


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the requests this person may read, newest first."""
    search, status = request.GET.get("search", "").strip(), request.GET.get("status", "")
    rows = queries.visible_to(request.user)
    if search:
        rows = rows.filter(title__icontains=search)
    if status in Status.values:
        rows = rows.filter(status=status)
    page = pages.page_of(request, rows)
    now = timezone.now()
    lines = [(row, queries.progress(row, now)) for row in page]
    statuses = [(each.value, AnalysisRequest.lifecycle[each].label) for each in Status]
    values = {"page": page, "lines": lines, "search": search, "status": status, "statuses": statuses}
    return render(request, "requests/list.html", values)


@require_GET
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """Show one request: where it stands and why, what it asks and costs, its mock run and its thread."""
    return _page(request, queries.detail(key, request.user), CommentForm())


def _page(request: HttpRequest, analysis: AnalysisRequest, form: CommentForm) -> HttpResponse:
    priced: Estimate | None = None
    if analysis.revision is not None and analysis.status in EDITABLE | {Status.IN_REVIEW}:
        priced = _priced_or_none(analysis, request)
    values = _standing(analysis, request) | {
        "form": form,
        "estimate": priced,
        "outputs": shown.stored_errors(analysis.revision),
        "mock": shown.mock_run(analysis, timezone.now()),
    }
    return render(request, "requests/detail.html", values, status=422 if form.errors else 200)


def _priced_or_none(analysis: AnalysisRequest, request: HttpRequest) -> Estimate | None:
    """Price the stored revision as things stand; a schema or version that moved on is no error of this page."""
    try:
        return estimate_revision(analysis.revision, by=request.user)
    except pages.REFUSALS:
        return None


def _standing(analysis: AnalysisRequest, request: HttpRequest) -> dict[str, Any]:
    progress = queries.progress(analysis, timezone.now())
    user = request.user
    return {
        "analysis": analysis,
        "progress": progress,
        "steps": timeline.steps(analysis, progress),
        "is_moving": progress.code in {"queued", "running"},
        "may_edit": analysis.status in EDITABLE and allows(user, Permission.REQUEST_EDIT, on=analysis),
        "may_submit": analysis.status == Status.READY
        and allows(user, Permission.REQUEST_SUBMIT, on=analysis),
        "may_withdraw": not progress.is_final
        and progress.code != "held"
        and allows(user, Permission.REQUEST_WITHDRAW, on=analysis),
        "may_decide": queries.may_decide(analysis, user),
        "may_read_result": progress.code == "released" and allows(user, Permission.RESULT_READ, on=analysis),
        "may_see_fetches": progress.code in {"released", "release_revoked"}
        and incidents.may_look(analysis, user),
        "may_release": progress.code == "held" and allows(user, Permission.RESULT_RELEASE, on=analysis),
    }


@require_GET
def status_fragment(request: HttpRequest, key: str) -> HttpResponse:
    """Show where a request stands; the page asks again every second while it is queued or running."""
    return render(request, "requests/_status.html", _standing(queries.detail(key, request.user), request))


@require_POST
def check(request: HttpRequest, key: str) -> HttpResponse:
    """Check and price what is written."""
    analysis = queries.detail(key, request.user)
    pages.act(request, "", actions.check, analysis, by=request.user)
    return redirect("request", key)


@require_POST
def submit(request: HttpRequest, key: str) -> HttpResponse:
    """Hand the revision that the page showed to the policy and the people who decide."""
    analysis = queries.detail(key, request.user)
    revision = (
        int(request.POST.get("revision", "0") or 0) if request.POST.get("revision", "").isdigit() else 0
    )
    pages.act(request, "Submitted.", actions.submit, analysis, revision=revision, by=request.user)
    return redirect("request", key)


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, key: str) -> HttpResponse:
    """Ask once more, then take the request back."""
    analysis = queries.detail(key, request.user)
    if request.method == "GET":
        return render(request, "requests/withdraw.html", {"analysis": analysis})
    pages.act(request, "Withdrawn.", actions.withdraw, analysis, by=request.user)
    return redirect("request", key)


@require_POST
def comment(request: HttpRequest, key: str) -> HttpResponse:
    """Add a line to the thread."""
    analysis = queries.detail(key, request.user)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _page(request, analysis, form)
    pages.act(request, "", actions.comment, analysis, form.cleaned_data["text"], by=request.user)
    return pages.back_to(request, "request", key)


@require_POST
def mock(request: HttpRequest, key: str) -> HttpResponse:
    """Queue the current revision on the dataset's mock."""
    analysis = queries.detail(key, request.user)
    pages.act(request, "The mock run is queued.", actions.run_on_mock, analysis, by=request.user)
    return redirect("request", key)


@require_GET
def mock_fragment(request: HttpRequest, key: str) -> HttpResponse:
    """Show the mock run; the page asks again every second until it has ended."""
    analysis = queries.detail(key, request.user)
    values = {"analysis": analysis, "mock": shown.mock_run(analysis, timezone.now())}
    return render(request, "requests/_mock.html", values)


urlpatterns = [
    path("requests/", listing, name="requests"),
    path("requests/<str:key>/", detail, name="request"),
    path("requests/<str:key>/status/", status_fragment, name="request_status"),
    path("requests/<str:key>/check/", check, name="request_check"),
    path("requests/<str:key>/submit/", submit, name="request_submit"),
    path("requests/<str:key>/withdraw/", withdraw, name="request_withdraw"),
    path("requests/<str:key>/comment/", comment, name="request_comment"),
    path("requests/<str:key>/mock/", mock, name="request_mock"),
    path("requests/<str:key>/mock/status/", mock_fragment, name="request_mock_status"),
]
