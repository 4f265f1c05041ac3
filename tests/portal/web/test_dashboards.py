"""Dashboards and the page of stuck items, by role, with their charts in words."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from domains.people.models import User
from domains.requests import decisions
from domains.requests.models import AnalysisRequest
from portal.web.bars import bars, span
from tests.portal.api.kit import call_as
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> Story:
    return kit.story()


def page(client: Client, path: str = "/dashboard/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert kit.faults(html) == []
    return " ".join(html.split())


def test_a_scientist_sees_requests_budgets_and_next_steps(given: Story) -> None:
    kit.ask(given)
    kit.ask(given, "Not yet handed in", submit=False)
    html = page(kit.browser(given.cast.sam))
    assert "Submit or drop a checked request: Not yet handed in" in html
    assert "Ready: 1; In review: 1." in html  # the chart in words
    assert "Budgets left, the tightest first" in html
    assert "No answer came out in the last two weeks." in html
    for others in ("Your datasets", "This node"):
        assert others not in html


def test_an_owner_sees_how_long_decisions_take_and_what_waits(given: Story) -> None:
    denied = kit.ask(given)
    decisions.review(denied, revision=1, vote="deny", reason="No.", by=given.cast.alice)
    AnalysisRequest.objects.update(submitted_at=denied.decided_at - timezone.timedelta(hours=30))
    kit.ask(given)
    html = page(kit.browser(given.cast.alice))
    assert "Half within: 1.2 days; Nine in ten within: 1.2 days." in html
    assert "under a day: 1; 1 to 3 days: 0" in html
    assert "Budgets, the fullest first" in html
    assert "This node" not in html


def test_an_administrator_sees_the_node_and_reads_no_request(given: Story) -> None:
    kit.ask(given, "Suicides on ward 7")
    client = kit.browser(given.cast.ada)
    html = page(client)
    assert "In review: 1." in html
    assert "Everything can be moved on by somebody." in html
    User.objects.filter(pk=given.cast.alice.pk).update(
        is_active=False, deactivated_at=timezone.now(), deactivated_by=given.cast.ada
    )
    assert "A request that nobody may decide on" in page(client)
    stuck = page(client, "/stuck/")
    assert "Its dataset needs an owner or an assigned reviewer who is not on the project." in stuck
    assert f'href="/projects/{given.project.pk}/"' in stuck
    assert "Suicides" not in html + stuck


def test_an_empty_node_says_what_would_be_here(given: Story) -> None:
    assert "Nothing is stuck" in page(kit.browser(given.cast.ada), "/stuck/")
    assert "You have asked nothing yet." in page(kit.browser(given.cast.charlie))
    assert "Nobody decided on a request" in page(kit.browser(given.cast.rita))
    assert "Nothing to show for your role" in page(kit.browser(given.cast.theo))


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "theo", "charlie", "ada"])
def test_who_may_see_the_node(given: Story, name: str) -> None:
    user = getattr(given.cast, name)
    client, api, may = kit.browser(user), call_as(user), name == "ada"
    assert client.get("/stuck/").status_code == (200 if may else 403)
    for path in ("stuck/", "node/"):
        assert api.get(path).status_code == (200 if may else 403)
    assert api.get("figures/").status_code == 200
    assert Client().get("/dashboard/").status_code == 302


def test_the_same_over_the_api(given: Story) -> None:
    kit.ask(given)
    assert call_as(given.cast.sam).get("figures/").json()["own"] == [{"status": "in_review", "number": 1}]
    alices = call_as(given.cast.alice).get("figures/").json()
    assert (alices["waiting"][0], alices["median_seconds"]) == ({"age": "under a day", "number": 1}, None)
    node = call_as(given.cast.ada).get("node/").json()
    assert {"status": "in_review", "number": 1} in node["requests"]
    assert [row["channel"] for row in node["deliveries"]] == ["mail", "webhook"]
    assert (node["workers"], node["queues"]) == (0, [])
    given.cast.alice.stewardships.update(ended_at=timezone.now(), ended_by=given.cast.ada)
    stuck = call_as(given.cast.ada).get("stuck/").json()
    assert [(group["kind"], group["number"]) for group in stuck] == [
        ("dataset.no_owner", 1),
        ("request.nobody_decides", 1),
    ]


@pytest.mark.parametrize("name", ["sam", "alice", "ada"])
def test_a_dashboard_costs_as_many_queries_for_many_requests(given: Story, name: str) -> None:
    for number in range(2):
        kit.ask(given, f"Request {number}")
    client = kit.browser(getattr(given.cast, name))
    client.get("/dashboard/")
    few = _queries(client)
    row = AnalysisRequest.objects.all()[0]
    copied = {field.attname: getattr(row, field.attname) for field in row._meta.fields if field.name != "id"}
    AnalysisRequest.objects.bulk_create(AnalysisRequest(**copied) for _ in range(300))
    assert _queries(client) == few
    assert few < 60


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert client.get("/dashboard/").status_code == 200
    return len(caught)


def test_bars_are_shares_of_the_largest_and_told_in_words() -> None:
    found = bars("k", "t", [("a", 4, "four"), ("b", 1, "one"), ("c", 0, "none")])
    assert [row.width for row in found.rows] == [320.0, 80.0, 0.0]
    assert found.text == "a: four; b: one; c: none."
    assert bars("k", "t", []).text == "nothing."
    assert bars("k", "t", [("a", 0, "0")]).rows[0].width == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (5400, "1.5 hours"),
        (86400 * 12, "12 days"),
    ],
)
def test_a_span_is_written_in_the_unit_that_fits(seconds: Any, words: str) -> None:
    assert span(seconds) == words
