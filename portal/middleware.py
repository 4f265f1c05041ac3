"""Small guards that every request passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from rest_framework.views import APIView

from domains.base import new_id
from portal.errors import Problem, problem

Handler = Callable[[HttpRequest], HttpResponse]

# Views of allauth that a stranger needs in order to stop being one.
OPEN_NAMES = frozenset({"account_login", "account_logout", "account_inactive", "mfa_authenticate"})


class RequestId:
    """Gives each request a key that appears in its log lines and in its error pages."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.id = new_id()  # type: ignore[attr-defined]
        request.began = time.monotonic()  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        return response


class ClosedByDefault:
    """Sends strangers to the sign-in page from every address that is not marked open (see `web.access`)."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # The API leaves None here for a caller who is nobody.
        if getattr(request.user, "is_authenticated", False) and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"  # what one person saw is in nobody's cache
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Let the request through, or answer it with the way to the sign-in page."""
        if request.user.is_authenticated or is_open(request, view):
            return None
        back = request.get_full_path() if request.method in {"GET", "HEAD"} else reverse("home")
        if getattr(request, "htmx", False):
            response = HttpResponse(status=204)
            response["HX-Redirect"] = reverse("account_login")
            return response
        return redirect_to_login(back, reverse("account_login"))


def is_open(request: HttpRequest, view: Any) -> bool:
    """Answer whether strangers may reach this view: marked so, the entrance, or the API, which asks itself."""
    if getattr(view, "open_to_all", False):
        return True
    if issubclass(getattr(view, "cls", object), APIView):
        return True
    match = request.resolver_match
    return match is not None and not match.namespaces and match.url_name in OPEN_NAMES


class DomainErrors:
    """Answers a rule's no with a page, or with a fragment where htmx asked."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Translate a domain or privacy error by the one table; leave all others to Django."""
        found = problem(error)
        return None if found is None else problem_response(request, found)


def problem_response(request: HttpRequest, found: Problem) -> HttpResponse:
    """Show a problem: a whole page, or the fragment that htmx puts at the top of the page it is on."""
    context = {"problem": found, "request_id": getattr(request, "id", "")}
    if (
        found.code == "service_unavailable"
    ):  # whoever is signed in, and what waits, may be what cannot be read
        return HttpResponse(render_to_string("problem.html", context), status=found.status)
    if not getattr(request, "htmx", False):
        return render(request, "problem.html", context, status=found.status)
    response = render(request, "_problem.html", context, status=found.status)
    response["HX-Retarget"], response["HX-Reswap"] = "#problem", "innerHTML"
    return response
