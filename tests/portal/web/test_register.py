"""The public register: only what was approved knowing it, nobody's name, no answer, and nothing while it is off."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.throttling import AnonRateThrottle

from domains.evidence import register
from domains.ledger import accounts
from domains.ledger.protocol import reserve
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project
from domains.requests.models import Release
from tests import cast as world
from tests.portal.web import kit

ADDRESSES = ("/register/", "/register/feed.json", "/api/v1/register/")


@pytest.fixture
def on(settings: Any) -> None:
    settings.PUBLIC_REGISTER_SINCE = date(2020, 1, 1)


def released(given: kit.Story, **changes: Any) -> Release:
    """Return a release of a question of Sam's, made as rows: these tests are not about bytes."""
    analysis = kit.ask(given)
    with transaction.atomic():
        found = accounts.existing(given.grant, given.cast.sam)
        charge = reserve(
            idem=analysis.pk,
            repeat_key="r",
            accounts=[row.pk for row in found.values()],
            loss=analysis.current.loss,
            grant=given.grant,
            person=given.cast.sam,
            certificate={},
        )
    words = {"status": "released", "released_at": timezone.now() - timedelta(minutes=1), **changes}
    return Release.objects.create(analysis=analysis, charge_id=charge, sha256="d" * 64, **words)


def everything(client: Client, project: Project) -> str:
    pages = [client.get(address) for address in (*ADDRESSES, f"/register/projects/{project.pk}/")]
    pages.append(client.get(f"/api/v1/register/{project.pk}/"))
    assert {page.status_code for page in pages} == {200}
    return "\n".join(page.content.decode() for page in pages)


def test_while_it_is_off_there_is_nothing(given: kit.Story, client: Client) -> None:
    for address in (
        *ADDRESSES,
        f"/register/projects/{given.project.pk}/",
        f"/api/v1/register/{given.project.pk}/",
    ):
        assert client.get(address).status_code == 404
    page = kit.browser(given.cast.sam).get(reverse("project", args=[given.project.pk])).content.decode()
    assert "public register" not in page


def test_strangers_read_approved_projects_and_nobody_s_name(on, given: kit.Story, client: Client) -> None:
    text = everything(client, given.project)
    assert "Costs of care" in text
    assert "What care costs." in text
    assert "Support2" in text
    for person in vars(given.cast).values():
        assert getattr(person, "email", "hospital.example") not in text
    for name in ("Alice", "Rita", "Sam", "Ada", "Theo"):
        assert name not in text
    assert "Fair payment." not in text  # the purpose is for reviewers


@pytest.mark.parametrize("status", [s for s in ProjectStatus if s not in register.LISTED])
def test_what_was_not_approved_is_not_there(on, given: kit.Story, client: Client, status: str) -> None:
    Project.objects.filter(pk=given.project.pk).update(status=status)
    assert client.get("/api/v1/register/").json()["results"] == []
    assert client.get(f"/register/projects/{given.project.pk}/").status_code == 404


def test_what_was_approved_before_the_register_began_stays_out(
    given: kit.Story, client: Client, settings
) -> None:
    decided = given.project.decided_at
    settings.PUBLIC_REGISTER_SINCE = decided.date() + timedelta(days=1)
    assert client.get("/api/v1/register/").json()["results"] == []
    settings.PUBLIC_REGISTER_SINCE = decided.date()
    assert [row["id"] for row in client.get("/api/v1/register/").json()["results"]] == [given.project.pk]
    assert register.is_public(datetime.combine(decided.date(), datetime.min.time(), tzinfo=UTC))
    assert not register.is_public(decided - timedelta(days=2))


def test_released_outputs_are_told_without_the_answer(on, given: kit.Story, client: Client) -> None:
    released(given)
    (output,) = client.get(f"/api/v1/register/{given.project.pk}/").json()["outputs"]
    assert output == {
        "title": "Patients by sex",
        "dataset": "Support2",
        "released_on": timezone.now().date().isoformat(),
        "epsilon": "0.1",
        "delta": "0.000001",
    }
    text = everything(client, given.project)
    assert "SELECT" not in text
    assert "d" * 64 not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "quarantined"},
        {"status": "awaiting_review"},
        {"status": "rejected"},
        {"is_repeat": True},
        {"released_at": datetime(2999, 1, 1, tzinfo=UTC)},
    ],
)
def test_what_is_not_out_is_not_told(on, given: kit.Story, client: Client, changes: dict[str, Any]) -> None:
    released(given, **changes)
    assert client.get(f"/api/v1/register/{given.project.pk}/").json()["outputs"] == []


def test_a_cache_may_keep_a_stranger_s_page_and_no_one_else_s(on, given: kit.Story, client: Client) -> None:
    first = client.get("/register/")
    assert "public" in first["Cache-Control"]
    again = client.get("/register/", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "public" not in kit.browser(given.cast.sam).get("/register/")["Cache-Control"]


def test_strangers_are_limited(on, given: kit.Story, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AnonRateThrottle, "THROTTLE_RATES", {"anon": "2/min"})
    codes = [client.get("/register/feed.json").status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_deciders_are_told_what_becomes_public(on, given: kit.Story) -> None:
    other = world.proposal(given.cast, given.dataset, title="Another")
    page = kit.browser(given.cast.sam).get(reverse("project", args=[other.pk])).content.decode()
    assert "If it is approved, the <a" in page
    waiting = kit.ask(given)
    page = kit.browser(given.cast.alice).get(reverse("decision", args=[waiting.pk])).content.decode()
    assert "Once its answer is released" in page


def test_pages_are_sound_searched_and_cost_the_same_however_many(
    on, given: kit.Story, client: Client
) -> None:
    for address in ("/register/", f"/register/projects/{given.project.pk}/"):
        assert kit.faults(client.get(address).content.decode()) == []
    assert "Nothing matches" in client.get("/register/", {"search": "nowhere"}).content.decode()
    assert "Costs of care" not in client.get("/register/", {"state": "closed"}).content.decode()
    assert json.loads(client.get("/register/feed.json").content)["items"][0]["title"] == "Costs of care"

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get("/register/")
        return len(asked)

    before = cost()
    for _ in range(3):
        world.approved(given.cast, given.dataset)
    assert cost() == before
