"""Somebody with a token that may be used for everything, who calls the API."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from domains.people.actions import create_token
from domains.people.models import User
from domains.people.permissions import Permission

BASE = "/api/v1/"


class Client:
    """Calls the API as one person; answers are Django's test responses."""

    def __init__(self, token: str) -> None:
        self.http = APIClient()
        self.http.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    def get(self, path: str, **params: Any) -> Any:
        return self.http.get(BASE + path, params)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post(BASE + path, body or {}, format="json", headers=headers)

    def put(self, path: str, body: Any) -> Any:
        return self.http.put(BASE + path, body, format="json")

    def patch(self, path: str, body: Any) -> Any:
        return self.http.patch(BASE + path, body, format="json")

    def upload(self, path: str, file: Any, **fields: str) -> Any:
        return self.http.post(BASE + path, {"file": file, **fields}, format="multipart")


def call_as(user: User, *scopes: Permission) -> Client:
    """Return a caller with a fresh token, for everything or for `scopes` alone."""
    _, token = create_token(user, name="test", scopes=scopes or tuple(Permission), days=1, by=user)
    return Client(token)
