"""The API's people: who one is, tokens, notices, and managing accounts with the scope for it."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from domains.notices import queries as notices
from domains.notices.outbox import tell
from domains.people import actions, scopes
from domains.people.models import ApiToken, User
from domains.people.permissions import NODE_ROLES, Permission, Role
from portal.api import people
from tests.portal.people_kit import ada, browser, join

pytestmark = pytest.mark.django_db
BASE = "/api/v1/"


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def caller(user: User | None, granted: Any = None) -> APIClient:
    """Return a client that calls with a fresh token of `user`, or with none."""
    client = APIClient()
    if user is not None:
        given = scopes.default_scopes(user) if granted is None else granted
        plain = actions.create_token(user, "test", given, 1, by=user)[1]
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return client


def test_the_caller_learns_who_they_are_and_what_their_token_may(sam: User) -> None:
    said = caller(sam, [Permission.CATALOGUE_READ]).get(f"{BASE}me/").json()
    assert said == {
        "id": sam.pk,
        "name": "Sam",
        "email": sam.email,
        "institution": "",
        "roles": ["scientist"],
        "scopes": ["catalogue.read"],
    }
    assert browser(sam).get(f"{BASE}me/").json()["scopes"] is None


@pytest.mark.parametrize("place", ["me/", "tokens/", "notices/", "people/"])
def test_nobody_is_refused_with_a_problem(place: str) -> None:
    answer = caller(None).get(BASE + place)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="gridhouse"')
    assert answer.json()["code"] == "not_authenticated"


def test_an_ended_token_says_so(sam: User) -> None:
    client = caller(sam)
    actions.revoke_token(ApiToken.objects.get(), by=sam)
    answer = client.get(f"{BASE}me/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_tokens_are_listed_without_their_text_and_can_be_revoked_but_not_made(sam: User) -> None:
    client = caller(sam, [Permission.TOKEN_MANAGE])
    row = client.get(f"{BASE}tokens/").json()["results"][0]
    assert set(row) == {"id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"}
    assert client.post(f"{BASE}tokens/", {"name": "x"}).status_code == 405
    assert caller(ada(), [Permission.TOKEN_MANAGE]).delete(f"{BASE}tokens/{row['id']}/").status_code == 404
    assert client.delete(f"{BASE}tokens/{row['id']}/").status_code == 204
    assert client.get(f"{BASE}tokens/").status_code == 401  # it revoked itself


def test_notices_are_ones_own(sam: User) -> None:
    tell([sam, ada()], "x", "Look.", "/account/")
    client = caller(sam)
    row = client.get(f"{BASE}notices/", {"unread": "true"}).json()["results"][0]
    assert (row["text"], row["path"], row["read_at"]) == ("Look.", "/account/", None)
    hers = notices.unread(ada()).first()
    assert client.post(f"{BASE}notices/read/", {"notices": [hers.pk]}).json() == {"read": 0}  # type: ignore[union-attr]
    assert client.post(f"{BASE}notices/read/", {}).json() == {"read": 1}
    assert client.get(f"{BASE}notices/", {"unread": "true"}).json()["results"] == []


@pytest.mark.parametrize("role", NODE_ROLES)
def test_people_by_role(sam: User, role: Role) -> None:
    someone = ada() if role is Role.ADMINISTRATOR else join("someone", role)
    client = caller(someone, list(Permission))
    reads = 200 if role in {Role.ADMINISTRATOR, Role.AUDITOR} else 403
    manages = 200 if role is Role.ADMINISTRATOR else 403
    assert client.get(f"{BASE}people/").status_code == reads
    assert client.get(f"{BASE}people/{sam.pk}/").status_code == reads
    for name in ("grant-role", "end-role", "deactivate", "reactivate"):
        answer = client.post(f"{BASE}people/{sam.pk}/{name}/", {"role": "auditor"})
        assert answer.status_code == manages, (name, answer.json())


def test_people_are_found_by_name_and_role(sam: User) -> None:
    client = caller(ada(), [Permission.PEOPLE_READ])
    assert [row["name"] for row in client.get(f"{BASE}people/", {"search": "SA"}).json()["results"]] == [
        "Sam"
    ]
    found = client.get(f"{BASE}people/", {"role": "administrator"}).json()["results"]
    assert [(row["name"], row["roles"]) for row in found] == [("Ada", ["administrator"])]


def test_managing_needs_the_scope_or_a_recent_sign_in(sam: User) -> None:
    address = f"{BASE}people/{sam.pk}/deactivate/"
    answer = caller(ada()).post(address)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_scope")
    answer = browser(ada(), hours_ago=1).post(address)
    assert (answer.status_code, answer.json()["code"]) == (403, "recent_sign_in_required")
    assert browser(ada()).post(address).status_code == 200
    assert not User.objects.get(pk=sam.pk).is_active


def test_every_address_is_tried_here() -> None:
    names = {entry.name for entry in [*people.urlpatterns, *people.router.urls]}
    assert names == {
        "me", "token-list", "token-detail", "person-list", "person-detail",
        "person-grant-role", "person-end-role", "person-set-organisation", "person-deactivate", "person-reactivate",
    }  # fmt: skip
