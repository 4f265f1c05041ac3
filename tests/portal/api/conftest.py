"""Tests here can start from a whole node, made once for each module (see `tests.world`), and call it as anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.world import World, answer, built, node

__all__ = ["answer", "built", "node"]

BASE = "/api/v1/"


class Caller:
    """Somebody with a token (or without) who calls the API; every answer is (status, body)."""

    def __init__(self, token: str = "") -> None:
        self.http = APIClient()
        if token:
            self.http.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    def get(self, path: str, **params: Any) -> Any:
        return self.http.get(BASE + path, params)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.http.post(BASE + path, {} if body is None else body, format="json", headers=headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.http.patch(BASE + path, body, format="json")


@pytest.fixture
def call(node: World) -> Callable[[str], Caller]:
    """Return who calls: `call("sam").get("requests/")`; `call("")` has no token."""
    return lambda name: Caller(node.tokens[name] if name else "")
