"""What people and programs see while Redis, or the database, does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from domains.catalog import queries
from domains.people.models import User
from tests import cast, make
from tests.portal.api.kit import call_as

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def without_redis(settings: Any) -> None:
    """Point the cache at a port where nothing listens."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }


def browser(user: User) -> Client:
    """Return a browser with a session from before."""
    window = Client()
    window.force_login(user)
    return window


def test_tokens_and_sessions_go_on_without_redis(given: cast.Cast, without_redis: None) -> None:
    assert call_as(given.sam).get("datasets/").status_code == 200
    assert browser(given.sam).get(reverse("catalogue")).status_code == 200


def test_nobody_signs_in_uncounted_while_redis_is_away(given: cast.Cast, without_redis: None) -> None:
    words = {"login": given.sam.email, "password": make.PASSWORD}
    answer = Client(raise_request_exception=False).post(reverse("account_login"), words)
    assert answer.status_code == 503
    page = answer.content.decode()
    assert "Try again in a minute" in page
    assert "127.0.0.1" not in page, "where the cache lies is nobody's business"


def test_readyz_tells_of_the_cache_and_stays_ready(without_redis: None, client: Client) -> None:
    checks = client.get(reverse("readyz")).json()["checks"]
    assert (checks["cache"], checks["database"]) == ("failing", "ok")


@pytest.mark.parametrize("ask", [lambda sam: call_as(sam).get("areas/"), None], ids=["api", "page"])
def test_a_database_that_does_not_answer_is_a_503_without_its_words(
    given: cast.Cast, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Any], Any] | None
) -> None:
    def away(*args: object, **words: object) -> None:
        raise OperationalError("connection to server at db.internal failed")

    signed_in = browser(given.sam)
    monkeypatch.setattr(queries, "areas", away)
    answer = ask(given.sam) if ask else signed_in.get(reverse("catalogue"))
    assert answer.status_code == 503
    assert "db.internal" not in answer.content.decode()
