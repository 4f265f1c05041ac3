"""How recent the sign-in of a browser session is (S10); shared by pages and API."""

from __future__ import annotations

import time

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest


def signed_in_recently(request: HttpRequest) -> bool:
    """Answer whether this session's person proved who they are within the last few minutes.

    The setting ACCOUNT_REAUTHENTICATION_TIMEOUT says how many seconds. The sign-in itself counts, and so does
    each confirmation after it.
    """
    if not getattr(request.user, "is_authenticated", False):
        return False
    records = get_authentication_records(request, request.user)
    latest = max((record["at"] for record in records), default=0)
    return bool(time.time() - latest < app_settings.REAUTHENTICATION_TIMEOUT)
