"""Larger budgets: asking for one, proposing one, the second person's answer; and cuts and higher caps."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from domains.ledger import caps, limits, topups
from domains.ledger import queries as books
from domains.ledger.lifecycle import TOPUP
from domains.people.permissions import Permission, require
from domains.projects import queries as projects
from domains.requests import cuts
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.budget_forms import LimitForm, ProposeForm, WhyForm


@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, key: str) -> HttpResponse:
    """Let a member of the project ask for a larger budget, with a reason."""
    grant = projects.grant(key, request.user)
    require(request.user, Permission.BUDGET_ASK, on=grant)
    return _opened(request, grant, topups.ask, "Ask for a larger budget", "Ask")


@require_http_methods(["GET", "POST"])
@recent_sign_in
def propose_unasked(request: HttpRequest, key: str) -> HttpResponse:
    """Let an administrator propose a larger budget that nobody asked for."""
    grant = projects.grant(key, request.user)
    require(request.user, Permission.BUDGET_ALLOCATE, on=grant)
    return _opened(request, grant, topups.propose_unasked, "Propose a larger budget", "Propose")


def _opened(request: HttpRequest, grant: Any, action: Any, title: str, label: str) -> HttpResponse:
    form = LimitForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done, made = pages.attempt(form, action, grant, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, f"{made.state.label}. {made.state.meaning}")
            return redirect("topup", made.pk)
    balances = [row for row in books.balances(grant, request.user) if row.scope in {"grant", "dataset"}]
    values = {"grant": grant, "form": form, "title": title, "label": label, "balances": balances}
    return render(request, "budgets/ask.html", values, status=422 if form.errors else 200)


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """List the larger budgets asked for and what became of them, newest first."""
    status = request.GET.get("status", "")
    rows = topups.visible_to(request.user)
    if status in TOPUP:
        rows = rows.filter(status=status)
    values = {
        "page": pages.page_of(request, rows),
        "statuses": [(key, state.label) for key, state in TOPUP.items()],
        "status": status,
    }
    return render(request, "budgets/topups.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def detail(request: HttpRequest, topup: str) -> HttpResponse:
    """Show one larger budget with what this person may do about it, and do it."""
    row = topups.one(topup, request.user)
    do = request.POST.get("do", "")
    start = {"epsilon": row.epsilon.normalize(), "pure_epsilon": row.pure_epsilon}
    forms = {
        "propose": ProposeForm(request.POST if do == "propose" else None, initial=start),
        "decline": WhyForm(request.POST if do == "decline" else None),
    }
    failed = False
    if request.method == "POST":
        form = forms.get(do)
        if (form is None or form.is_valid()) and _do(request, row, do, form.cleaned_data if form else {}):
            return redirect("topup", row.pk)
        failed = True
        row = topups.one(topup, request.user)
    rows = [each for each in books.balances(row.grant, row.asked_by) if each.scope in {"grant", "dataset"}]
    values = {"row": row, "may": topups.may(row, request.user), "forms": forms, "balances": rows}
    return render(request, "budgets/topup.html", values, status=422 if failed else 200)


def _do(request: HttpRequest, row: Any, do: str, data: dict[str, Any]) -> bool:
    actions = {
        "propose": (topups.propose, "Proposed. A second person was told."),
        "confirm": (topups.confirm, "Confirmed: the budget was raised. The members were told."),
        "decline": (topups.decline, "Declined. The members were told why."),
        "withdraw": (topups.withdraw, "Taken back."),
    }
    if do not in actions:
        return False
    action, done = actions[do]
    return pages.act(request, done, action, row, **data, by=request.user)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def cut(request: HttpRequest, account: str) -> HttpResponse:
    """Ask how far and why, say what would end, then cut a limit."""
    balance = books.visible_balance(account, request.user)
    limits.require_changer(limits.readable_account(account), request.user)
    form = LimitForm(request.POST or None)
    values = {"balance": balance, "form": form, "is_cut": True, "title": "Cut this budget"}
    if request.method == "GET" or not form.is_valid():
        return render(request, "budgets/limit.html", values, status=422 if form.errors else 200)
    if request.POST.get("do") != "confirm":
        reserved = books.reservations(account)
        return render(
            request, "budgets/limit.html", values | {"data": form.cleaned_data, "reserved": len(reserved)}
        )
    done, ended = pages.attempt(form, cuts.cut, account, **form.cleaned_data, by=request.user)
    if not done:
        return render(request, "budgets/limit.html", values, status=422)
    count = len(ended)
    tail = f" {count} approved request{'s are' if count > 1 else ' is'} in review again." if ended else ""
    pages.say(request, f"The limit was cut.{tail}")
    return redirect("budget_account", account)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def raise_limit(request: HttpRequest, account: str) -> HttpResponse:
    """Propose a higher cap to a second person, or raise a person's own at once."""
    balance = books.visible_balance(account, request.user)
    row = limits.readable_account(account)
    limits.require_changer(row, request.user)
    if row.grant is not None:
        return redirect("grant_topup", row.grant_id)
    form = LimitForm(request.POST or None)
    values = {"balance": balance, "form": form, "is_cut": False, "title": "Raise this limit"}
    if request.method == "GET" or not form.is_valid():
        return render(request, "budgets/limit.html", values, status=422 if form.errors else 200)
    action = limits.change_limit if row.person_id else limits.propose_raise
    done, made = pages.attempt(form, action, account, **form.cleaned_data, by=request.user)
    if not done:
        return render(request, "budgets/limit.html", values, status=422)
    if made is None:
        pages.say(request, "The limit was raised.")
        return redirect("budget_account", account)
    pages.say(request, "Proposed. A reviewer of the research area confirms it.")
    return redirect("cap_proposal", made)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def cap(request: HttpRequest, cap: str) -> HttpResponse:
    """Show a proposed higher cap, and confirm it, turn it down or take it back."""
    row = caps.one(cap, request.user)
    if request.method == "POST":
        action = {"confirm": limits.confirm_raise, "end": limits.end_proposal}.get(request.POST.get("do", ""))
        if action is not None:
            pages.act(request, "Done.", action, row.pk, by=request.user)
            return redirect("cap_proposal", row.pk)
    values = {"row": row, "may": caps.may(row, request.user), "balance": books.balance(row.account_id)}
    return render(request, "budgets/cap.html", values, status=422 if request.method == "POST" else 200)


urlpatterns = [
    path("grants/<str:key>/ask-for-more/", ask, name="grant_ask_more"),
    path("grants/<str:key>/top-up/", propose_unasked, name="grant_topup"),
    path("budgets/topups/", listing, name="topups"),
    path("budgets/topups/<str:topup>/", detail, name="topup"),
    path("budgets/accounts/<str:account>/cut/", cut, name="account_cut"),
    path("budgets/accounts/<str:account>/raise/", raise_limit, name="account_raise"),
    path("budgets/caps/<str:cap>/", cap, name="cap_proposal"),
]
