"""The public register, for people and for machines, without signing in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from domains.evidence import register
from portal.register import public
from portal.web import pages
from portal.web.access import open_to_all

MOST = 200  # entries of a feed


@require_safe
@open_to_all
@public
def listing(request: HttpRequest) -> HttpResponse:
    """Show the approved projects, by words and state."""
    search, state = request.GET.get("search", "").strip()[:200], request.GET.get("state", "")
    values = {
        "page": pages.page_of(request, register.projects(search=search, state=state)),
        "search": search,
        "state": state,
        "states": register.LISTED.items(),
        "since": register.since(),
    }
    return render(request, "register/list.html", values)


@require_safe
@open_to_all
@public
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """Show one project and what was released to it."""
    row = register.project(key)
    values = {"project": row, "told": register.told(row), "outputs": register.outputs(row)}
    return render(request, "register/detail.html", values)


@require_safe
@open_to_all
@public
def feed(request: HttpRequest) -> HttpResponse:
    """Offer the latest approvals as a JSON Feed (version 1.1)."""
    here = settings.PUBLIC_URL.rstrip("/")
    told = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": f"{settings.NODE_TITLE}: approved projects",
        "home_page_url": here + reverse("register"),
        "feed_url": here + reverse("register_feed"),
        "items": [_item(row, here) for row in register.projects()[:MOST]],
    }
    return JsonResponse(told, content_type="application/feed+json")


def _item(row: Any, here: str) -> dict[str, Any]:
    told = register.told(row)
    return {
        "id": row.pk,
        "url": here + reverse("register_project", args=[row.pk]),
        "title": row.title,
        "content_text": row.lay_summary,
        "date_published": f"{told['approved_on']}T00:00:00Z",
        "tags": told["datasets"],
    }


urlpatterns = [
    path("register/", listing, name="register"),
    path("register/feed.json", feed, name="register_feed"),
    path("register/projects/<str:key>/", detail, name="register_project"),
]
