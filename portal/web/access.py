"""Marks on views: open to strangers, or asking for a recent sign-in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit

from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from portal.recency import signed_in_recently

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def open_to_all(view: View[P]) -> View[P]:
    """Let strangers in; every page without this mark needs a signed-in person."""
    view.open_to_all = True  # type: ignore[attr-defined]
    return view


def recent_sign_in(view: View[P]) -> View[P]:
    """Ask for password or code again before a decision is posted, if the last sign-in is not recent (S10).

    Looking needs none. What was posted is kept in the session and goes on by itself after the confirmation.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method in {"GET", "HEAD", "OPTIONS"} or signed_in_recently(request):
            return view(request, *args, **kwargs)
        if getattr(request, "htmx", False):
            return go_to(confirm_address(request))
        raise ReauthenticationRequired

    return guarded


def confirm_address(request: HttpRequest) -> str:
    """Return the page that confirms who one is and then leads back to where the browser is now."""
    here = urlsplit(request.headers.get("HX-Current-URL", ""))
    back = f"{here.path}?{here.query}" if here.query else here.path
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': back or request.path})}"


def go_to(address: str) -> HttpResponse:
    """Lead the whole page elsewhere in answer to htmx, which would swap a redirect's target in."""
    response = HttpResponse(status=204)
    response["HX-Redirect"] = address
    return response
