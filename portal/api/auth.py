"""Who is calling: a bearer token, or the session of a signed-in browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.authentication import SessionScheme as BaseSessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.authentication import SessionAuthentication as DrfSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from domains.people import tokens
from domains.people.models import ApiToken, User
from portal.recency import signed_in_recently

if TYPE_CHECKING:  # the framework imports this module while it makes that class
    from rest_framework.views import APIView

_REFUSALS = {
    "token_invalid": "This token is not known here.",
    "token_expired": "This token has expired. Make a new one on your account page.",
    "token_revoked": "This token was revoked. Make a new one on your account page.",
    "account_closed": "This account is deactivated.",
}


class TokenAuthentication(BaseAuthentication):
    """Reads `Authorization: Bearer gridhouse_…`; the user it returns is limited to the token's scopes."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return (user, token), None without a bearer header, or raise AuthenticationFailed with its code."""
        scheme, _, credential = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = tokens.find(credential.strip().decode("ascii", "replace"))
        code = "token_invalid" if token is None else tokens.refusal(token)
        if token is None or code is not None:
            raise AuthenticationFailed(_REFUSALS[code or "token_invalid"], code=code)
        return tokens.bear(token), token

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 answers in WWW-Authenticate."""
        return 'Bearer realm="gridhouse"'


class SessionAuthentication(DrfSessionAuthentication):
    """The browser's session, with CSRF enforced on everything that changes something."""


class RecentSignIn(BasePermission):
    """Deciding through a session asks for a recent sign-in; a token's deciding scope is the consent (S10)."""

    message = "Deciding needs a sign-in of the last minutes. Confirm that it is you, then try again."
    code = "recent_sign_in_required"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Answer True for tokens, and for sessions that are fresh enough."""
        return isinstance(request.auth, ApiToken) or signed_in_recently(request._request)


class SessionScheme(BaseSessionScheme):  # type: ignore[misc]
    """Describes the session cookie in the OpenAPI document."""

    target_class = "portal.api.auth.SessionAuthentication"
    name = "session"


class TokenScheme(OpenApiAuthenticationExtension):
    """Describes the bearer token in the OpenAPI document."""

    target_class = "portal.api.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme as OpenAPI writes it."""
        return {"type": "http", "scheme": "bearer", "description": "A token from your account page."}
