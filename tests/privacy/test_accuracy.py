"""What is stated is true: ± covers 95 of 100 answers, and the privacy that is claimed cannot be refuted.

The audit is the one-run audit of Steinke, Nasr and Jagielski (2023): each of M people is in the data with
probability ½, alone in a public group; the answer's groups are guessed, and too many right guesses refute ε.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from privacy import noise
from privacy.loss import RHO_UNIT
from privacy.query.execute import Prepared
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import Bench, people, write

RHO_EACH = RHO_UNIT // 2  # ε is about 4.6 at δ = 1e-3: large enough for one run to see half the noise
DELTA = 1e-3


def covered(tmp_path: Path, runs: int) -> dict[str, float]:
    """Return how often each column of the answer was within its stated ±."""
    rows = [(i, float(i % 41), i % 10, "abc"[i % 3], None, None, None, None) for i in range(1500)]
    path = write(tmp_path / "t.parquet", rows)
    ready = people(1, 1).prepared(
        "SELECT COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, SUM(k) / COUNT(*) AS r FROM t", rho=2 * 10**9
    )
    exact = ready.exact(path, 1)
    truth = {"n": 1500.0, "s": sum(i % 41 for i in range(1500)) + 0.0, "r": 4.5}
    truth["m"] = truth["s"] / 1500
    hits = dict.fromkeys(truth, 0)
    quiet = replace(ready)
    object.__setattr__(quiet, "exact", lambda path, salt: exact)  # the same rows every time: read them once
    for _ in range(runs):
        result = quiet.run(path, 1)
        for index, column in enumerate(result.columns):
            error = abs(float(str(result.value(0, index))) - truth[column.name])
            hits[column.name] += error <= float(str(result.accuracy[0][index]))
    return {name: count / runs for name, count in hits.items()}


def check_coverage(rates: dict[str, float], runs: int) -> None:
    """Assert that coverage is 95 % within four standard errors; discrete and capped intervals may cover more."""
    spread = 4 * math.sqrt(0.95 * 0.05 / runs)
    assert all(0.95 - spread <= rate <= 0.96 + spread for rate in rates.values()), rates


def test_stated_errors_hold_in_95_of_100_answers(tmp_path: Path) -> None:
    check_coverage(covered(tmp_path, 400), 400)


@pytest.mark.prove
def test_stated_errors_hold_in_95_of_100_answers_over_many(tmp_path: Path) -> None:
    check_coverage(covered(tmp_path, 8_000), 8_000)


def test_a_stated_error_that_is_too_small_is_caught(tmp_path: Path) -> None:
    """Planted fault: ± at one standard deviation covers 68 of 100."""
    with pytest.raises(AssertionError):
        check_coverage({"n": 0.683}, 400)


def guesses(ready: Prepared, path: str, present: list[bool], *, kept: int) -> tuple[int, int]:
    """Return (right, made): the `kept` highest groups are guessed present and the lowest absent."""
    records = ready.run(path, noise.fresh_salt()).records()
    ranked = sorted((int(str(record["n"])), int(str(record["place"]))) for record in records)
    low, high = ranked[:kept], ranked[-kept:]
    right = sum(not present[place] for _, place in low) + sum(present[place] for _, place in high)
    return right, 2 * kept


def refuted(right: int, made: int, epsilon: float) -> bool:
    """Say whether ε is refuted at 99.9 %: right guesses are at most Binomial(made, e^ε / (1 + e^ε)), plus δ's share.

    δ adds at most 2 · made · δ to the probability (Steinke et al. 2023, Theorem 5.2, its simple form).
    """
    p = 1 / (1 + math.exp(-epsilon))
    logs = [
        math.lgamma(made + 1) - math.lgamma(k + 1) - math.lgamma(made - k + 1) + k * math.log(p) + (made - k) * math.log1p(-p)
        for k in range(right, made + 1)
    ]
    return sum(map(math.exp, logs)) + 2 * made * 1e-6 < 0.001


def audited(tmp_path: Path, people_count: int, *, faulty: bool) -> bool:
    """Say whether one run refutes the claimed ε; with half the noise if `faulty`."""
    from privacy.loss import epsilon_of

    dice = random.Random(people_count)
    present = [dice.random() < 0.5 for _ in range(people_count)]
    path = str(tmp_path / "c.parquet")
    rows = ", ".join(f"({i}, {i}, {i})" for i in range(people_count) if present[i])
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) v(_row, who, place)) TO '{path}' (FORMAT parquet)")
    place = Column("place", Kind.CATEGORY, codes=tuple(range(people_count)), nullable=False)
    table = Table("t", (place,), PrivacyUnit("who", 1, 1), people_count)
    ready = Bench(table).prepared("SELECT place, COUNT(*) AS n FROM t GROUP BY place", rho=RHO_EACH)
    claimed = epsilon_of(RHO_EACH, 1e-6)
    if faulty:
        scale = ready.pricing.measures[0].scale / 4
        weak = noise.gaussian_vector(sensitivity=1.0, scale=scale, reserved=people_loss())
        ready = replace(ready, vectors={0: weak})
    right, made = guesses(ready, path, present, kept=people_count // 20)
    return refuted(right, made, claimed)


def people_loss() -> object:
    """Return a loss that any of the audit's planted mechanisms fits in."""
    from privacy.loss import Loss

    return Loss(100 * RHO_UNIT, 0)


def test_one_run_does_not_refute_the_claim(tmp_path: Path) -> None:
    assert not audited(tmp_path, 2_000, faulty=False)


def test_the_mean_is_vague_when_its_count_is_noise(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [(1, 3.0, None, None, None, None, None, None)])
    got = people(1, 1).prepared("SELECT AVG(x) AS m FROM t", rho=10**8).run(path, 1)
    assert Decimal(str(got.accuracy[0][0])) == 60
    assert -10 <= Decimal(str(got.value(0, 0))) <= 50
