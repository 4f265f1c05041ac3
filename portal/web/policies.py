"""A dataset's rules for automation: written by one person, tried on past requests and activated by another."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import actions, conditions, queries
from domains.catalog import policy as language
from domains.catalog import rules as rules_of
from domains.catalog.models import AccessPolicy, Dataset, DryRun
from domains.catalog.policy import PolicyInvalid
from domains.catalog.templates import TEMPLATES
from domains.people.permissions import Permission, allows, require
from domains.requests import dry_runs
from domains.requests.queries import visible_to
from portal import sheets
from portal.web import pages, shown
from portal.web.access import recent_sign_in
from portal.web.policy_forms import ANSWERS, Editor

MOST_TRIED = 25  # lines of a dry run in the editor


@require_GET
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what automation may decide on this dataset, and what was proposed."""
    row, user = queries.dataset(slug, request.user), request.user
    current = row.current
    is_owner = allows(user, Permission.DATASET_EDIT, on=row)
    waits = current is not None and current.mock_origin == "uploaded" and current.mock_approved_by_id is None
    values = {
        "dataset": row,
        "policies": [(policy, _words(policy)) for policy in queries.policies(row, user)],
        "may_propose": allows(user, Permission.POLICY_PROPOSE, on=row),
        "may_activate": allows(user, Permission.POLICY_ACTIVATE, on=row),
        "mock_to_approve": current if waits else None,
        "may_approve_mock": allows(user, Permission.MOCK_APPROVE, on=row) and not is_owner,
    }
    return render(request, "owning/rules.html", values)


def _words(policy: AccessPolicy) -> list[tuple[str, str]]:
    """Return each rule's title and sentence."""
    document, delta = policy.rules, policy.dataset.population.conversion_delta
    return [(rule.title, rule.in_words(delta)) for rule in document.rules]


@require_http_methods(["GET", "POST"])
@recent_sign_in
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Write rules: begun from a template or an earlier version, changed line by line, tried, and proposed."""
    row = queries.dataset(slug, request.user)
    require(request.user, Permission.POLICY_PROPOSE, on=row)
    delta, do = row.population.conversion_delta, request.POST.get("do", "")
    if request.method == "GET":
        return _editor_page(request, row, Editor.of(_begun(request, row), delta))
    if do.removeprefix("use-") in TEMPLATES:
        made = TEMPLATES[do.removeprefix("use-")].make(delta)
        return _editor_page(request, row, Editor.of(made, delta))
    editor = Editor.posted(request.POST, delta)
    if do not in {"show", "try", "propose"}:
        editor.do(do, request.POST)
        return _editor_page(request, row, editor)
    editor.say()
    try:
        if do == "propose":
            policy = actions.propose_policy(row, document=editor.document(), by=request.user)
            pages.say(request, "Proposed. Another person has to try it and activate it.")
            return redirect("policy", slug, policy.number)
        document = rules_of.read_document(row, editor.document())
    except PolicyInvalid as refused:
        editor.blame(refused)
        return _editor_page(request, row, editor, status=422)
    tried = _tried(request, row, document) if do == "try" else {"is_whole": True}
    return _editor_page(request, row, editor, **tried)


def _begun(request: HttpRequest, row: Dataset) -> dict[str, Any]:
    """Return the document that the editor opens with: an earlier version, what is in force, or a template."""
    number = request.GET.get("from", "")
    if number.isascii() and number.isdigit() and len(number) < 10:
        return queries.policy(row, int(number), request.user).rules.to_dict()
    active = queries.policies(row, request.user).filter(activated_at__isnull=False, ended_at=None).first()
    return active.rules.to_dict() if active else TEMPLATES["people"].make(row.population.conversion_delta)


def _tried(request: HttpRequest, row: Dataset, document: language.Document) -> dict[str, Any]:
    lines = dry_runs.try_document(document, row, days=_days(request), user=request.user)
    if lines is None:
        return {"too_many": True}
    changed = [line for line in reversed(lines) if line.is_changed]
    return {"counts": dry_runs.counts_of(lines), "lines": _titled(changed[:MOST_TRIED], request)}


def _days(request: HttpRequest) -> int:
    asked = request.POST.get("days", "")
    return next((days for days in dry_runs.PERIODS if str(days) == asked), 90)


def _editor_page(
    request: HttpRequest, row: Dataset, editor: Editor, status: int = 200, **more: Any
) -> HttpResponse:
    values = {
        "dataset": row,
        "editor": editor,
        "answers": ANSWERS,
        "kinds": conditions.KINDS.values(),
        "templates": TEMPLATES.values(),
        "columns": rules_of.columns_of(row),
        "periods": dry_runs.PERIODS,
        "days": _days(request),
        "has_faults": status == 422,
    }
    return render(request, "owning/policy_edit.html", values | more, status=status)


@require_GET
def detail(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one version: its rules, what it changes, what it was tried on, and what can be done with it."""
    policy, user = _policy(request, slug, number), request.user
    active = None
    if policy.phase == "proposed":
        rows = queries.policies(policy.dataset, user)
        active = rows.filter(activated_at__isnull=False, ended_at=None).first()
    before = [text for _, text in _words(active)] if active else []
    after = [text for _, text in _words(policy)]
    values = {
        "dataset": policy.dataset,
        "policy": policy,
        "words": _words(policy),
        "active": active,
        "diff": shown.diff("\n".join(before), "\n".join(after)) if active else None,
        "document": policy.document,
        "dry_runs": dry_runs.dry_runs(policy, user)[:10],
        "may_read_runs": dry_runs.may_read(policy, user),
        "under_way": dry_runs.under_way(policy, user),
        "periods": dry_runs.PERIODS,
    }
    return render(request, "owning/policy.html", values | _may(policy, request))


def _may(policy: AccessPolicy, request: HttpRequest) -> dict[str, bool]:
    """Return what this person may do with a version now."""
    user, is_open = request.user, policy.phase != "ended"
    proposes = allows(user, Permission.POLICY_PROPOSE, on=policy)
    activates = allows(user, Permission.POLICY_ACTIVATE, on=policy)
    is_other = policy.proposed_by_id != user.pk
    return {
        "may_try": is_open and (proposes or activates),
        "may_activate": policy.phase == "proposed" and activates and is_other,
        "may_end": is_open and proposes,
        "may_copy": proposes,
    }


def _policy(request: HttpRequest, slug: str, number: int) -> AccessPolicy:
    return queries.policy(queries.dataset(slug, request.user), number, request.user)


@require_POST
def try_policy(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Try a version on past requests, and show what came out, or that a worker is at it."""
    policy = _policy(request, slug, number)
    made = dry_runs.try_policy(policy, days=_days(request), by=request.user)
    if isinstance(made, DryRun):
        return redirect("dry_run", slug, number, made.pk)
    pages.say(request, "A worker tries it: there are many requests. It will be listed here.")
    return redirect("policy", slug, number)


@require_GET
def dry_run(request: HttpRequest, slug: str, number: int, dry: str) -> HttpResponse:
    """Show a dry run request by request, and let whoever may activate the policy having seen it."""
    policy = _policy(request, slug, number)
    made = dry_runs.dry_run(policy, dry, request.user)
    only_changed = request.GET.get("show") == "changed"
    lines = [line for line in dry_runs.lines_of(made) if line.is_changed or not only_changed]
    page = Paginator(lines, pages.PAGE_SIZE).get_page(request.GET.get("page"))
    may = _may(policy, request)
    values = {
        "dataset": policy.dataset,
        "policy": policy,
        "made": made,
        "changes": _changes(made.counts),
        "page": page,
        "lines": _titled(list(page), request),
        "only_changed": only_changed,
        "may_activate_now": may["may_activate"] and made.made_by_id == request.user.pk,
    }
    return render(request, "owning/dry_run.html", values | may)


def _changes(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    """Return each kind of changed answer with its number."""
    return [(*way.split(">"), count) for way, count in sorted(counts.items()) if ">" in way]  # type: ignore[misc]


def _titled(lines: list[dry_runs.Line], request: HttpRequest) -> list[tuple[dry_runs.Line, Any]]:
    """Return lines with their requests, where this person may read them: one query for a page."""
    rows = visible_to(request.user).filter(pk__in=[line.request for line in lines])
    found = {row.pk: row for row in rows.prefetch_related(None)}
    return [(line, found.get(line.request)) for line in lines]


@require_GET
def lines_csv(request: HttpRequest, slug: str, number: int, dry: str) -> HttpResponse:
    """Offer every line of a dry run as CSV, which no spreadsheet runs."""
    made = dry_runs.dry_run(_policy(request, slug, number), dry, request.user)
    header = (
        "request",
        "revision_sha256",
        "submitted_at",
        "answered_then",
        "became",
        "would_answer",
        "rules",
    )
    rows = [
        (line.request, line.revision, line.at, line.then, line.became, line.now, " ".join(line.rules))
        for line in dry_runs.lines_of(made)
    ]
    name = f"dry-run-{slug}-v{number}-{made.pk}.csv"
    return pages.download(sheets.to_csv(header, rows), name=name, content_type="text/csv; charset=utf-8")


@require_POST
@recent_sign_in
def activate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Put a proposed version into force, as the second person, who has seen a dry run of it."""
    policy = _policy(request, slug, number)
    require(request.user, Permission.POLICY_ACTIVATE, on=policy)
    key = request.POST.get("dry_run", "")
    seen = dry_runs.dry_run(policy, key, request.user) if key else None
    done = pages.act(request, "Activated.", actions.activate_policy, policy, dry_run=seen, by=request.user)
    return redirect("dataset_rules", slug) if done else redirect("policy", slug, number)


@require_POST
@recent_sign_in
def end(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """End a version, so that people decide on everything."""
    done = "Ended. People decide on every request now."
    pages.act(request, done, actions.end_policy, _policy(request, slug, number), by=request.user)
    return redirect("dataset_rules", slug)


urlpatterns = [
    path("datasets/<slug:slug>/rules/", rules, name="dataset_rules"),
    path("datasets/<slug:slug>/rules/new/", edit, name="policy_new"),
    path("datasets/<slug:slug>/rules/<int:number>/", detail, name="policy"),
    path("datasets/<slug:slug>/rules/<int:number>/try/", try_policy, name="policy_try"),
    path("datasets/<slug:slug>/rules/<int:number>/activate/", activate, name="policy_activate"),
    path("datasets/<slug:slug>/rules/<int:number>/end/", end, name="policy_end"),
    path("datasets/<slug:slug>/rules/<int:number>/dry-runs/<str:dry>/", dry_run, name="dry_run"),
    path(
        "datasets/<slug:slug>/rules/<int:number>/dry-runs/<str:dry>/lines.csv", lines_csv, name="dry_run_csv"
    ),
]
