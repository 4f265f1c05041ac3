"""How often one caller may call. The count lives in the shared cache, and a lost cache stops nobody's work.

Whoever gets here was let in by a token or a session; the sign-in form, which keeps guessers out, does stop then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from rest_framework import throttling
from rest_framework.request import Request

if TYPE_CHECKING:  # the framework imports this module while it makes that class
    from rest_framework.views import APIView

log = logging.getLogger(__name__)


class _Counted:
    """Lets callers through while their calls cannot be counted."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Say whether this call may go on."""
        try:
            return bool(super().allow_request(request, view))  # type: ignore[misc]  # the framework's, by mixing in
        except RedisError:
            log.warning("calls are not counted: the cache is away")
            return True


class UserThrottle(_Counted, throttling.UserRateThrottle):
    """So many calls a minute for each person."""


class StrangerThrottle(_Counted, throttling.AnonRateThrottle):
    """So many calls a minute for each address that nobody signed in from."""
