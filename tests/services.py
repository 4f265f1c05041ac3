"""What a test may need beyond Python. A machine without it skips the test; CI fails it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def postgres_url() -> str:
    """Return the URL of a PostgreSQL server on which tests may make databases."""
    return os.environ.get("TEST_POSTGRES_URL") or lacking("PostgreSQL: TEST_POSTGRES_URL names no server")


def redis_url() -> str:
    """Return the URL of a Redis server that tests may fill."""
    return os.environ.get("TEST_REDIS_URL") or lacking("Redis: TEST_REDIS_URL names no server")


def chromium() -> str:
    """Return the path of the system's Chromium; no browser is ever downloaded."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return lacking("Chromium: no such program on this machine")


def lacking(what: str) -> NoReturn:
    """Skip the test because of `what`; where REQUIRE_SERVICES=1 says that all must be there, fail it."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"REQUIRE_SERVICES=1, but this machine lacks {what}", pytrace=False)
    pytest.skip(f"this machine lacks {what}")
