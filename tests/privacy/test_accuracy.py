"""What is stated is true: ± covers 95 of 100 answers, and the privacy that is claimed cannot be refuted.

The audit is the one-run audit of Steinke, Nasr and Jagielski (2023): each of M people is in the data with
probability ½, alone in a public group; the answer's groups are guessed, and too many right guesses refute ε.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from privacy import noise
from privacy.loss import RHO_UNIT, Loss
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import Bench, people, write


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
    """Assert that coverage is 95 % within 5.3 standard errors, which fails a true one once in 10⁶ runs at most.

    Discrete and capped intervals may cover more.
    """
    spread = 5.3 * math.sqrt(0.95 * 0.05 / runs)
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


@dataclass
class Audit:
    """One run over `side`² people, each alone in a public group, about half of them present."""

    side: int
    rho: int

    def run(self, folder: Path, *, noise_factor: float) -> list[tuple[int, bool]]:
        """Return (noisy count, was present) for every person; the planted fault scales the noise."""
        dice = random.Random(self.side)
        present = [dice.random() < 0.5 for _ in range(self.side**2)]
        path = str(folder / "canaries.parquet")
        ids = [number for number, there in enumerate(present) if there]
        duckdb.execute(
            f"COPY (SELECT i AS _row, i AS who, i // {self.side} AS a, i % {self.side} AS b"
            f" FROM (SELECT unnest(?::BIGINT[]) AS i)) TO '{path}' (FORMAT parquet)",
            [ids],
        )
        top = Decimal(self.side - 1)
        keys = tuple(Column(name, Kind.INTEGER, Decimal(0), top, nullable=False) for name in ("a", "b"))
        table = Table("t", keys, PrivacyUnit("who", 1, 1), self.side**2)
        ready = Bench(table).prepared("SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b", rho=self.rho)
        scale = ready.pricing.measures[0].scale * noise_factor
        drawn = noise.gaussian_vector(sensitivity=1.0, scale=scale, reserved=Loss(900 * RHO_UNIT, 0))
        rows = (
            replace(ready, mechanisms=replace(ready.mechanisms, vectors={0: drawn}))
            .run(path, noise.fresh_salt())
            .rows
        )
        return [(int(str(row[2])), present[int(str(row[0])) * self.side + int(str(row[1]))]) for row in rows]


def tail(right: int, made: int, p: float) -> float:
    """Return P[Binomial(made, p) ≥ right]."""
    start = math.lgamma(made + 1)
    logs = (
        start - math.lgamma(k + 1) - math.lgamma(made - k + 1) + k * math.log(p) + (made - k) * math.log1p(-p)
        for k in range(right, made + 1)
    )
    return math.fsum(map(math.exp, logs))


def refutes_rho(results: list[tuple[int, bool]], rho: int) -> bool:
    """Say whether guessing everybody refutes ρ at 99.9 %.

    ρ-zCDP allows a total variation of √(ρ/2) (Pinsker), so each guess is right with probability ≤ ½ + ½√(ρ/2).
    """
    right = sum((count >= 1) == there for count, there in results)
    return tail(right, len(results), 0.5 + 0.5 * math.sqrt(rho / RHO_UNIT / 2)) < 0.001


def test_one_run_refutes_half_the_noise_and_not_the_claim(tmp_path: Path) -> None:
    audit = Audit(45, RHO_UNIT // 2)
    assert not refutes_rho(audit.run(tmp_path, noise_factor=1.0), audit.rho)
    assert refutes_rho(audit.run(tmp_path, noise_factor=0.5), audit.rho)


@pytest.mark.prove
def test_one_run_over_99_856_people_refutes_half_the_noise_and_not_the_claim(tmp_path: Path) -> None:
    """The claim stands eleven standard deviations off; half the noise is refuted by thirty."""
    audit = Audit(316, RHO_UNIT // 18)  # a noise scale of 3
    assert not refutes_rho(audit.run(tmp_path, noise_factor=1.0), audit.rho)
    assert refutes_rho(audit.run(tmp_path, noise_factor=0.5), audit.rho)


def test_the_mean_is_vague_when_its_count_is_noise(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [(1, 3.0, None, None, None, None, None, None)])
    got = people(1, 1).prepared("SELECT AVG(x) AS m FROM t", rho=10**8).run(path, 1)
    assert Decimal(str(got.accuracy[0][0])) == 60
    assert -10 <= Decimal(str(got.value(0, 0))) <= 50
