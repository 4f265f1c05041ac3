"""How many requests this process has answered and how long they took, by the name of the view; for `/metrics`.

Each web process counts for itself and says so in the label `process`, so nothing is shared between processes and a
sum over that label is right. No label comes from a request but the view's name and a known method.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram

Handler = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

registry = CollectorRegistry()
_requests = Counter(
    "gridhouse_http_requests",
    "Requests answered, by the name of the view, method and class of status.",
    ["process", "view", "method", "status"],
    registry=registry,
)
_seconds = Histogram(
    "gridhouse_http_request_seconds",
    "Time to answer a request, by the name of the view.",
    ["process", "view"],
    buckets=BUCKETS,
    registry=registry,
)


class Measured:
    """Counts and times every request."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view, process = view_name(request), str(os.getpid())
        method = request.method if request.method in METHODS else "other"
        _requests.labels(process, view, method, f"{response.status_code // 100}xx").inc()
        _seconds.labels(process, view).observe(time.perf_counter() - began)
        return response


def view_name(request: HttpRequest) -> str:
    """Return the name of the view that answered, or `none`; never anything of the address."""
    match = request.resolver_match
    return (match.view_name if match else "") or "none"
