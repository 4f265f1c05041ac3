"""When an answer comes tells nothing about the rows: it comes at a moment fixed before data was opened.

Twins, one with a handful of rows and one whose people all have to be bounded, answer the same question. No answer
comes before its deadline, and over many a Mann–Whitney test finds no difference between an outsider's waits.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from domains.jobs import children
from domains.jobs.models import Job
from domains.requests import execution
from domains.requests.models import AnalysisRequest
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
    files = (file["sealed"] if isinstance(file, dict) else file for file in named.values())
    return sum(Path(file).stat().st_size for file in files)


@dataclass(frozen=True)
class Wait:
    """How long an outsider waited for one answer, what was planned for it, and how long after its deadline it came."""

    seconds: float
    planned: float
    late: float


def waits(runs: int) -> dict[str, list[Wait]]:
    """Return the waits from approval to the released answer, run by run, for each twin in turn."""
    portal = kit.Portal()
    grants = {}
    for name, lines in (("light", LIGHT), ("heavy", HEAVY)):
        kit.published(name, ["who,x,c", *lines], DECLARED)
        grants[name] = kit.granted(name)
    found: dict[str, list[Wait]] = {name: [] for name in grants}
    for run in range(runs):
        for name, grant in grants.items():
            sql = f"SELECT c, COUNT(*) AS n, SUM(x) AS s FROM {name} WHERE x >= {-run - 1} GROUP BY c"
            found[name].append(waited(portal.asked(grant, sql, "1")))
    return found


def waited(analysis: AnalysisRequest) -> Wait:
    """Run the job of an approved request; return its wait, up to the moment from which its answer can be read."""
    moments: list[tuple[float, datetime]] = []
    right = execution.conclude

    def conclude(*args: Any, **kwargs: Any) -> None:
        right(*args, **kwargs)
        moments.append((time.perf_counter(), timezone.now()))

    begin = time.perf_counter()
    with kit.planted(execution, "conclude", conclude):
        make.run_jobs()
    job = Job.objects.get(pk=analysis.job_id)
    assert job.status == "succeeded"
    [(end, readable)] = moments
    return Wait(end - begin, float(job.planned_seconds), (readable - job.deadline).total_seconds())


def p_value(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the two-sided p of Mann and Whitney's test, by the normal approximation."""
    wins = sum((a > b) + 0.5 * (a == b) for a in left for b in right)
    n, m = len(left), len(right)
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(wins - n * m / 2) / spread / math.sqrt(2))


def check(found: dict[str, list[Wait]]) -> None:
    """Assert that no answer was there before its deadline, which was planned alike for both twins."""
    assert len({wait.planned for twin in found.values() for wait in twin}) == 1
    assert all(wait.late >= 0 for twin in found.values() for wait in twin)


@pytest.mark.prove
@pytest.mark.usefixtures("_slow_where_rows_are_many")
def test_a_wait_tells_nothing_about_the_rows() -> None:
    check(waits(2))


@pytest.mark.prove
@pytest.mark.usefixtures("_slow_where_rows_are_many")
def test_answers_that_do_not_wait_for_their_deadline_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_sleep_until", lambda moment: None)
    found = waits(1)
    with pytest.raises(AssertionError):
        check(found)


@pytest.mark.prove
@pytest.mark.parametrize("half", [1, 2])
def test_200_waits_tell_nothing_about_the_rows(half: int) -> None:
    """By Mann–Whitney, 50 against 50 in each half: where there is nothing to tell, fewer than 1 in 10⁶ runs fail."""
    found = {name: [wait.seconds for wait in twin] for name, twin in waits(50).items()}
    assert p_value(found["light"], found["heavy"]) > 2e-7


def test_the_statistic_sees_what_it_should() -> None:
    assert p_value([1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 16]) < 0.001
    dice = random.Random(1)
    waits_of_one = [dice.gauss(2, 0.05) for _ in range(50)]
    assert p_value(waits_of_one, [wait + 0.1 for wait in waits_of_one]) < 2e-7  # a tenth of a second shows
    assert p_value([1, 3, 5, 7], [2, 4, 6, 8]) > 0.4
