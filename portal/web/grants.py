"""Access grants: the checklist, the administrator's allocation, and the owner's stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from domains.ledger import actions as ledger
from domains.ledger import queries as books
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects import actions, queries
from domains.projects.lifecycle import GrantStatus, ProjectStatus
from domains.projects.models import AccessGrant
from domains.projects.rights import Usable
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.forms import AllocateForm, ReasonForm


@dataclass(frozen=True)
class Line:
    """One grant on a project's page: whether it can be used and why not, and what this person may do with it."""

    grant: AccessGrant
    usable: Usable | None
    may_allocate: bool
    may_stop: bool
    may_ask_more: bool = False
    may_top_up: bool = False


def line(grant: AccessGrant, user: User, usable: Usable | None) -> Line:
    """Return what a project's page shows of a grant."""
    return Line(
        grant,
        usable,
        may_allocate=grant.status == GrantStatus.REQUESTED
        and grant.project.status == ProjectStatus.APPROVED
        and allows(user, Permission.BUDGET_ALLOCATE)
        and user.pk not in grant.project.member_ids,
        may_stop=not grant.state.is_final and allows(user, Permission.GRANT_REVOKE, on=grant),
        may_ask_more=grant.status == GrantStatus.GRANTED and allows(user, Permission.BUDGET_ASK, on=grant),
        may_top_up=grant.status == GrantStatus.GRANTED
        and allows(user, Permission.BUDGET_ALLOCATE)
        and user.pk not in grant.project.member_ids,
    )


@require_http_methods(["GET", "POST"])
@recent_sign_in
def allocate(request: HttpRequest, key: str) -> HttpResponse:
    """Ask how much; restate what it means for the dataset's budget; then allocate it."""
    grant = queries.grant(key, request.user)
    require(request.user, Permission.BUDGET_ALLOCATE)
    form = AllocateForm(request.POST or None)
    values: dict[str, Any] = {"grant": grant, "form": form, "balance": books.dataset_balance(grant.dataset)}
    if request.method == "GET" or not form.is_valid():
        return render(request, "projects/allocate.html", values, status=422 if form.errors else 200)
    data = form.cleaned_data
    if request.POST.get("do") != "confirm":
        return render(request, "projects/allocate.html", values | {"data": data})
    done, _ = pages.attempt(form, ledger.allocate, grant, **data, by=request.user)
    if not done:
        return render(request, "projects/allocate.html", values, status=422)
    pages.say(request, f"Allocated ε = {data['epsilon'].normalize():f}. The members were told.")
    return redirect("project", grant.project_id)


_STOPS = {
    "suspend": ("Suspend this grant", "Nothing runs until it is reinstated.", actions.suspend_grant),
    "reinstate": ("Reinstate this grant", "Work may go on within its budget.", actions.reinstate_grant),
    "revoke": (
        "End this grant",
        "It cannot be used again. What was spent stays spent.",
        actions.revoke_grant,
    ),
}


@require_http_methods(["GET", "POST"])
@recent_sign_in
def stop(request: HttpRequest, key: str, what: str) -> HttpResponse:
    """Ask why, then suspend, reinstate or end a grant."""
    grant = queries.grant(key, request.user)
    title, effect, action = _STOPS[what]
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pages.act(request, "Done.", action, grant, reason=form.cleaned_data["reason"], by=request.user)
        return redirect("project", grant.project_id)
    values = {"project": grant.project, "grant": grant, "form": form, "title": title, "effect": effect}
    return render(request, "projects/ending.html", values, status=422 if form.errors else 200)


urlpatterns = [
    path("grants/<str:key>/allocate/", allocate, name="grant_allocate"),
    *(path(f"grants/<str:key>/{what}/", stop, {"what": what}, name=f"grant_{what}") for what in _STOPS),
]
