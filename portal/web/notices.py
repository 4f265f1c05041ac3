"""The inbox: what a person should know, newest first."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from domains.notices import actions, queries
from portal.web.pages import page_of


def notices(request: HttpRequest) -> HttpResponse:
    """List one's notices."""
    context = {
        "page": page_of(request, queries.inbox(request.user)),
        "unread": queries.unread(request.user).count(),
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
    return redirect("notices")


urlpatterns = [
    path("notices/", notices, name="notices"),
    path("notices/read/", read, name="notices_read"),
]
