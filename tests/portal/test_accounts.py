"""Signing in: limited before it hashes, silent about who exists, ended with the account, and asked for again."""

from __future__ import annotations

import re
import time
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from domains.audit.models import AuditEvent
from domains.people import actions
from domains.people.models import ApiToken, User
from domains.people.permissions import Role
from portal.middleware import ClosedByDefault, is_open
from portal.web.accounts import AccountAdapter
from tests.portal.people_kit import PASSWORD, ada, browser, join, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def events(actor: User) -> list[str]:
    return list(AuditEvent.objects.filter(actor=actor.pk).order_by("index").values_list("event", flat=True))


def code_of(secret: str) -> str:
    """Return what an authenticator app shows now."""
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(secret, counter))


# --- Which doors are open ---------------------------------------------------------------------------------------

OPEN = {
    "account_login",
    "account_logout",
    "account_inactive",
    "mfa_authenticate",
    "invitation",
    "livez",
    "metrics",
    "register",
    "register_feed",
    "register_project",
    "readyz",
}


def patterns(resolver: Any, prefix: str = "") -> Any:
    for entry in resolver.url_patterns:
        if hasattr(entry, "url_patterns"):
            yield from patterns(entry, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


class _Match:
    def __init__(self, entry: Any, prefix: str) -> None:
        self.url_name, self.namespaces = entry.name, ["admin"] if prefix.startswith("admin/") else []


def open_doors(rf: Any) -> set[str]:
    found = set()
    for address, entry in patterns(get_resolver()):
        request = rf.get("/")
        request.resolver_match = _Match(entry, address)
        if not address.startswith("api/") and is_open(request, entry.callback):
            found.add(entry.name)
    return found


def test_every_page_is_closed_but_these(rf: Any) -> None:
    assert open_doors(rf) == OPEN


def test_a_door_left_open_is_noticed(rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people = next(entry for _, entry in patterns(get_resolver()) if entry.name == "people")
    monkeypatch.setattr(people.callback, "open_to_all", True, raising=False)  # the planted fault
    assert open_doors(rf) == OPEN | {"people"}


def test_a_stranger_is_led_to_the_sign_in_page_and_back(client: Client, sam: User) -> None:
    answer = client.get("/account/tokens/?page=2")
    assert (answer.status_code, answer["Location"]) == (
        302,
        "/account/login/?next=/account/tokens/%3Fpage%3D2",
    )
    answer = client.post(
        answer["Location"], {"login": sam.email, "password": PASSWORD, "next": "/account/tokens/"}
    )
    assert answer["Location"] == "/account/tokens/"


def test_after_signing_in_nobody_is_led_to_another_site(client: Client, sam: User) -> None:
    form = {"login": sam.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/account/login/", form)["Location"] == "/"


def test_a_strangers_post_and_htmx_are_led_there_too(client: Client) -> None:
    assert client.post("/account/tokens/")["Location"] == "/account/login/?next=/"
    answer = client.get("/account/tokens/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/account/login/")


def test_closing_does_not_hang_on_the_view(rf: Any) -> None:
    from django.contrib.auth.models import AnonymousUser

    request = rf.get("/secret/")
    request.user, request.resolver_match = AnonymousUser(), None
    guard = ClosedByDefault(lambda request: None)  # type: ignore[arg-type,return-value]
    assert guard.process_view(request, lambda request: None, (), {}) is not None


def test_what_a_person_sees_is_in_nobodys_cache(sam: User) -> None:
    assert browser(sam).get("/account/")["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "name", ["account_signup", "account_email", "account_reset_password", "account_set_password"]
)
def test_what_the_node_does_not_offer_has_no_address(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)
    assert AccountAdapter().is_open_for_signup(None) is False  # type: ignore[arg-type]


# --- Passwords --------------------------------------------------------------------------------------------------


class Counted(Argon2PasswordHasher):
    """Argon2 with little memory, which counts how often it hashes."""

    time_cost, memory_cost, parallelism = 1, 8, 1
    count = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).count += 1
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        type(self).count += 1
        return super().verify(password, encoded)

    def must_update(self, encoded: str) -> bool:
        return False


@pytest.fixture
def hashes(settings: Any) -> type[Counted]:
    settings.PASSWORD_HASHERS = [f"{Counted.__module__}.Counted"]
    Counted.count = 0
    return Counted


def _page(answer: Any) -> str:
    """What the answer says, without what differs by request: tokens and the address typed."""
    text = re.sub(r"[\w.]+@example\.org", "", answer.content.decode())
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text)


def test_an_unknown_address_is_answered_like_a_wrong_password(
    client: Client, hashes: type[Counted], settings: Any
) -> None:
    sam = join("sam", Role.SCIENTIST)
    Counted.count = 0
    known = sign_in(client, sam.email, "not his password")
    assert Counted.count == 1
    unknown = sign_in(client, "nobody@example.org", "not his password")
    assert Counted.count == 2  # the same work, so the same time
    assert (known.status_code, _page(known)) == (unknown.status_code, _page(unknown))
    assert "not correct" in _page(known)


def refused_without_hashing(email: str, password: str) -> None:
    for _ in range(5):
        sign_in(Client(), email, "wrong")
    Counted.count = 0
    answer = sign_in(Client(), email, password)
    assert answer.status_code == 200
    assert "Too many attempts. Try again in 5 minutes." in answer.content.decode()
    assert Counted.count == 0


def test_after_five_wrong_passwords_an_account_waits_before_anything_is_hashed(
    hashes: type[Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = join("sam", Role.SCIENTIST)
    refused_without_hashing(sam.email, PASSWORD)
    refused_without_hashing("nobody@example.org", PASSWORD)  # an unknown account waits likewise
    rita = join("rita", Role.REVIEWER)
    assert sign_in(Client(), rita.email).status_code == 302  # and nobody else does
    with monkeypatch.context() as fault:  # planted: passwords are tried without counting first
        fault.setattr(AccountAdapter, "pre_authenticate", lambda self, request, **credentials: None)
        with pytest.raises(AssertionError):
            refused_without_hashing(rita.email, PASSWORD)


def test_the_wait_is_told_in_minutes_and_ends(sam: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        sign_in(Client(), sam.email, "wrong")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 250)
    assert "Try again in 1 minute." in sign_in(Client(), sam.email).content.decode()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert sign_in(Client(), sam.email).status_code == 302


def test_an_address_that_tries_many_accounts_waits_for_all_of_them(sam: User) -> None:
    for number in range(20):
        sign_in(Client(), f"guess{number}@example.org", "wrong", REMOTE_ADDR="203.0.113.7")
    refused = sign_in(Client(), sam.email, REMOTE_ADDR="203.0.113.7")
    assert "Too many attempts" in refused.content.decode()
    assert sign_in(Client(), sam.email, REMOTE_ADDR="203.0.113.8").status_code == 302


def test_an_address_that_floods_the_form_gets_a_clear_page(sam: User) -> None:
    for _ in range(30):
        Client().post("/account/login/", {}, REMOTE_ADDR="203.0.113.9")
    answer = Client().post("/account/login/", {}, REMOTE_ADDR="203.0.113.9")
    assert answer.status_code == 429
    assert "too many attempts" in answer.content.decode()


def test_success_in_between_does_not_reset_the_count(sam: User) -> None:
    for _ in range(4):
        sign_in(Client(), sam.email, "wrong")
        assert sign_in(Client(), sam.email).status_code == 302
    sign_in(Client(), sam.email, "wrong")
    assert "Too many attempts" in sign_in(Client(), sam.email).content.decode()


def test_a_sign_in_leaves_a_trace_and_a_failed_one_leaves_none(client: Client, sam: User) -> None:
    sign_in(client, sam.email, "wrong")
    assert "person.signed_in" not in events(sam)
    sign_in(client, sam.email)
    assert events(sam)[-1] == "person.signed_in"


def test_passwords_change_with_the_old_one_and_end_other_sessions(sam: User) -> None:
    here, there = browser(sam), browser(sam)
    form = {"oldpassword": PASSWORD, "password1": "another long walk", "password2": "another long walk"}
    assert here.post("/account/password/change/", {**form, "oldpassword": "wrong"}).status_code == 200
    assert (
        here.post(
            "/account/password/change/", {**form, "password1": "short", "password2": "short"}
        ).status_code
        == 200
    )
    assert here.post("/account/password/change/", form)["Location"] == "/account/"
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert events(sam)[-1] == "password.changed"


# --- Sessions ---------------------------------------------------------------------------------------------------


def test_a_closed_account_ends_its_sessions_at_the_next_request(sam: User) -> None:
    client = browser(sam)
    assert client.get("/account/").status_code == 200
    actions.deactivate(sam, by=ada())
    assert client.get("/account/")["Location"].startswith("/account/login/")
    answer = sign_in(Client(), sam.email)
    assert answer["Location"] == "/account/inactive/"
    assert Client().get("/account/inactive/").status_code == 200


def test_signing_out_is_a_post(sam: User) -> None:
    client = browser(sam)
    assert client.get("/account/logout/").status_code == 200
    assert client.get("/account/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/account/").status_code == 302


def test_a_form_from_elsewhere_is_refused_with_a_page(sam: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = browser(sam).cookies
    answer = client.post("/account/", {"name": "Eve"})
    assert answer.status_code == 403
    assert "csrf_failed" in answer.content.decode()
    assert User.objects.get(pk=sam.pk).name == "Sam"


# --- A recent sign-in for deciding (S10) --------------------------------------------------------------------------

TOKEN = {"name": "notebook", "days": "30", "usual": ["read"]}


def test_deciding_right_after_signing_in_asks_for_nothing_more(sam: User) -> None:
    assert browser(sam).post("/account/tokens/", TOKEN).status_code == 200
    assert ApiToken.objects.count() == 1


def test_deciding_later_asks_again_and_then_goes_on_by_itself(sam: User) -> None:
    client = browser(sam, hours_ago=1)
    assert client.get("/account/tokens/").status_code == 200  # looking needs none
    asked = client.post("/account/tokens/", TOKEN)
    assert asked["Location"] == "/account/reauthenticate/?next=%2Faccount%2Ftokens%2F"
    assert not ApiToken.objects.exists()
    assert (
        client.post(asked["Location"], {"password": "wrong", "next": "/account/tokens/"}).status_code == 200
    )
    assert not ApiToken.objects.exists()
    done = client.post(asked["Location"], {"password": PASSWORD, "next": "/account/tokens/"})
    assert "gridhouse_" in done.content.decode()
    assert ApiToken.objects.count() == 1


def test_htmx_is_led_to_the_confirmation_as_a_whole_page(sam: User) -> None:
    client = browser(sam, hours_ago=1)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/account/tokens/?a=1"}
    answer = client.post("/account/tokens/", TOKEN, headers=headers)
    assert answer["HX-Redirect"] == "/account/reauthenticate/?next=%2Faccount%2Ftokens%2F%3Fa%3D1"
    assert not ApiToken.objects.exists()


def test_somebody_elses_proof_does_not_count(sam: User) -> None:
    """A session record of another account, left in the same browser, is no recent sign-in of this one."""
    client = browser(sam)
    session = client.session
    session["account_authentication_methods_user"] = ada().pk
    session.save()
    assert client.post("/account/tokens/", TOKEN).status_code == 302


# --- The second factor --------------------------------------------------------------------------------------------


def turn_on(client: Client) -> str:
    """Set up an authenticator app; return its key."""
    page = client.get("/account/2fa/totp/activate/")
    secret = re.search(r'id="totp-key">(\w+)<', page.content.decode())[1]  # type: ignore[index]
    answer = client.post("/account/2fa/totp/activate/", {"code": code_of(secret)})
    assert answer["Location"] == "/account/2fa/recovery-codes/"
    return secret


@pytest.mark.django_db(transaction=True)
def test_the_second_factor_from_set_up_to_removal() -> None:
    sam = join("sam", Role.SCIENTIST)
    client = browser(sam)
    secret = turn_on(client)
    assert set(events(sam)[-2:]) == {"second_factor.added", "recovery_codes.made"}
    codes = re.findall(r"<li><code>(\w+)</code>", client.get("/account/2fa/recovery-codes/").content.decode())
    assert len(codes) == 10
    assert secret not in str(list(Authenticator.objects.values()))  # encrypted in the database

    other = Client()
    assert sign_in(other, sam.email)["Location"] == "/account/2fa/authenticate/"
    assert other.get("/account/").status_code == 302  # the password alone is not enough
    assert other.post("/account/2fa/authenticate/", {"code": "000000"}).status_code == 200
    assert other.get("/account/").status_code == 302
    assert other.post("/account/2fa/authenticate/", {"code": codes[0]}).status_code == 302
    assert other.get("/account/").status_code == 200

    again = Client()
    sign_in(again, sam.email)
    again.post("/account/2fa/authenticate/", {"code": codes[0]})
    assert again.get("/account/").status_code == 302  # a recovery code works once

    assert "Turn off" in client.get("/account/2fa/totp/deactivate/").content.decode()
    client.post("/account/2fa/totp/deactivate/")
    assert events(sam)[-1] == "second_factor.removed"
    assert sign_in(Client(), sam.email)["Location"] == "/"


def test_a_lost_second_factor_is_removed_by_who_runs_the_machine(sam: User) -> None:
    turn_on(browser(sam))
    call_command("reset_password", sam.email, "--second-factor", stdout=StringIO())
    assert not Authenticator.objects.filter(user=sam).exists()
    assert AuditEvent.objects.filter(event="second_factor.removed", actor="system", subject=sam.pk).exists()


def test_setting_up_a_second_factor_asks_again_when_the_sign_in_is_old(sam: User) -> None:
    asked = browser(sam, hours_ago=1).get("/account/2fa/totp/activate/")
    assert asked["Location"].startswith("/account/reauthenticate/")
    assert browser(sam).get("/account/2fa/totp/activate/").status_code == 200


def test_codes_are_limited_too(sam: User) -> None:
    turn_on(browser(sam))
    client = Client()
    sign_in(client, sam.email)
    for _ in range(6):
        answer = client.post("/account/2fa/authenticate/", {"code": "000000"})
    assert "Too many" in answer.content.decode()
