"""Two dozen clients on one budget and one log: nothing is overspent, nothing is lost, nobody deadlocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., str]
CLIENTS = 24


def race(run: Run, url: str, mode: str, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("race_world", url, mode, str(CLIENTS), str(rounds), timeout=500))
    return found


def assert_sound(found: dict[str, Any], rounds: int) -> None:
    seen = found["seen"]
    assert found["errors"] == {}
    assert found["faults"] == []
    assert found["log"] == []
    assert seen["reserved"] + seen.get("refused", 0) == CLIENTS * rounds
    assert seen["refused"] > 0, "the budget was never exhausted, so nothing was shown"
    assert found["charges"] == seen["reserved"]
    assert found["answers"] == seen["answered"] == found["spent"]
    # Whoever was refused was refused because it was full: voids gave back only what others could take again.
    assert found["held"] == seen["reserved"] - seen.get("voided", 0) <= found["limit"]
    assert found["pure"]["held"] == 2 * found["held"] <= found["pure"]["limit"]


def test_clients_never_overspend_together(run_world: Run, sqlite_database: str) -> None:
    assert_sound(race(run_world, sqlite_database, "sound", 5), 5)


@pytest.mark.prove
@pytest.mark.postgres
def test_a_reservation_that_looks_before_it_adds_is_caught(run_world: Run, postgres_database: str) -> None:
    """The planted fault; PostgreSQL only, for SQLite lets one writer in at a time. The constraint stops it."""
    found = race(run_world, postgres_database, "unguarded", 8)
    assert any("check constraint" in name for name in found["errors"]), found["seen"]
    assert found["pure"]["held"] <= found["pure"]["limit"]


@pytest.mark.prove
def test_for_long_on_sqlite(run_world: Run, sqlite_database: str) -> None:
    assert_sound(race(run_world, sqlite_database, "sound", 30), 30)


@pytest.mark.prove
@pytest.mark.postgres
def test_for_long_on_postgresql(run_world: Run, postgres_database: str) -> None:
    assert_sound(race(run_world, postgres_database, "sound", 40), 40)
