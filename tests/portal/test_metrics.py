"""/metrics: closed by default, true to the database, and without a name or a private value."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from domains.jobs.models import Job, WorkerBeat
from domains.ledger import queries as ledger
from domains.notices.outbox import tell
from domains.requests import decisions
from portal import measured
from portal.web import metrics
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db
TOKEN = "a-long-token-from-a-secrets-file"


@pytest.fixture
def given() -> Story:
    return kit.story()


def read(**extra: Any) -> str:
    answer = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}, **extra)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return answer.content.decode()


def value(text: str, name: str, **labels: str) -> float:
    """Return one sample's value; of a name with labels in any order."""
    for line in text.splitlines():
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if (
            found
            and found[1] == name
            and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found[2] or "")).items()
        ):
            return float(found[3])
    raise AssertionError(f"no {name} {labels} in\n{text}")


# --- Who may read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "networks", "header", "address", "status"),
    [
        ("", [], None, "127.0.0.1", 404),  # as shipped
        ("", [], "Bearer ", "127.0.0.1", 404),
        (TOKEN, [], None, "127.0.0.1", 404),
        (TOKEN, [], f"Bearer {TOKEN}", "203.0.113.9", 200),
        (TOKEN, [], f"bearer {TOKEN}", "203.0.113.9", 200),
        (TOKEN, [], f"Bearer {TOKEN}x", "127.0.0.1", 404),
        (TOKEN, [], f"Basic {TOKEN}", "127.0.0.1", 404),
        (TOKEN, [], "Bearer \u00e9", "127.0.0.1", 404),
        ("", ["10.1.0.0/16"], None, "10.1.2.3", 200),
        ("", ["10.1.0.0/16"], None, "10.2.2.3", 404),
        ("", ["10.1.0.0/16"], None, "::1", 404),
        ("", ["10.1.0.0/16"], None, "", 404),
    ],
)
def test_it_is_closed_but_to_the_token_and_named_networks(
    settings: Any, token: str, networks: list[str], header: str | None, address: str, status: int
) -> None:
    settings.METRICS_TOKEN, settings.METRICS_NETWORKS = token, networks
    headers = {"authorization": header} if header else {}
    assert Client().get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("10.1.2.3", 200),
        ("203.0.113.9", 404),
        ("10.1.2.3, 203.0.113.9", 404),  # what the caller wrote itself, before what the proxy saw
        ("", 404),
    ],
)
def test_behind_a_proxy_nobody_says_who_they_are(settings: Any, forwarded: str, status: int) -> None:
    settings.METRICS_NETWORKS, settings.TRUSTED_PROXIES = ["10.1.0.0/16"], 1
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert Client().get("/metrics", headers=headers, REMOTE_ADDR="10.1.0.1").status_code == status


def test_a_signed_in_administrator_has_no_more_right_to_it(given: Story) -> None:
    assert kit.browser(given.cast.ada).get("/metrics").status_code == 404


# --- What it says ------------------------------------------------------------------------------------------


def test_it_tells_queues_workers_requests_deliveries_and_trouble(given: Story, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    now = timezone.now()
    analysis = kit.ask(given)
    decisions.review(analysis, revision=1, vote="approve", reason="", by=given.cast.alice)
    kit.ask(given, epsilon="0.05")
    Job.objects.update(not_before=now - timedelta(seconds=90))
    WorkerBeat.objects.create(
        name="celery@ward7", queues=["query"], pid=1, seen_at=now - timedelta(seconds=3)
    )
    text = read()
    assert value(text, "gridhouse_jobs", kind="query", state="queued") == 1
    assert value(text, "gridhouse_queue_waiting", queue="query") == 1
    assert value(text, "gridhouse_queue_oldest_seconds", queue="query") == pytest.approx(90, abs=10)
    assert value(text, "gridhouse_workers", queue="query") == 1
    assert value(text, "gridhouse_worker_heartbeat_age_seconds", queue="query") == pytest.approx(3, abs=5)
    assert value(text, "gridhouse_requests", state="in_review") == 1
    assert value(text, "gridhouse_requests", state="approved") == 1
    assert value(text, "gridhouse_stuck", kind="request.nobody_decides") == 0
    assert value(text, "gridhouse_deliveries_failing", channel="webhook") == 0
    assert value(text, "gridhouse_budgets_nearly_used", scope="grant", share="0.8") == 0


def test_budgets_that_are_nearly_used_are_counted_by_scope(given: Story) -> None:
    """An approved ε of 0.9 of a grant's 1 takes more than four fifths of it in ρ, and little of the population's 3."""
    analysis = kit.ask(given, epsilon="0.9")
    decisions.review(analysis, revision=1, vote="approve", reason="", by=given.cast.alice)
    found = ledger.nearly_used((1, 50, 80, 99))
    assert found["grant", "0.5"] == found["grant", "0.8"] == 1
    assert (found["grant", "0.99"], found["population", "0.5"], found["population", "0.01"]) == (0, 0, 1)
    assert {scope for scope, _ in found} == {"population", "dataset", "grant", "person"}


def test_no_label_names_anybody_or_anything(given: Story, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    kit.ask(given, "Suicides on ward 7")
    WorkerBeat.objects.create(name="celery@ward7", queues=["query"], pid=1, seen_at=timezone.now())
    tell([given.cast.sam], "role.granted", "You are a reviewer.", "/")
    client = kit.browser(given.cast.sam)
    client.get(f"/requests/{'1' * 26}/?secret=canary")
    client.get("/no/such/canary/")
    client.generic("CANARY", "/")
    text = read().lower()
    words = ("canary", "ward", "sam", "hospital", given.dataset.title, given.dataset.slug, "costs")
    for private in words:  # whole words: earlier tests of this process may have called the view of a steward
        assert not re.search(rf"(?<![a-z]){re.escape(private.lower())}(?![a-z])", text), private
    names = {name for line in text.splitlines() for name in re.findall(r'(\w+)="', line)}
    assert names <= {
        "kind",
        "state",
        "queue",
        "channel",
        "scope",
        "share",
        "process",
        "view",
        "method",
        "status",
        "le",
    }


def test_requests_are_counted_and_timed_by_view_in_this_process(given: Story, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    before = _count("notices")
    client = kit.browser(given.cast.sam)
    client.get("/notices/")
    client.get("/notices/?search=x")
    assert _count("notices") == before + 2
    text = read()
    assert value(text, "gridhouse_http_requests_total", view="notices", method="GET", status="2xx") >= 2
    assert value(text, "gridhouse_http_request_seconds_count", view="notices") >= 2
    assert value(text, "gridhouse_http_request_seconds_bucket", view="notices", le="10.0") >= 2


def _count(view: str) -> float:
    samples = [sample for family in measured.registry.collect() for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "gridhouse_http_requests_total" and sample.labels["view"] == view
    )


def test_reading_costs_the_same_however_much_there_is(given: Story, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    kit.ask(given)
    few = _queries()
    for number in range(3):
        kit.ask(given, f"Request {number}")
    assert _queries() == few
    assert few < 25


def _queries() -> int:
    with CaptureQueriesContext(connection) as caught:
        list(metrics.Gauges().collect())
    return len(caught)
