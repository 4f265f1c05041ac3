"""`/metrics` for Prometheus: closed unless the settings name a token or a network that may read it.

Gauges come from the database at each reading, so every web process tells the same; counters and times are this
process's own (`portal.measured`). Nothing here is derived from private rows: jobs are counted as outsiders see them,
of requests and deliveries only their states, and no label holds the name of a person, a dataset or a host.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from domains.delivery import queries as delivery
from domains.jobs import queries as jobs
from domains.ledger import queries as ledger
from domains.notices import stuck
from domains.requests import figures
from portal.measured import registry
from portal.web.access import open_to_all

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
@open_to_all
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all figures in the text format, or that there is nothing here."""
    if not may_read(request):
        raise Http404
    gauges = CollectorRegistry()
    gauges.register(Gauges())
    return HttpResponse(generate_latest(gauges) + generate_latest(registry), content_type=CONTENT_TYPE)


def may_read(request: HttpRequest) -> bool:
    """Answer whether the caller holds the token, or calls from a network that the settings name."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode()):
        return True
    try:
        caller = ipaddress.ip_address(_caller(request))
    except ValueError:
        return False
    return any(caller in ipaddress.ip_network(network) for network in settings.METRICS_NETWORKS)


def _caller(request: HttpRequest) -> str:
    """Return the caller's address: what the trusted proxies say of it, never what the caller says of itself."""
    if not settings.TRUSTED_PROXIES:
        return str(request.META.get("REMOTE_ADDR", ""))
    said = request.headers.get("X-Forwarded-For", "").split(",")
    return said[-settings.TRUSTED_PROXIES].strip() if len(said) >= settings.TRUSTED_PROXIES else ""


class Gauges:
    """The node's state as the database tells it, in a constant number of queries."""

    def collect(self) -> Iterator[Metric]:
        """Yield each family of gauges."""
        yield from _jobs()
        yield from _workers()
        yield from _requests()
        yield from _deliveries()
        yield from _budgets()


def _family(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gridhouse_{name}", words, labels=list(labels))


def _jobs() -> Iterator[Metric]:
    family = _family("jobs", "Jobs by kind and by the state that outsiders see.", "kind", "state")
    for (kind, state), number in sorted(jobs.public_counts(timezone.now()).items()):
        family.add_metric([kind, state], number)
    yield family


def _workers() -> Iterator[Metric]:
    states = jobs.queue_states(timezone.now())
    waiting = _family("queue_waiting", "Jobs that are due and not taken up.", "queue")
    oldest = _family("queue_oldest_seconds", "How long the first of them has waited.", "queue")
    workers = _family("workers", "Living workers that serve a queue.", "queue")
    beat = _family("worker_heartbeat_age_seconds", "Time since the latest sign of life of a worker.", "queue")
    for state in states:
        waiting.add_metric([state.name], state.waiting)
        oldest.add_metric([state.name], state.oldest_seconds)
        workers.add_metric([state.name], state.workers)
        if state.heartbeat_seconds is not None:
            beat.add_metric([state.name], state.heartbeat_seconds)
    yield from (waiting, oldest, workers, beat)


def _requests() -> Iterator[Metric]:
    family = _family("requests", "Requests by state.", "state")
    for state, number in figures.state_counts().items():
        family.add_metric([state], number)
    yield family
    family = _family("stuck", "Items that nobody can move on, by kind.", "kind")
    for kind, number in stuck.counts(timezone.now()).items():
        family.add_metric([kind], number)
    yield family


def _deliveries() -> Iterator[Metric]:
    waiting = _family("deliveries_waiting", "Deliveries that wait to be sent.", "channel")
    failing = _family("deliveries_failing", "Of those that wait, how many failed before.", "channel")
    oldest = _family("deliveries_oldest_seconds", "Age of the oldest that waits.", "channel")
    for channel, number, failed, since in delivery.standing():
        waiting.add_metric([channel], number)
        failing.add_metric([channel], failed)
        oldest.add_metric([channel], (timezone.now() - since).total_seconds() if since else 0)
    yield from (waiting, failing, oldest)


def _budgets() -> Iterator[Metric]:
    family = _family(
        "budgets_nearly_used", "Budgets of which at least this share is reserved or spent.", "scope", "share"
    )
    for (scope, share), number in sorted(ledger.nearly_used().items()):
        family.add_metric([scope, share], number)
    yield family


urlpatterns = [path("metrics", metrics, name="metrics")]
