"""Deciders' pages: what waits, the decision with everything it needs, its confirmation and its undoing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog.using import conditions_of
from domains.errors import BudgetExhausted, NotAllowed
from domains.evidence import register
from domains.people.models import User
from domains.projects.fitness import fit
from domains.projects.models import Vote
from domains.requests import briefing, decisions, queries, standing
from domains.requests.estimates import estimate_revision
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.policy import Allow, Refuse
from portal import code
from portal.web import pages, panel, shown
from portal.web.access import recent_sign_in
from portal.web.forms import CommentForm, DecisionForm, ReasonForm

PARTS = (
    ("What is decided", "what"),
    ("Budget effect", "effect"),
    ("What comes out", "out"),
    ("The query", "query"),
    ("Policy checks", "policy"),
    ("Thread and earlier answers", "thread"),
    ("Your decision", "decide"),
)


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show what waits for this person's decision, the longest waiting first, and answers held for release."""
    assigned = request.GET.get("assigned", "all")
    assigned = assigned if assigned in queries.ASSIGNED else "all"
    page = pages.page_of(request, queries.queue(request.user, assigned=assigned))
    lines = [(row, standing.standing(row)) for row in page]
    filters = [(key, key.capitalize(), key == assigned) for key in ("all", *queries.ASSIGNED)]
    values: dict[str, Any] = {"page": page, "lines": lines, "filters": filters, "assigned": assigned}
    values |= {"held": queries.held_releases(request.user)[: pages.PAGE_SIZE]}
    return render(request, "queue/list.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def decision(request: HttpRequest, key: str) -> HttpResponse:
    """Show the decision page; a posted vote is restated for confirmation, a confirmed one is cast."""
    analysis = queries.detail(key, request.user)
    if not briefing.may_read(analysis, request.user):
        raise NotAllowed("Requests on this dataset are decided by its owners and the reviewers they assign.")
    if request.method == "GET":
        revision = analysis.revision.number if analysis.revision else 0
        return _page(request, analysis, DecisionForm(initial={"revision": revision, "vote": None}))
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, analysis, form)
    if request.POST.get("do") != "confirm":
        return _restate(request, analysis, form)
    return _cast(request, analysis, form)


def _page(request: HttpRequest, analysis: AnalysisRequest, form: DecisionForm) -> HttpResponse:
    revision, now = analysis.revision, timezone.now()
    before = queries.revision_before(analysis)
    values = {
        "analysis": analysis,
        "form": form,
        "progress": queries.progress(analysis, now),
        "revision": revision,
        "outputs": shown.stored_errors(revision),
        "mock": shown.mock_run(analysis, now),
        "previous": before,
        "lines": _lines(before, revision),
        "earlier": briefing.earlier(analysis),
        "may_decide": queries.may_decide(analysis, request.user),
        "may_undo": queries.may_undo(analysis, request.user, now),
        "comment_form": CommentForm(),
        "is_listed": register.is_public(analysis.grant.project.decided_at),
        "fits": fit(conditions_of(analysis.dataset), analysis.grant.project.purpose_codes, today=now.date()),
        "risk": briefing.risk(revision),
    }
    values |= panel.shown(analysis, request.user) | _priced(request, analysis)
    values |= {"parts": PARTS if values["may_decide"] else PARTS[:-1], "then": analysis.policy_findings}
    return render(request, "queue/decision.html", values, status=422 if form.errors else 200)


def _priced(request: HttpRequest, analysis: AnalysisRequest) -> dict[str, Any]:
    """Price the revision as things stand now; a refusal is shown where its cost would be."""
    if analysis.revision is None:
        return {}
    try:
        found = estimate_revision(analysis.revision, by=request.user)
    except pages.REFUSALS as error:
        return {"cannot_price": str(error)}
    kinds = {Allow: "allow", Refuse: "refuse"}
    outputs = shown.expected_errors(found, "")
    return {"estimate": found, "verdict": kinds.get(type(found.verdict), "refer"), "outputs": outputs}


def _lines(before: Revision | None, revision: Revision | None) -> list[code.Line]:
    """Return the text to decide on, marked with what changed since the revision before."""
    if revision is None:
        return []
    return code.changes(before.sql, revision.sql) if before else code.lines(revision.sql)


def _restate(request: HttpRequest, analysis: AnalysisRequest, form: DecisionForm) -> HttpResponse:
    """Say once more what is about to be decided: dataset, loss, recipients, and with what effect."""
    vote = form.cleaned_data["vote"]
    values = {
        "analysis": analysis,
        "vote": vote,
        "vote_label": Vote(vote).label,
        "reason": form.cleaned_data["reason"],
        "revision_number": form.cleaned_data["revision"],
        "members": [row.user for row in _members(analysis)],
        "is_last": _completes(analysis, request.user),
        "undo_seconds": settings.UNDO_SECONDS,
    } | _priced(request, analysis)
    return render(request, "queue/confirm.html", values)


def _completes(analysis: AnalysisRequest, user: User) -> bool:
    """Say whether an approval by `user` would decide now."""
    found = standing.standing(analysis)
    own = frozenset(one for one in found.open if one.person == user.pk)
    return replace(found, approved=found.approved | own).is_reached


def _members(analysis: AnalysisRequest) -> list[Any]:
    return list(analysis.project.members.filter(ended_at=None).select_related("user"))


def _cast(request: HttpRequest, analysis: AnalysisRequest, form: DecisionForm) -> HttpResponse:
    words = {
        Vote.APPROVE: "Approved."
        if _completes(analysis, request.user)
        else "Your approval is counted. Others have to vote too.",
        Vote.REQUEST_CHANGES: "Sent back to its author with your reason.",
        Vote.DENY: "Denied; its author sees your reason.",
    }
    data = form.cleaned_data
    try:
        done = pages.act(
            request,
            words[data["vote"]],
            decisions.review,
            analysis,
            revision=data["revision"],
            vote=data["vote"],
            reason=data["reason"],
            by=request.user,
            undo_seconds=settings.UNDO_SECONDS,
        )
    except BudgetExhausted as error:
        messages.error(request, str(error))
        done = False
    if done and data["vote"] != Vote.APPROVE:
        return redirect("queue")
    return redirect("decision", analysis.pk)


@require_POST
@recent_sign_in
def undo(request: HttpRequest, key: str) -> HttpResponse:
    """Take one's own approval back while no worker has taken it up."""
    analysis = queries.detail(key, request.user)
    done = "Approval taken back. The request is in review again."
    pages.act(request, done, decisions.undo_approval, analysis, by=request.user)
    return redirect("decision", key)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def revoke(request: HttpRequest, key: str) -> HttpResponse:
    """Take an approval back for good, with a reason, before the run opens the data."""
    analysis = queries.detail(key, request.user)
    form = ReasonForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        if analysis.status != Status.APPROVED:
            return redirect("decision", key)
        return render(request, "queue/revoke.html", {"analysis": analysis, "form": form})
    reason = form.cleaned_data["reason"]
    pages.act(request, "Approval revoked.", decisions.revoke, analysis, reason=reason, by=request.user)
    return redirect("decision", key)


urlpatterns = [
    path("queue/", listing, name="queue"),
    *panel.urlpatterns,
    path("requests/<str:key>/decision/", decision, name="decision"),
    path("requests/<str:key>/undo/", undo, name="request_undo"),
    path("requests/<str:key>/revoke/", revoke, name="request_revoke"),
]
