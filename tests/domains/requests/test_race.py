"""Owners, scientists and workers at once on one grant: every approval is paid for, none twice, nobody deadlocks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.domains.ledger.conftest import (
    ROOT,
    environment,
    postgres_database,
    sqlite_database,
)

__all__ = ["postgres_database", "sqlite_database"]


def race(url: str, home: Path, *, clients: int, turns: int) -> dict[str, Any]:
    return _played(url, home, "race_world", str(clients), str(turns))


def _played(url: str, home: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.domains.requests.{words[0]}", *words[1:]]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=environment(url, home),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_sound(found: dict[str, Any]) -> None:
    assert found["errors"] == {}
    assert (found["faults"], found["log"], found["overspent"], found["stuck"]) == ([], [], 0, 0)
    assert (
        found["approved"] == found["charged"]
    )  # no approval without its charge, no charge without its approval
    for happened in ("approve", "run", "withdraw", "refused budget_exhausted"):
        assert found["seen"].get(happened), f"nothing was shown: {happened} never happened"


@pytest.mark.prove
def test_people_and_workers_on_one_grant(sqlite_database: str, tmp_path: Path) -> None:
    assert_sound(race(sqlite_database, tmp_path, clients=6, turns=20))


@pytest.mark.prove
@pytest.mark.postgres
def test_on_postgresql_likewise(postgres_database: str, tmp_path: Path) -> None:
    assert_sound(race(postgres_database, tmp_path, clients=12, turns=20))


def assert_one_reservation_each(found: dict[str, Any]) -> None:
    """Of three approvals at once two make the decision; the third comes too late, and nothing is paid twice."""
    seen, asked = found["seen"], len(found["votes"])
    assert not [name for name in seen if name.startswith("error")], seen
    assert found["statuses"] == ["approved"] * asked
    assert found["votes"] == [2] * asked
    assert (found["charges"], found["jobs"]) == (asked, asked)
    assert sum(seen.values()) == 3 * asked


@pytest.mark.prove
def test_last_votes_at_once_make_one_reservation(sqlite_database: str, tmp_path: Path) -> None:
    assert_one_reservation_each(_played(sqlite_database, tmp_path, "quorum_race_world"))


@pytest.mark.prove
@pytest.mark.postgres
def test_last_votes_at_once_on_postgresql_likewise(postgres_database: str, tmp_path: Path) -> None:
    assert_one_reservation_each(_played(postgres_database, tmp_path, "quorum_race_world"))
