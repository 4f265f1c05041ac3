"""The inbox: what waits for a person first, then what they should know, newest first."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from domains.delivery import preferences
from domains.notices import actions, queries, tasks
from domains.notices.kinds import BY_KEY, KINDS
from portal.web.notice_forms import SettingsForm
from portal.web.pages import attempt, page_of, say


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """Show one's tasks, and one's notices by words, kind and whether they are new."""
    asked = request.GET
    kind = asked.get("kind", "") if asked.get("kind") in BY_KEY else ""
    search, is_unread = asked.get("search", "")[:100], asked.get("show") == "unread"
    rows = queries.found(request.user, search=search, kind=kind, is_unread=is_unread)
    context = {
        "tasks": tasks.tasks(request.user),
        "page": page_of(request, rows),
        "unread": queries.unread(request.user).count(),
        "kinds": KINDS,
        "labels": {known.key: known.label for known in KINDS},
        "chosen": {"kind": kind, "search": search, "is_unread": is_unread},
        "is_filtered": bool(kind or search or is_unread),
    }
    return render(request, "notices/list.html", context)


@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Mark the notices named, or all, as read; go on to the page that one of them leads to."""
    keys = request.POST.getlist("notice")
    actions.mark_read(keys or None, by=request.user)
    to = request.POST.get("to", "")
    if to and url_has_allowed_host_and_scheme(to, allowed_hosts=None):
        return redirect(to)
    return _back(request)


@require_POST
def unread(request: HttpRequest) -> HttpResponse:
    """Mark notices as not read, to come back to them."""
    actions.mark_unread(request.POST.getlist("notice"), by=request.user)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Return to the list as it was filtered."""
    query = request.POST.get("back", "")
    target = f"/notices/?{query}" if query else "/notices/"
    return redirect(target if url_has_allowed_host_and_scheme(target, allowed_hosts=None) else "notices")


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Choose what one is told, where, and when digests come."""
    now = preferences.of(request.user)
    form = SettingsForm(now, request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        words = {name: given[name] for name in ("timezone", "hour", "weekday")}
        done, _ = attempt(form, preferences.choose, form.chosen, **words, by=request.user)
        if done:
            say(request, "Saved. It holds for what happens from now on.")
            return redirect("notice_settings")
    rows = [(kind, form[f"{kind.key}-inbox"], form[f"{kind.key}-mail"]) for kind in KINDS]
    values = {"form": form, "rows": rows}
    return render(request, "notices/settings.html", values, status=422 if form.errors else 200)


urlpatterns = [
    path("notices/", notices, name="notices"),
    path("notices/read/", read, name="notices_read"),
    path("notices/unread/", unread, name="notices_unread"),
    path("notices/settings/", settings, name="notice_settings"),
]
