"""What views share: a page of a list, and running an action whose refusal becomes a sentence on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from domains.errors import DomainError, NotAllowed, NotFound
from privacy.errors import LossInvalid, QueryRejected, SchemaInvalid

PAGE_SIZE = 25
# Refusals that are answered on the page where the person stands; the others become an error page of their own.
REFUSALS = (DomainError, QueryRejected, SchemaInvalid, LossInvalid)


def page_of(request: HttpRequest, rows: Any, size: int = PAGE_SIZE) -> Page:
    """Return the page of `rows` that the address asks for; the nearest one when it asks for none that exists."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def is_for_the_page(error: Exception) -> bool:
    """Answer whether a refusal is a sentence on the page, and not a page that says “not found” or “not allowed”."""
    return not isinstance(error, NotFound) and not (
        isinstance(error, NotAllowed) and error.code == NotAllowed.code
    )


def act(request: HttpRequest, done: str, action: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Run an action and say how it went at the top of the next page; return whether it was done."""
    try:
        action(*args, **kwargs)
    except REFUSALS as error:
        if not is_for_the_page(error):
            raise
        messages.error(request, str(error))
        return False
    if done:
        messages.success(request, done)
    return True


def attempt(form: Form, action: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[bool, Any]:
    """Run an action for a form: return (True, its result), or (False, None) with the refusal as an error."""
    try:
        return True, action(*args, **kwargs)
    except REFUSALS as error:
        if not is_for_the_page(error):
            raise
        form.add_error(None, str(error))
        return False, None


def say(request: HttpRequest, text: str) -> None:
    """Say at the top of the next page that something was done."""
    messages.success(request, text)


def complain(request: HttpRequest, form: Form) -> None:
    """Say at the top of the next page what is wrong with a small form that has no page of its own."""
    for errors in form.errors.values():
        for error in errors:
            messages.error(request, str(error))


def back_to(request: HttpRequest, to: Any, *args: Any) -> HttpResponseRedirect:
    """Redirect to the page named in `next` if it is one of ours, else to `to`."""
    url = request.POST.get("next", "")
    if url and url_has_allowed_host_and_scheme(url, allowed_hosts=None):
        return HttpResponseRedirect(url)
    return redirect(to, *args)


def download(payload: bytes | str, *, name: str, content_type: str) -> HttpResponse:
    """Offer bytes as a file; `name` is made of our own words and keys only."""
    response = HttpResponse(payload, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
