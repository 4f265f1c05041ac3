"""The pages and the API of connections: what people see, that no password is asked or shown, and who is let in."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from domains.base import move
from domains.catalog.connection import Connection
from domains.intake.lifecycle import CheckStatus
from domains.intake.models import ConnectionCheck
from domains.people.models import User
from tests import make
from tests.databases import keep_password
from tests.portal.people_kit import sign_in
from tests.portal.web.kit import faults

pytestmark = pytest.mark.django_db
FORM = {
    "host": "db.hospital.example",
    "port": 5432,
    "database": "clinic",
    "role": "gridhouse",
    "tls": "require",
}
SECRET = "the canary of a password"


def browser(name: str) -> Client:
    client = Client()
    assert sign_in(client, make.person(name).email, make.PASSWORD).status_code == 302
    return client


def api(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {make.token(user)}"})


def sound(response: object) -> str:
    """Return a page's text; it keeps the basics of access."""
    assert response.status_code == 200  # type: ignore[attr-defined]
    text = str(response.content.decode())  # type: ignore[attr-defined]
    assert faults(text) == []
    return text


def test_an_owner_adds_edits_tests_and_retires_a_connection() -> None:
    area = make.area()
    keep_password(settings.CONNECTIONS_DIR, "clinic", SECRET)
    alice = browser("alice")
    assert "No connection yet" in sound(alice.get(reverse("connections")))
    assert 'name="password"' not in sound(alice.get(reverse("connection_new")))
    bad = alice.post(
        reverse("connection_new"),
        {"area": area.pk, "name": "clinic", "engine": "postgresql", **FORM, "host": "a b"},
    )
    assert bad.status_code == 422
    assert "one host" in bad.content.decode()
    done = alice.post(
        reverse("connection_new"), {"area": area.pk, "name": "clinic", "engine": "postgresql", **FORM}
    )
    assert done.headers["Location"] == reverse("connection", args=["clinic"])
    assert "clinic on db.hospital.example" in sound(alice.get(reverse("connections")))
    edited = alice.post(reverse("connection_edit", args=["clinic"]), FORM | {"host": "new.hospital.example"})
    assert edited.status_code == 302
    assert alice.post(reverse("connection_test", args=["clinic"])).status_code == 302
    page = sound(alice.get(reverse("connection", args=["clinic"])))
    assert "new.hospital.example" in page
    assert "Being tested" in page
    assert SECRET not in page
    check = ConnectionCheck.objects.get()
    fragment = reverse("connection_test_status", args=["clinic", check.pk])
    assert "hx-get" in alice.get(fragment).content.decode()
    move(check, CheckStatus.REFUSED, status_code="role_can_write", findings={"where": ["public.patients"]})
    settled = alice.get(fragment)
    assert settled.headers["HX-Refresh"] == "true"
    assert "The role can write." in settled.content.decode()
    assert alice.post(reverse("connection_retire", args=["clinic"])).status_code == 302
    assert Connection.objects.get().is_retired


def test_a_draft_s_page_offers_the_area_s_connections() -> None:
    make.connection_test()
    alice, owner = browser("alice"), make.person("alice")
    made = make.catalog.create_dataset(
        area=make.area(), population=make.population(), title="In place", slug="in-place", by=owner
    )
    version = make.catalog.new_version(made, by=owner)
    here = reverse("dataset_edit", args=["in-place"])
    assert "Look at the table" not in sound(alice.get(here))  # the schema comes first
    make.catalog.declare(version, **make.declaration(), by=owner)
    assert "clinic (clinic on db.hospital.example)" in sound(alice.get(here))
    place = reverse("dataset_place", args=["in-place"])
    assert alice.post(place, {"connection": "clinic", "relation": "public.patients"}).status_code == 302
    page = sound(alice.get(here))
    assert "public.patients" in page
    check = ConnectionCheck.objects.get(version=version)
    assert alice.get(reverse("placing_status", args=["in-place", check.pk])).status_code == 200
    assert alice.get(reverse("placing_status", args=["in-place", "no-such"])).status_code == 404


def test_the_api_does_the_same() -> None:
    area = make.area()
    alice = api(make.person("alice"))
    body = {"area": area.slug, "name": "clinic", **FORM}
    made = alice.post("/api/v1/connections/", body, "application/json")
    assert made.status_code == 201
    assert made.json()["tls"] == "require"
    assert {"password", "secret"} & set(made.json()) == set()
    again = alice.post("/api/v1/connections/", body, "application/json")
    assert (again.status_code, again.json()["code"]) == (422, "taken")
    test = alice.post("/api/v1/connections/clinic/tests/")
    assert (test.status_code, test.json()["status"]) == (202, "waiting")
    assert [row["id"] for row in alice.get("/api/v1/connections/clinic/tests/").json()] == [test.json()["id"]]
    assert [row["name"] for row in alice.get("/api/v1/connections/").json()["results"]] == ["clinic"]
    sent = alice.put("/api/v1/connections/clinic/address/", FORM | {"port": 6000}, "application/json")
    assert (sent.status_code, sent.json()["port"]) == (200, 6000)
    sam = api(make.person("sam"))
    assert sam.get("/api/v1/connections/clinic/").status_code == 404
    assert sam.get("/api/v1/connections/").status_code == 403


def test_a_connection_s_menu_is_for_owners_and_administrators() -> None:
    make.area()
    link = f'href="{reverse("connections")}"'
    for name, sees in (("alice", True), ("ada", True), ("sam", False), ("theo", False)):
        page = browser(name).get(reverse("home")).content.decode()
        assert (link in page) is sees
