"""Notes when a browser session was last used, a few times an hour and not at each click."""

from __future__ import annotations

import time

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal.middleware import Handler

SEEN = (
    "seen_at"  # set at sign-in; in the session itself, so that most requests ask the database nothing for it
)
STEP_SECONDS = 300


class LastSeen:
    """Keeps `last_seen_at` and the address of the person's row for this session, to five minutes."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seen = request.session.get(SEEN) if request.COOKIES else None
        if seen is not None and time.time() - seen >= STEP_SECONDS and request.user.is_authenticated:
            from allauth.usersessions.models import UserSession  # not before the apps are ready

            request.session[SEEN] = time.time()
            UserSession.objects.filter(session_key=request.session.session_key).update(
                last_seen_at=timezone.now(), ip=get_adapter(request).get_client_ip(request)
            )
        return self.get_response(request)
