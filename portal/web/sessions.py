"""Where one is signed in: one's own browser sessions, to look at and to end.

On pages only: a token neither sees nor ends the sessions of its person.
"""

from __future__ import annotations

import time

from allauth.account.signals import user_logged_in
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from domains.audit.events import Event
from domains.errors import NotFound
from domains.people.models import User
from domains.people.signin import credentials_changed
from portal.sessions import SEEN
from portal.web.pages import say

# The first that a browser's own words contain; the order matters, since most also name those they imitate.
_BROWSERS = (
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("OPR", "Opera"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def device(agent: str) -> str:
    """Name browser and system in words, as far as the browser says them: `Firefox on Linux`."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "Another program")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def sessions(request: HttpRequest) -> HttpResponse:
    """List where one is signed in; sessions that are over are forgotten on the way."""
    found = sorted(UserSession.objects.purge_and_list(request.user), key=lambda one: one.last_seen_at)
    here = request.session.session_key
    rows = [(one, device(one.user_agent), one.session_key == here) for one in reversed(found)]
    others = sum(not is_here for _, _, is_here in rows)
    return render(request, "people/sessions.html", {"rows": rows, "others": others})


@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own sessions at once."""
    found = UserSession.objects.filter(pk=pk, user=request.user).first()
    if found is None:
        raise NotFound("There is nothing here that you can see.")
    _end(request, [found])
    return redirect("sessions")


@require_POST
def sessions_end(request: HttpRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    own = UserSession.objects.filter(user=request.user)
    _end(request, list(own.exclude(session_key=request.session.session_key)))
    return redirect("sessions")


def _end(request: HttpRequest, ended: list[UserSession]) -> None:
    user = request.user
    end_sessions(request, ended)
    if ended:
        credentials_changed(user, Event.SESSION_ENDED)
    if request.user.is_authenticated:
        say(request, "Ended: 1 session." if len(ended) == 1 else f"Ended: {len(ended)} sessions.")


@receiver(user_logged_in)
def _begun(request: HttpRequest, user: User, **kwargs: object) -> None:
    request.session[SEEN] = time.time()


urlpatterns = [
    path("account/sessions/", sessions, name="sessions"),
    path("account/sessions/end-others/", sessions_end, name="sessions_end"),
    path("account/sessions/<int:pk>/end/", session_end, name="session_end"),
]
