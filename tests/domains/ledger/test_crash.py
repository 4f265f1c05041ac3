"""kill −9 at any moment: no answer leaves uncharged, no charge has two answers or two draws, nothing is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., str]
SOUND = {
    "uncharged": [],
    "double_answers": [],
    "double_draws": [],
    "faults": [],
    "log": [],
    "behind": [],
    "fatal": [],
}


def crash(run: Run, url: str, mode: str, seconds: float, folder: Path) -> dict[str, Any]:
    world = folder / f"outside-{mode}"
    world.mkdir()
    found: dict[str, Any] = json.loads(
        run("crash_world", url, mode, str(seconds), str(world), timeout=seconds + 240)
    )
    return found


def assert_sound(found: dict[str, Any], *, least_releases: int, least_burnt: int = 0) -> None:
    assert {name: found[name] for name in SOUND} == SOUND
    assert found["kills"] > 5
    assert found["releases"] >= least_releases, found
    assert found["states"].get("BURNT", 0) >= least_burnt, found  # died between commit and answer


def assert_caught(found: dict[str, Any], mode: str) -> None:
    caught = {name: len(found[name]) for name in ("uncharged", "double_answers", "double_draws")}
    assert caught["double_draws"] > 0, caught
    if mode == "naive":
        assert caught["uncharged"] > 0, caught
        assert caught["double_answers"] > 0, caught


def test_workers_that_are_killed_never_let_an_answer_out_uncharged(
    run_world: Run, sqlite_database: str, tmp_path: Path
) -> None:
    assert_sound(crash(run_world, sqlite_database, "sound", 6, tmp_path), least_releases=5)


@pytest.mark.parametrize("mode", ["naive", pytest.param("redraw", marks=pytest.mark.prove)])
def test_the_harness_catches_a_wrong_protocol(
    run_world: Run, sqlite_database: str, tmp_path: Path, mode: str
) -> None:
    assert_caught(crash(run_world, sqlite_database, mode, 3, tmp_path), mode)


@pytest.mark.prove
def test_for_long_on_sqlite(run_world: Run, sqlite_database: str, tmp_path: Path) -> None:
    assert_sound(crash(run_world, sqlite_database, "sound", 40, tmp_path), least_releases=30, least_burnt=1)


@pytest.mark.prove
@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["sound", "naive", "redraw"])
def test_for_long_on_postgresql(run_world: Run, postgres_database: str, tmp_path: Path, mode: str) -> None:
    found = crash(run_world, postgres_database, mode, 40 if mode == "sound" else 10, tmp_path)
    if mode == "sound":
        assert_sound(found, least_releases=30, least_burnt=1)
    else:
        assert_caught(found, mode)
