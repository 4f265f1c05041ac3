"""Signs of life for whoever runs the node. They are open, so they say what works and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from domains import triggers
from domains.audit import checkpoints
from domains.base import new_id
from domains.jobs import queries as jobs
from domains.node import queries as node
from portal.web.access import open_to_all


@require_safe
@open_to_all
def livez(request: HttpRequest) -> HttpResponse:
    """Answer that this process serves requests."""
    return HttpResponse("ok\n", content_type="text/plain")


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def _cache() -> bool:
    key = f"readyz-{new_id()}"
    cache.set(key, "here", 5)
    return bool(cache.get(key) == "here")


def _triggers() -> bool:
    return not triggers.missing(connection)


def _worker() -> bool:
    return jobs.worker_health(timezone.now()).is_ok


def _witness() -> bool:
    return not checkpoints.is_behind()


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "triggers": _triggers,
    "worker": _worker,
    "witness": _witness,
}


# Told, but no reason to send callers elsewhere: without it only signing in has to wait.
MINOR: dict[str, Callable[[], bool]] = {"cache": _cache}


def states() -> dict[str, str]:
    """Return every check with ok or failing."""
    return {name: "ok" if _holds(check) else "failing" for name, check in (CHECKS | MINOR).items()}


@require_safe
@open_to_all
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when everything that a decision and its run need is there, else 503 with what is not."""
    found = states()
    is_ready = all(found[name] == "ok" for name in CHECKS)
    told = {"ready": is_ready, "checks": found, "paused": _holds(node.is_paused)}
    return JsonResponse(told, status=200 if is_ready else 503)


def _holds(check: Callable[[], bool]) -> bool:
    """Run one check; whatever it raises means no, and its words stay inside."""
    try:
        return check()
    except Exception:  # a probe reports failures, it does not pass them on
        return False


urlpatterns = [path("livez", livez, name="livez"), path("readyz", readyz, name="readyz")]
