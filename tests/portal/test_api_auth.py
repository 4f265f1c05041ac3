"""Who calls the API: bearer tokens that say why they are refused, and sessions that need CSRF."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from domains.people import actions
from domains.people.models import ApiToken, User
from domains.people.permissions import Permission, Role
from portal.api.auth import RecentSignIn, SessionAuthentication, TokenAuthentication
from portal.middleware import ClosedByDefault
from tests.portal.people_kit import ada, browser, join

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def made(user: User) -> str:
    return actions.create_token(user, "notebook", [Permission.CATALOGUE_READ], 30, by=user)[1]


def asked(header: str | None) -> Request:
    headers = {"HTTP_AUTHORIZATION": header} if header is not None else {}
    return Request(APIRequestFactory().get("/api/v1/x/", **headers))


def test_a_token_speaks_for_its_owner_within_its_scopes(sam: User) -> None:
    user, token = TokenAuthentication().authenticate(asked(f"Bearer {made(sam)}"))  # type: ignore[misc]
    assert (user, token.name) == (sam, "notebook")
    assert user.token_scopes == {Permission.CATALOGUE_READ}


@pytest.mark.parametrize("header", [None, "", "Basic c2FtOng=", "gridhouse_x"])
def test_without_a_bearer_header_others_are_asked(header: str | None) -> None:
    assert TokenAuthentication().authenticate(asked(header)) is None


def _expire(sam: User) -> None:
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now())


def _revoke(sam: User) -> None:
    actions.revoke_token(ApiToken.objects.get(), by=sam)


def _close(sam: User) -> None:
    actions.deactivate(sam, by=ada())


def _forget(sam: User) -> None:
    ApiToken.objects.update(secret_sha256="0" * 64)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_expire, "token_expired"),
        (_revoke, "token_revoked"),
        (_close, "account_closed"),
        (_forget, "token_invalid"),
    ],
)
def test_a_token_that_ended_is_refused_with_its_reason(
    sam: User, end: Callable[[User], None], code: str
) -> None:
    plain = made(sam)
    end(sam)
    with pytest.raises(AuthenticationFailed) as refused:
        TokenAuthentication().authenticate(asked(f"Bearer {plain}"))
    assert refused.value.get_codes() == code


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "bearer nonsense", "Bearer a b", "Bearer \u00e9\u00ff"]
)
def test_a_malformed_token_is_refused_not_an_error(header: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        TokenAuthentication().authenticate(asked(header))
    assert refused.value.get_codes() == "token_invalid"


def test_a_401_says_how_to_authenticate() -> None:
    assert TokenAuthentication().authenticate_header(asked(None)) == 'Bearer realm="gridhouse"'


def test_a_session_needs_csrf(sam: User) -> None:
    request = APIRequestFactory(enforce_csrf_checks=True).post("/api/v1/x/", {})
    request.user = sam
    with pytest.raises(PermissionDenied, match="CSRF"):
        SessionAuthentication().authenticate(Request(request))


class _Session(SessionAuthentication):
    """The session's user without the cross-site check, which has its own test."""

    def enforce_csrf(self, request: HttpRequest) -> None:
        return


def recent(request: Any) -> bool:
    request.user  # noqa: B018 - authenticate, as the framework does before it asks for permission
    return RecentSignIn().has_permission(request, None)  # type: ignore[arg-type]


def test_deciding_through_a_session_needs_a_recent_sign_in_and_through_a_token_a_scope(sam: User) -> None:
    def session_of(hours: float) -> Request:
        http = HttpRequest()
        http.session, http.user = browser(sam, hours_ago=hours).session, sam  # type: ignore[assignment]
        return Request(http, authenticators=[_Session()])

    assert recent(session_of(0))
    assert not recent(session_of(1))
    request = session_of(1)
    request.user, request.auth = sam, ApiToken(user=sam)
    assert recent(request)


def test_nobodys_answer_passes_the_middleware() -> None:
    def api(request: HttpRequest) -> HttpResponse:
        request.user = None  # type: ignore[assignment] - what the framework leaves for a caller it does not know
        return HttpResponse(status=401)

    answer = ClosedByDefault(api)(HttpRequest())
    assert (answer.status_code, "Cache-Control" in answer) == (401, False)
