"""API tokens: how one is made, and how a presented one is recognised."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from domains.people.models import ApiToken, User
from domains.people.permissions import Permission

MARK = "gridhouse"  # begins every token, so that secret scanners and people recognise one
LAST_USED_STEP = timedelta(minutes=1)  # how exact `last_used_at` is; spares a write for each call
_NOBODY = "0" * 64
_KNOWN = frozenset(Permission)


def make() -> tuple[str, str, str]:
    """Return a fresh (plain text, prefix, sha256): 256 random bits after a public prefix of 8 characters."""
    prefix = secrets.token_hex(4)
    plain = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    return plain, prefix, digest(plain)


def digest(plain: str) -> str:
    """Return the SHA-256 under which a secret is kept; no salt is needed for 256 random bits."""
    return hashlib.sha256(plain.encode()).hexdigest()


def find(plain: str) -> ApiToken | None:
    """Return the token whose secret `plain` is, in whatever state it is; compares in constant time."""
    mark, _, rest = plain.partition("_")
    prefix = rest.partition("_")[0]
    token = None
    if mark == MARK and len(prefix) == 8:
        token = ApiToken.objects.select_related("user").filter(prefix=prefix).first()
    fits = secrets.compare_digest(token.secret_sha256 if token else _NOBODY, digest(plain))
    return token if token and fits else None


def refusal(token: ApiToken, now: datetime | None = None) -> str | None:
    """Say why a genuine token is refused (`token_revoked`, `token_expired`, `account_closed`), or None."""
    if not token.user.is_active:
        return "account_closed"
    if token.revoked_at is not None:
        return "token_revoked"
    return "token_expired" if token.expires_at <= (now or timezone.now()) else None


def bear(token: ApiToken) -> User:
    """Return the token's user, limited to its scopes, and note that it was used."""
    user, now = token.user, timezone.now()
    user.token_scopes = frozenset(Permission(scope) for scope in token.scopes if scope in _KNOWN)
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_STEP:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return user


def authenticate(plain: str) -> User | None:
    """Return the user a token speaks for, with `token_scopes` set, or None if it does not count."""
    token = find(plain)
    return bear(token) if token is not None and refusal(token) is None else None
