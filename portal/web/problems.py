"""What people see when something is refused, missing or broken; one page for all, and a fragment for htmx."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from portal.errors import Problem
from portal.middleware import problem_response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from our own page; `reason` is Django's and is not shown."""
    detail = (
        "This form did not come from a page of this node, or the page was too old. Reload it and try again."
    )
    return problem_response(request, Problem(403, "The form was not accepted", "csrf_failed", detail))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 for what Django refuses; our own rules are answered by `middleware.DomainErrors`."""
    detail = "Your role does not include this page."
    return problem_response(request, Problem(403, "You may not do this", "not_allowed", detail))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404, with the same words whether nothing is there or it may not be known."""
    detail = "There is nothing here that you can see. The address may be wrong, or it is not meant for you."
    return problem_response(request, Problem(404, "Not found", "not_found", detail))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without a word of what failed: an error's text may hold a private value."""
    detail = "Something failed on this node. Nothing that you typed was lost on purpose; try again."
    return problem_response(request, Problem(500, "This did not work", "server_error", detail))


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer 429 when one address tries to sign in too often."""
    detail = "There were too many attempts from your address. Wait a minute, then try again."
    return problem_response(request, Problem(429, "Too many attempts", "too_many_attempts", detail))
