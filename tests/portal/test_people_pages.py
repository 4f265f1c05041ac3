"""The pages of people, one's own account, notices and refusals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from domains.errors import DomainError, NotFound
from domains.notices import queries as notices
from domains.notices.outbox import tell
from domains.people import actions
from domains.people.models import ApiToken, Invitation, User
from domains.people.permissions import NODE_ROLES, Permission, Role
from portal.middleware import DomainErrors
from portal.web.problems import server_error
from privacy.errors import QueryRejected
from tests.portal.people_kit import PASSWORD, ada, browser, join, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def text(answer: Any) -> str:
    return answer.content.decode()


# --- Inviting and accepting -------------------------------------------------------------------------------------


def test_from_an_invitation_to_the_first_sign_in() -> None:
    admin = browser(ada())
    page = text(
        admin.post("/people/invite/", {"email": "rita@example.org", "name": "Rita", "role": "reviewer"})
    )
    link = re.search(r"http://testserver(/invitations/[\w-]+/)", page)[1]  # type: ignore[index]
    assert "rita@example.org" in text(admin.get("/people/"))
    assert link not in text(admin.get("/people/"))  # shown once
    stranger = Client()
    assert "as reviewer" in text(stranger.get(link))
    weak = stranger.post(link, {"name": "Rita", "password": "short"})
    assert (weak.status_code, "at least 12 characters" in text(weak)) == (422, True)
    assert stranger.post(link, {"name": "Rita", "password": PASSWORD})["Location"] == "/account/login/"
    assert sign_in(stranger, "rita@example.org")["Location"] == "/"
    assert stranger.get(link).status_code == 404
    assert notices.unread(ada()).count() == 1


def test_a_refused_invitation_keeps_what_was_typed(sam: User) -> None:
    answer = browser(ada()).post("/people/invite/", {"email": sam.email, "name": "Sam", "role": "owner"})
    assert answer.status_code == 422
    assert "has an account already" in text(answer)
    assert sam.email in text(answer)


def test_an_invitation_can_be_taken_back() -> None:
    invitation, secret = actions.invite("x@example.org", "", Role.OWNER, by=ada())
    admin = browser(ada())
    assert admin.post(f"/people/invitations/{invitation.pk}/revoke/").status_code == 302
    assert Client().get(f"/invitations/{secret}/").status_code == 404
    assert "revoked already" in text(admin.post(f"/people/invitations/{invitation.pk}/revoke/", follow=True))


# --- Roles and leaving -------------------------------------------------------------------------------------------


def test_an_administrator_gives_and_ends_roles_and_closes_accounts(sam: User) -> None:
    admin, page = browser(ada()), f"/people/{sam.pk}/"
    admin.post(f"{page}grant/", {"role": "auditor"})
    assert User.objects.get(pk=sam.pk).node_roles == {Role.SCIENTIST, Role.AUDITOR}
    admin.post(f"{page}end/", {"role": "auditor"})
    assert User.objects.get(pk=sam.pk).node_roles == {Role.SCIENTIST}
    admin.post(f"{page}deactivate/")
    assert "account is closed" in text(admin.get(page))
    admin.post(f"{page}reactivate/")
    assert User.objects.get(pk=sam.pk).is_active


def test_a_wrong_role_is_a_sentence_not_an_error(sam: User) -> None:
    answer = browser(ada()).post(f"/people/{sam.pk}/grant/", {"role": "emperor"}, follow=True)
    assert "There is no such role." in text(answer)


PEOPLE_PAGES = [
    ("get", "/people/"),
    ("get", "/people/{pk}/"),
    ("get", "/people/invite/"),
    ("post", "/people/invite/"),
    ("post", "/people/{pk}/grant/"),
    ("post", "/people/{pk}/end/"),
    ("post", "/people/{pk}/deactivate/"),
    ("post", "/people/{pk}/reactivate/"),
    ("post", "/people/invitations/{invitation}/revoke/"),
]


@pytest.mark.parametrize("role", NODE_ROLES)
def test_each_page_of_people_by_role(sam: User, role: Role) -> None:
    invitation, _ = actions.invite("pending@example.org", "", Role.OWNER, by=ada())
    client = browser(ada() if role is Role.ADMINISTRATOR else join("someone", role))
    for method, address in PEOPLE_PAGES:
        path = address.format(pk=sam.pk, invitation=invitation.pk)
        body = {"role": "auditor", "email": "y@example.org"} if method == "post" else {}
        status = getattr(client, method)(path, body).status_code
        reads_only = address in {"/people/", "/people/{pk}/"}
        allowed = role is Role.ADMINISTRATOR or (role is Role.AUDITOR and reads_only)
        assert status in ({200, 302} if allowed else {403}), (role, method, path, status)
    changed = role is Role.ADMINISTRATOR
    assert Invitation.objects.filter(pk=invitation.pk, revoked_at__isnull=True).exists() != changed


def test_nobody_is_found_where_nobody_is() -> None:
    assert browser(ada()).get("/people/01ARZ3NDEKTSV4RRFFQ69G5FAV/").status_code == 404


# --- One's own account ---------------------------------------------------------------------------------------------


def test_people_change_what_they_are_called(sam: User) -> None:
    client = browser(sam)
    assert client.post("/account/", {"name": "Samuel", "institution": "Institute"})["Location"] == "/account/"
    assert "Samuel" in text(client.get("/account/"))
    assert client.post("/account/", {"name": ""}).status_code == 422


def test_a_token_is_shown_once_with_what_it_may(sam: User) -> None:
    client = browser(sam)
    first = text(client.get("/account/tokens/"))
    assert re.findall(r'name="usual" value="(\w+)"[^>]*checked', first) == ["read", "projects", "requests"]
    assert not re.findall(r'name="deciding" value="\w+"[^>]*checked', first)
    form = {"name": "notebook", "days": "30", "usual": ["read", "requests"]}
    page = text(client.post("/account/tokens/", form))
    plain = re.search(r'id="new-token">(gridhouse_\w+_[\w-]+)<', page)[1]  # type: ignore[index]
    token = ApiToken.objects.get()
    assert set(token.scopes) >= {Permission.REQUEST_SUBMIT, Permission.CATALOGUE_READ}
    assert Permission.REQUEST_REVIEW not in token.scopes
    assert plain not in text(client.get("/account/tokens/"))
    assert client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    assert browser(ada()).post(f"/account/tokens/{token.pk}/revoke/").status_code == 404


def test_a_token_that_may_nothing_is_refused_in_the_form(sam: User) -> None:
    answer = browser(sam).post("/account/tokens/", {"name": "x", "days": "30"})
    assert (answer.status_code, "Choose at least one thing" in text(answer)) == (422, True)


# --- Notices -------------------------------------------------------------------------------------------------------


def test_notices_are_read_one_by_one_or_all_and_lead_on(sam: User) -> None:
    for number in range(3):
        tell([sam], "x", f"Number {number}.", "/account/")
    client = browser(sam)
    assert "Number 1." in text(client.get("/notices/"))
    one = notices.unread(sam)[0]
    assert client.post("/notices/read/", {"notice": one.pk, "to": "/account/"})["Location"] == "/account/"
    assert notices.unread(sam).count() == 2
    assert client.post("/notices/read/", {"to": "https://evil.example/"})["Location"] == "/notices/"
    assert notices.unread(sam).count() == 0
    assert "Nothing yet" in text(browser(join("rita", Role.REVIEWER)).get("/notices/"))


# --- Refusals ------------------------------------------------------------------------------------------------------


def _asked(*, htmx: bool) -> HttpRequest:
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.messages.storage.fallback import FallbackStorage

    request = RequestFactory().get("/x/")
    request.user, request.htmx, request.id = AnonymousUser(), htmx, "01REQUEST"  # type: ignore[attr-defined]
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request


def answer_to(error: Exception, *, htmx: bool = False) -> HttpResponse | None:
    return DomainErrors(lambda request: HttpResponse()).process_exception(_asked(htmx=htmx), error)


def test_a_rule_that_says_no_becomes_a_page_or_a_fragment() -> None:
    page = answer_to(NotFound("Nothing here."))
    assert page is not None
    assert (page.status_code, "<h1>Not found</h1>" in text(page), "01REQUEST" in text(page)) == (
        404,
        True,
        True,
    )
    fragment = answer_to(NotFound("Nothing here."), htmx=True)
    assert fragment is not None
    assert (fragment.status_code, fragment["HX-Retarget"], "<html" in text(fragment)) == (
        404,
        "#problem",
        False,
    )


def test_a_refused_query_names_the_clause_and_a_way_on() -> None:
    page = answer_to(QueryRejected("join", "JOIN <b>", "Joins are not offered.", alternative="Ask twice."))
    assert page is not None
    assert page.status_code == 422
    assert "JOIN &lt;b&gt;" in text(page)
    assert "Ask twice." in text(page)


def test_an_error_that_nobody_foresaw_is_left_alone_and_shown_without_its_words() -> None:
    assert answer_to(ValueError("patient 17 is 93 years old")) is None
    assert answer_to(DomainError("base class")) is None
    assert "93" not in text(server_error(_asked(htmx=False)))


def test_a_page_that_is_not_there_says_so(sam: User) -> None:
    answer = browser(sam).get("/no/such/page/")
    assert (answer.status_code, "Not found" in text(answer)) == (404, True)


# --- Security of the pages themselves --------------------------------------------------------------------------------


def test_these_pages_carry_no_inline_code(sam: User) -> None:
    admin = browser(ada())
    addresses = [
        "/people/",
        "/people/invite/",
        f"/people/{sam.pk}/",
        "/account/",
        "/account/tokens/",
        "/notices/",
    ]
    addresses += ["/account/password/change/", "/account/logout/"]
    for address in addresses:
        answer = admin.get(address)
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert not re.search(r"<[^>]+\s(style|on\w+)=|<style|<script(?![^>]*src=)", text(answer)), address
