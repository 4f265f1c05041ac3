"""The node's own page: whether it runs, its pauses, and emergency accesses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog.models import Dataset
from domains.emergency import actions as emergency
from domains.emergency import queries as emergencies
from domains.node import actions, queries
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects.models import Project
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.forms import ReasonForm


@require_GET
def node(request: HttpRequest) -> HttpResponse:
    """Show whether the node runs, and every pause there was."""
    values = {
        "pause": queries.current(),
        "page": pages.page_of(request, queries.pauses()),
        "may_pause": allows(request.user, Permission.NODE_PAUSE),
        "may_read_emergencies": allows(request.user, Permission.BREAK_GLASS_READ),
    }
    return render(request, "node/node.html", values)


_TURNS = {"pause": ("Pause the node", actions.pause), "resume": ("Resume the node", actions.resume)}


@require_http_methods(["GET", "POST"])
@recent_sign_in
def turn(request: HttpRequest, what: str) -> HttpResponse:
    """Ask why, then pause or resume the node."""
    require(request.user, Permission.NODE_PAUSE)
    title, action = _TURNS[what]
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pages.act(request, "Done. Everybody sees it.", action, **form.cleaned_data, by=request.user)
        return redirect("node_page")
    values = {"form": form, "title": title, "what": what}
    return render(request, "node/turn.html", values, status=422 if form.errors else 200)


class OpenForm(ReasonForm):
    """Why the glass is broken, and for how long."""

    hours = forms.TypedChoiceField(
        label="For",
        coerce=int,
        choices=[(hours, f"{hours} hour{'s' if hours > 1 else ''}") for hours in range(1, 5)],
    )


class DatasetForm(forms.Form):
    """Which dataset to freeze."""

    subject = forms.ModelChoiceField(label="Dataset", queryset=Dataset.objects.none(), empty_label="Choose …")


class ProjectForm(forms.Form):
    """Which project to suspend."""

    subject = forms.ModelChoiceField(label="Project", queryset=Project.objects.none(), empty_label="Choose …")


class PersonForm(forms.Form):
    """Whom to sign out."""

    subject = forms.ModelChoiceField(label="Person", queryset=User.objects.none(), empty_label="Choose …")


# what is done: its form, what it offers, the action, and what follows in words
_ACTS: dict[str, tuple[type[forms.Form], Any, Any, str, str]] = {
    "freeze": (
        DatasetForm,
        emergencies.datasets,
        emergency.freeze_dataset,
        "Freeze a dataset",
        "No request on it is approved and none runs until one of its owners unfreezes it.",
    ),
    "suspend": (
        ProjectForm,
        emergencies.projects,
        emergency.suspend_project,
        "Suspend a project",
        "Nothing of it runs until a reviewer of its research area reinstates it.",
    ),
    "sign-out": (
        PersonForm,
        emergencies.people,
        emergency.sign_out,
        "Sign a person out",
        "Their sessions end and their tokens are revoked. Their account and roles stay as they are.",
    ),
}


def _act_form(what: str, user: User, data: Any = None) -> forms.Form:
    kind, offered, *_ = _ACTS[what]
    form = kind(data, auto_id=f"id_{what}_%s")
    field: Any = form.fields["subject"]
    field.queryset = offered(user)
    return form


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show every emergency access; to whoever has one open, what it allows."""
    return _emergencies(request)


def _emergencies(request: HttpRequest, form: OpenForm | None = None) -> HttpResponse:
    user = request.user
    may_open = allows(user, Permission.BREAK_GLASS_OPEN)
    page = pages.page_of(request, emergencies.accesses(user))
    mine = emergencies.own_open(user) if may_open else None
    values = {
        "page": page,
        "mine": mine,
        "may_open": may_open and mine is None,
        "form": form or OpenForm(),
        "acts": [(what, *_ACTS[what][3:], _act_form(what, user)) for what in _ACTS] if mine else [],
        "now": timezone.now(),
    }
    return render(request, "node/emergencies.html", values, status=422 if form else 200)


@require_POST
@recent_sign_in
def open_access(request: HttpRequest) -> HttpResponse:
    """Break the glass."""
    require(request.user, Permission.BREAK_GLASS_OPEN)
    form = OpenForm(request.POST)
    if not form.is_valid():
        return _emergencies(request, form)
    pages.act(
        request, "Open. The owners were told.", emergency.open_access, **form.cleaned_data, by=request.user
    )
    return redirect("emergencies")


@require_POST
@recent_sign_in
def close_access(request: HttpRequest, key: str) -> HttpResponse:
    """End one's emergency access."""
    found = emergencies.access(key, request.user)
    pages.act(request, "Ended.", emergency.close_access, found, by=request.user)
    return redirect("emergencies")


@require_POST
@recent_sign_in
def act(request: HttpRequest, key: str, what: str) -> HttpResponse:
    """Stop one thing under one's emergency access."""
    found = emergencies.access(key, request.user)
    form = _act_form(what, request.user, request.POST)
    if not form.is_valid():
        pages.complain(request, form)
    else:
        pages.act(request, "Done.", _ACTS[what][2], found, form.cleaned_data["subject"], by=request.user)
    return redirect("emergencies")


urlpatterns = [
    path("node/", node, name="node_page"),
    *(path(f"node/{what}/", turn, {"what": what}, name=f"node_{what}") for what in _TURNS),
    path("emergencies/", listing, name="emergencies"),
    path("emergencies/open/", open_access, name="emergency_open"),
    path("emergencies/<str:key>/close/", close_access, name="emergency_close"),
    *(
        path(f"emergencies/<str:key>/{what}/", act, {"what": what}, name=f"emergency_{what}")
        for what in _ACTS
    ),
]
