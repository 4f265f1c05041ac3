"""Where one is signed in: one sees and ends one's own sessions, and nobody else's."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.people.models import User
from domains.people.permissions import Role
from portal.sessions import SEEN, STEP_SECONDS
from portal.web.sessions import device
from tests.portal.people_kit import PASSWORD, ada, browser, join, sign_in

pytestmark = pytest.mark.django_db
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PLACE = "/account/sessions/"


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def text(answer: Any) -> str:
    return answer.content.decode()


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def laptop_of(user: User) -> Client:
    client = Client(headers={"user-agent": LAPTOP}, REMOTE_ADDR="192.0.2.7")
    sign_in(client, user.email)
    return client


def test_one_ends_one_session_and_only_ones_own(sam: User) -> None:
    here, laptop, admin = browser(sam), laptop_of(sam), browser(ada())
    page = text(here.get(PLACE))
    assert ("Firefox on Linux" in page, "192.0.2.7" in page, page.count("this one")) == (True, True, 1)
    row = UserSession.objects.get(ip="192.0.2.7")
    assert admin.post(f"{PLACE}{row.pk}/end/").status_code == 404
    assert "192.0.2.7" not in text(admin.get(PLACE))
    assert is_in(laptop)
    assert here.get(f"{PLACE}{row.pk}/end/").status_code == 405
    here.post(f"{PLACE}{row.pk}/end/")
    assert (is_in(laptop), is_in(here)) == (False, True)
    assert not UserSession.objects.filter(ip="192.0.2.7").exists()
    assert AuditEvent.objects.filter(event="session.ended", actor=sam.pk).count() == 1


def test_one_ends_all_others_and_stays(sam: User) -> None:
    here, others, admin = browser(sam), [laptop_of(sam), browser(sam)], browser(ada())
    assert "Ended: 2 sessions." in text(here.post(f"{PLACE}end-others/", follow=True))
    assert [is_in(one) for one in [here, *others, admin]] == [True, False, False, True]
    assert "End all others" not in text(here.get(PLACE))
    assert "Ended: 0 sessions." in text(here.post(f"{PLACE}end-others/", follow=True))
    assert AuditEvent.objects.filter(event="session.ended").count() == 1  # nothing ended, nothing to tell


def test_ending_the_session_one_is_in_signs_out(sam: User) -> None:
    here = browser(sam)
    here.post(f"{PLACE}{UserSession.objects.get().pk}/end/")
    assert not is_in(here)


def test_a_new_password_ends_the_others(sam: User) -> None:
    here, laptop = browser(sam), laptop_of(sam)
    fresh = "another walk by the sea"
    here.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh})
    assert User.objects.get(pk=sam.pk).check_password(fresh)
    assert (is_in(here), is_in(laptop)) == (True, False)
    assert "192.0.2.7" not in text(here.get(PLACE))
    assert "this one" in text(here.get(PLACE))


def test_last_use_is_noted_now_and_then(sam: User) -> None:
    here, long_ago = browser(sam), timezone.now() - timedelta(hours=2)
    UserSession.objects.update(last_seen_at=long_ago)
    here.get("/account/")
    assert UserSession.objects.get().last_seen_at == long_ago
    session = here.session
    session[SEEN] = time.time() - STEP_SECONDS
    session.save()
    here.get("/account/", REMOTE_ADDR="192.0.2.9")
    found = UserSession.objects.get()
    assert found.last_seen_at > long_ago
    assert found.ip == "192.0.2.9"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (LAPTOP, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version/18 Safari/604", "Safari on iPhone"),
        ("", "Another program"),
    ],
)
def test_a_browser_is_named_in_words(agent: str, words: str) -> None:
    assert device(agent) == words
