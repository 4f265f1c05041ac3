"""When an answer comes tells nothing about the rows: it comes at a moment fixed before data was opened.

Twins, one with a handful of rows and one whose people all have to be bounded, answer the same question; a
Mann–Whitney test looks for a difference between the waits that an outsider measures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from domains.jobs import children
from domains.jobs.models import Job
from domains.requests import execution
from tests import make
from tests.attacks import kit

pytestmark = pytest.mark.django_db

DECLARED: dict[str, Any] = {
    "columns": [
        {"name": "who", "kind": "text"},
        {"name": "x", "kind": "decimal", "lower": "0", "upper": "100", "step": "0.01", "source": "protocol"},
        {"name": "c", "kind": "category", "codes": ["a", "b", "c"], "source": "protocol"},
    ],
    "unit_column": "who",
    "max_groups": 1,
    "max_rows": 2,
    "max_units": 20_000,
    "declared_rows": 20_000,
}
LIGHT = [f"p{n},{n},a" for n in range(5)]
HEAVY = [f"p{n % 300},{n % 100},{'abc'[n % 3]}" for n in range(20_000)]


MOMENT = 0.4  # seconds that computing over many rows takes longer


@pytest.fixture
def _slow_where_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let computing take a moment longer over the heavy twin, more than a busy machine blurs."""
    right = children.Child.go

    def go(self: Any, payload: dict[str, Any], *, timeout: float) -> bytes:
        if "salt" in payload and rows_bytes(payload) > 20_000:  # a run over data, not an upload
            time.sleep(MOMENT)
        return right(self, payload, timeout=timeout)

    monkeypatch.setattr(children.Child, "go", go)


def rows_bytes(payload: dict[str, Any]) -> int:
    """Return the size of the files that a run reads."""
    named = payload.get("paths") or {"": payload["path"]}
    return sum(Path(path).stat().st_size for path in named.values())


def waits(runs: int) -> dict[str, list[float]]:
    """Return the seconds from approval to the released answer, run by run, for each twin in turn."""
    portal = kit.Portal()
    grants = {}
    for name, lines in (("light", LIGHT), ("heavy", HEAVY)):
        kit.published(name, ["who,x,c", *lines], DECLARED)
        grants[name] = kit.granted(name)
    found: dict[str, list[float]] = {name: [] for name in grants}
    for run in range(runs):
        for name, grant in grants.items():
            sql = f"SELECT c, COUNT(*) AS n, SUM(x) AS s FROM {name} WHERE x >= {-run - 1} GROUP BY c"
            analysis = portal.asked(grant, sql, "1")
            begin = time.perf_counter()
            make.run_jobs()
            found[name].append(time.perf_counter() - begin)
            assert Job.objects.get(pk=analysis.job_id).status == "succeeded"
    return found


def p_value(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the two-sided p of Mann and Whitney's test, by the normal approximation."""
    wins = sum((a > b) + 0.5 * (a == b) for a in left for b in right)
    n, m = len(left), len(right)
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(wins - n * m / 2) / spread / math.sqrt(2))


@pytest.mark.usefixtures("_slow_where_rows_are_many")
def test_a_wait_tells_nothing_about_the_rows() -> None:
    found = waits(4)
    assert p_value(found["light"], found["heavy"]) > 0.03  # four against four, all in order, would be 0.02


@pytest.mark.usefixtures("_slow_where_rows_are_many")
def test_answers_that_do_not_wait_for_their_deadline_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_sleep_until", lambda moment: None)
    found = waits(6)
    assert p_value(found["light"], found["heavy"]) < 0.05


@pytest.mark.prove
def test_200_waits_tell_nothing_about_the_rows() -> None:
    found = waits(100)
    assert p_value(found["light"], found["heavy"]) > 0.001


def test_the_statistic_sees_what_it_should() -> None:
    assert p_value([1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 16]) < 0.001
    assert p_value([1, 3, 5, 7], [2, 4, 6, 8]) > 0.4
