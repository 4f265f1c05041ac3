"""The node's page and emergencies: who may pause and break the glass, what everybody sees of it, and the API."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from domains.emergency import actions as emergency
from domains.emergency.models import EmergencyAccess
from domains.node import actions, queries
from tests import make
from tests.portal.web import kit


def page(client: Client, name: str) -> str:
    response = client.get(reverse(name))
    assert response.status_code == 200
    text = response.content.decode()
    assert kit.faults(text) == []
    return text


def api(user) -> Client:
    return Client(headers={"authorization": f"Bearer {make.token(user)}"})


def test_an_administrator_pauses_and_everybody_signed_in_sees_why(given):
    ada, sam = kit.browser(given.cast.ada), kit.browser(given.cast.sam)
    assert "Never paused" in page(ada, "node_page")
    page(ada, "node_pause")
    assert ada.post(reverse("node_pause"), {"reason": ""}).status_code == 422
    assert ada.post(reverse("node_pause"), {"reason": "A secret leak."}).status_code == 302
    for client in (ada, sam):
        assert "The node is paused since" in page(client, "home")
        assert "A secret leak." in page(client, "node_page")
    stranger = Client()
    assert "paused" not in stranger.get(reverse("account_login")).content.decode()
    told = stranger.get(reverse("readyz")).json()
    assert told["paused"] is True
    assert "secret" not in str(told)
    page(ada, "node_resume")
    assert ada.post(reverse("node_resume"), {"reason": "It was nothing."}).status_code == 302
    assert not queries.is_paused()
    assert "It was nothing." in page(sam, "node_page")
    assert stranger.get(reverse("readyz")).json()["paused"] is False


@pytest.mark.parametrize("who", ["sam", "alice", "rita", "theo"])
def test_nobody_else_pauses_or_breaks_the_glass(given, who):
    client, called = kit.browser(getattr(given.cast, who)), api(getattr(given.cast, who))
    for name in ("node_pause", "node_resume", "emergency_open"):
        assert client.post(reverse(name), {"reason": "Because.", "hours": 1}).status_code == 403
    for path in ("pause/begin/", "pause/end/", "emergencies/"):
        got = called.post(f"/api/v1/{path}", {"reason": "Because."}, content_type="application/json")
        assert got.status_code == 403
    may_read = 200 if who == "theo" else 403
    assert client.get(reverse("emergencies")).status_code == may_read
    assert called.get("/api/v1/emergencies/").status_code == may_read
    assert "Pause the node" not in page(client, "node_page")


def test_an_emergency_on_its_page(given):
    ada, theo = kit.browser(given.cast.ada), kit.browser(given.cast.theo)
    assert "Break the glass" in page(ada, "emergencies")
    assert "Break the glass" not in page(theo, "emergencies")
    assert ada.post(reverse("emergency_open"), {"reason": "", "hours": 1}).status_code == 422
    assert ada.post(reverse("emergency_open"), {"reason": "A stolen laptop.", "hours": 2}).status_code == 302
    access = EmergencyAccess.objects.get()
    assert "Yours is open" in page(ada, "emergencies")
    for what, subject in (
        ("freeze", given.dataset),
        ("suspend", given.project),
        ("sign-out", given.cast.sam),
    ):
        address = reverse(f"emergency_{what}", args=[access.pk])
        assert ada.post(address, {"subject": ""}).status_code == 302  # nothing chosen: nothing done
        assert ada.post(address, {"subject": subject.pk}).status_code == 302
        assert theo.post(address, {"subject": subject.pk}).status_code == 403
    assert access.acts.count() == 3
    given.dataset.refresh_from_db()
    assert given.dataset.status == "frozen"
    assert ada.post(reverse("emergency_close", args=[access.pk])).status_code == 302
    seen = page(theo, "emergencies")
    for words in ("A stolen laptop.", "Dataset frozen: Support2", "Person signed out, tokens revoked: Sam"):
        assert words in seen


def test_the_list_of_emergencies_costs_the_same_whatever_its_length(given, django_assert_max_num_queries):
    for _ in range(5):
        access = emergency.open_access(reason="Again.", hours=1, by=given.cast.ada)
        emergency.close_access(access, by=given.cast.ada)
    theo = kit.browser(given.cast.theo)
    with django_assert_max_num_queries(12):
        theo.get(reverse("emergencies"))


def test_pause_and_emergency_through_the_api(given):
    ada, sam = api(given.cast.ada), api(given.cast.sam)

    def post(path: str, body: dict[str, object], status: int = 200):
        got = ada.post(f"/api/v1/{path}", body, content_type="application/json")
        assert got.status_code == status, got.content
        return got.json()

    assert sam.get("/api/v1/pause/").json() == {"is_paused": False, "pause": None}
    assert post("pause/begin/", {"reason": "Stop."})["is_paused"]
    assert sam.get("/api/v1/pause/").json()["pause"]["reason"] == "Stop."
    assert not post("pause/end/", {"reason": "Go on."})["is_paused"]
    made = post("emergencies/", {"reason": "A stolen laptop.", "hours": 1}, 201)
    acts = f"emergencies/{made['id']}/acts/"
    assert post(acts, {"kind": "freeze_dataset", "subject": "nothing"}, 404)["code"] == "not_found"
    done = post(acts, {"kind": "freeze_dataset", "subject": given.dataset.pk})
    assert [act["label"] for act in done["acts"]] == ["Support2"]
    assert not post(f"emergencies/{made['id']}/close/", {})["is_open"]
    assert post(acts, {"kind": "sign_out", "subject": given.cast.sam.pk}, 409)["code"] == "break_glass_over"
    assert reverse("node_page") == actions.PAGE
    assert reverse("emergencies") == emergency.PAGE
