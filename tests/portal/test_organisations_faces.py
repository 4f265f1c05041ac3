"""Organisations on pages and in the API: the same rights, a constant number of queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from domains.people import organisations
from domains.people.models import Organisation, User
from domains.people.permissions import NODE_ROLES, Role
from tests.portal.people_kit import ada, browser, join

pytestmark = pytest.mark.django_db
PAGES = "/people/organisations/"
API = "/api/v1/organisations/"


@pytest.fixture
def institute() -> Organisation:
    return organisations.create_organisation("Institute", "DE", by=ada())


def text(answer: Any) -> str:
    return answer.content.decode()


def test_an_organisation_is_added_edited_filled_and_retired_on_pages() -> None:
    rita, admin = join("rita", Role.REVIEWER), browser(ada())
    assert "No organisation yet" in text(admin.get(PAGES))
    assert "Add an organisation" in text(admin.get(f"/people/{rita.pk}/"))
    wrong = admin.post(f"{PAGES}add/", {"name": "Institute", "country": "GE", "ror": "typed wrong"})
    assert (wrong.status_code, "typed wrong" in text(wrong)) == (422, True)
    assert admin.post(f"{PAGES}add/", {"name": "Institute"})["Location"] == f"{PAGES}institute/"
    assert "Nobody belongs to it" in text(admin.get(f"{PAGES}institute/"))
    admin.post(f"{PAGES}institute/edit/", {"name": "Academy"})
    admin.post(f"/people/{rita.pk}/organisation/", {"organisation": "institute"})
    assert "Rita" in text(admin.get(f"{PAGES}institute/"))
    assert "Academy" in text(admin.get("/people/"))
    assert "Academy" in text(browser(rita).get("/account/"))
    assert "1 open account)" in text(admin.get(f"{PAGES}institute/retire/"))
    admin.post(f"{PAGES}institute/retire/")
    page = text(admin.get(f"{PAGES}institute/"))
    assert ("Retired" in page, f"{PAGES}institute/edit/" in page) == (True, False)
    admin.post(f"/people/{rita.pk}/organisation/", {"organisation": ""})
    assert User.objects.get(pk=rita.pk).organisation_id is None
    assert "None fits" in text(admin.get(f"{PAGES}?search=zzz"))
    clash = organisations.create_organisation("Other", by=ada())
    assert admin.post(f"{PAGES}{clash.slug}/edit/", {"name": "academy"}).status_code == 422


def test_the_api_does_what_the_pages_do(institute: Organisation) -> None:
    rita, admin = join("rita", Role.REVIEWER), browser(ada())

    def post(address: str, body: dict[str, Any]) -> Any:
        return admin.post(address, body, content_type="application/json")

    made = post(API, {"name": "Academy", "ror": "05gq02987"})
    assert (made.status_code, made.json()["slug"], made.json()["people"]) == (201, "academy", 0)
    assert post(f"{API}academy/rename/", {"name": "The Academy"}).json()["name"] == "The Academy"
    placed = post(f"/api/v1/people/{rita.pk}/set-organisation/", {"organisation": "institute"}).json()
    assert placed["organisation"] == {"slug": "institute", "name": "Institute"}
    assert [one["name"] for one in admin.get(f"{API}institute/people/").json()["results"]] == ["Rita"]
    assert [one["slug"] for one in admin.get(f"{API}?search=inst").json()["results"]] == ["institute"]
    assert post(f"{API}academy/retire/", {}).json()["is_active"] is False
    refused = post(f"/api/v1/people/{rita.pk}/set-organisation/", {"organisation": "academy"})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    cleared = post(f"/api/v1/people/{rita.pk}/set-organisation/", {"organisation": None}).json()
    assert cleared["organisation"] is None


READS = [PAGES, f"{PAGES}institute/", API, f"{API}institute/", f"{API}institute/people/"]
WRITES = [
    f"{PAGES}add/",
    f"{PAGES}institute/edit/",
    f"{PAGES}institute/retire/",
    "/people/{pk}/organisation/",
    API,
    f"{API}institute/rename/",
    f"{API}institute/retire/",
    "/api/v1/people/{pk}/set-organisation/",
]


@pytest.mark.parametrize("role", NODE_ROLES)
def test_each_place_by_role(institute: Organisation, role: Role) -> None:
    rita = join("rita", Role.REVIEWER)
    client = browser(ada() if role is Role.ADMINISTRATOR else join("someone", role))
    reads = role in {Role.ADMINISTRATOR, Role.AUDITOR}
    for address in READS:
        assert client.get(address).status_code == (200 if reads else 403), address
    for address in WRITES:
        is_api = address.startswith("/api/")
        body: dict[str, Any] = {"name": "Institute of Role", "organisation": "institute"}
        extra = {"content_type": "application/json"} if is_api else {}
        status = client.post(address.format(pk=rita.pk), body, **extra).status_code
        wanted = {200, 201, 302, 409, 422} if role is Role.ADMINISTRATOR else {403}
        assert status in wanted, (address, status)
    assert Organisation.objects.filter(retired_at__isnull=False).exists() == (role is Role.ADMINISTRATOR)


def test_the_list_costs_the_same_however_long(institute: Organisation) -> None:
    admin = browser(ada())

    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(address).status_code == 200
        return len(asked)

    organisations.set_organisation(join("first", Role.SCIENTIST), institute, by=ada())
    before = [cost(address) for address in READS]
    for number in range(3):
        organisations.create_organisation(f"Place {number}", by=ada())
        organisations.set_organisation(join(f"p{number}", Role.SCIENTIST), institute, by=ada())
    assert [cost(address) for address in READS] == before
