"""How the public register is served: limited by address, and kept by caches for some minutes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import conditional_page
from redis.exceptions import RedisError
from rest_framework.throttling import AnonRateThrottle

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
FRESH = 300  # seconds


def public(view: View[P]) -> View[P]:
    """Limit how often strangers ask, and let caches keep what they are told; those signed in see their own page."""

    @wraps(view)
    def served(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        throttle: Any = AnonRateThrottle()
        if not _allows(throttle, request):
            return _too_often(throttle.wait())
        response = view(request, *args, **kwargs)
        if not getattr(request.user, "is_authenticated", False):
            patch_cache_control(response, public=True, max_age=FRESH)
        return response

    return conditional_page(served)


def _allows(throttle: Any, request: HttpRequest) -> bool:
    """Count a stranger's call, as the API does; a lost cache stops nobody."""
    try:
        return bool(throttle.allow_request(request, None))
    except RedisError:
        return True


def _too_often(seconds: float | None) -> HttpResponse:
    response = HttpResponse("Too many requests. Wait a minute.\n", status=429, content_type="text/plain")
    response["Retry-After"] = str(int(seconds or 60) + 1)
    return response
