"""Order statistics and running counts: what ± says holds in 95 of 100 answers, and their choices are worth it.

Where values lie closer than the noise reaches, ± covers 95 % within 1.5; ties make it wider than it need be.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from privacy.loss import PURE_UNIT, RHO_UNIT
from privacy.query.answer import Answer
from privacy.query.execute import Prepared, prepare
from privacy.query.needs import Need, Way
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.query.ranks import aim, scores
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

COLUMNS = (
    Column("x", Kind.DECIMAL, Decimal(0), Decimal(100), Decimal("0.1"), nullable=False),
    Column("k", Kind.INTEGER, Decimal(0), Decimal(29), nullable=False),
)
TABLE = Table("t", COLUMNS, PrivacyUnit(None, 1, 1), 10**5)
SHARES = {"MEDIAN(x)": 0.5, "QUANTILE_CONT(x, 0.9)": 0.9, "MIN(x)": 0.0, "MAX(x)": 1.0}


def written(folder: Path, values: Sequence[float]) -> str:
    """Return the path of a file with a row for each value."""
    path = str(folder / "t.parquet")
    duckdb.execute(
        "COPY (SELECT i - 1 AS _row, x, (i - 1) * 7 % 30 AS k FROM (SELECT unnest(?::DOUBLE[]) AS x,"
        f" unnest(range(1, {len(values) + 1})) AS i)) TO '{path}' (FORMAT parquet)",
        [list(values)],
    )
    return path


def ready(sql: str, *, is_pure: bool) -> Prepared:
    """Return the prepared run of a question at noise that reaches some 5 to 10 places of 1,001."""
    plan = parse(sql, TABLE)
    rho, pure = (0, 3 * PURE_UNIT // 10) if is_pure else (RHO_UNIT // 200, 0)
    loss = price(plan, TABLE, rho=rho, pure=pure).loss
    return prepare({"plan": plan.to_dict(), "table": TABLE.to_dict(), "loss": loss.to_dict(), "threads": 1})


def answers(prepared: Prepared, path: str, runs: int) -> list[Answer]:
    """Return many answers over the same rows, which are read once."""
    exact, bins = prepared.exact(path, 1), prepared.bins(path, 1)
    quiet = replace(prepared)
    object.__setattr__(quiet, "exact", lambda path, salt: exact)
    object.__setattr__(quiet, "bins", lambda path, salt: bins)
    return [quiet.run(path, 1) for _ in range(runs)]


def points_off(value: float, share: float, ordered: Sequence[float]) -> float:
    """Return by how many percentile points a value misses the wanted place."""
    below, until = (side(ordered, value) / len(ordered) for side in (bisect.bisect_left, bisect.bisect_right))
    return 100 * max(0.0, below - share, share - until)


def ranked(path: str, values: Sequence[float], sql: str, runs: int, *, is_pure: bool) -> float:
    """Return how often an order statistic was within its ±."""
    ordered, share = sorted(values), SHARES[sql]
    hits = 0
    for got in answers(ready(f"SELECT {sql} AS a FROM t", is_pure=is_pure), path, runs):
        off = points_off(float(str(got.value(0, 0))), share, ordered)
        hits += off <= float(str(got.accuracy[0][0]))
    return hits / runs


def check(rate: float, runs: int, most: float = 0.965) -> None:
    """Assert 95 % within 1.5 and, for the luck of `runs` answers, four standard errors."""
    luck = 4 * math.sqrt(0.95 * 0.05 / runs)
    assert 0.935 - luck <= rate <= most + luck, rate


def even() -> list[float]:
    """Return one value on every step of the grid."""
    return [i / 10 for i in range(1001)]


@pytest.mark.parametrize("is_pure", [False, True])
@pytest.mark.parametrize("sql", SHARES)
def test_what_order_statistics_state_holds(tmp_path: Path, sql: str, is_pure: bool) -> None:
    check(ranked(written(tmp_path, even()), even(), sql, 60, is_pure=is_pure), 60)


@pytest.mark.prove
@pytest.mark.parametrize("is_pure", [False, True])
@pytest.mark.parametrize("sql", SHARES)
def test_what_order_statistics_state_holds_over_many(tmp_path: Path, sql: str, is_pure: bool) -> None:
    check(ranked(written(tmp_path, even()), even(), sql, 2_000, is_pure=is_pure), 2_000)


RUNNING = "SELECT k, SUM(COUNT(*)) OVER (ORDER BY k) AS r FROM t GROUP BY k"


def running(path: str, runs: int, *, is_pure: bool) -> float:
    """Return how often running counts were within their ±; the truth is known from how `written` deals k out."""
    dealt = [i * 7 % 30 for i in range(1001)]
    truth = [sum(k <= top for k in dealt) for top in range(30)]
    hits = 0
    for got in answers(ready(RUNNING, is_pure=is_pure), path, runs):
        for place, wanted in enumerate(truth):
            hits += abs(int(str(got.value(place, 1))) - wanted) <= float(str(got.accuracy[place][1]))
    return hits / runs / 30


@pytest.mark.parametrize("is_pure", [False, True])
def test_what_running_counts_state_holds(tmp_path: Path, is_pure: bool) -> None:
    check(running(written(tmp_path, even()), 60, is_pure=is_pure), 60)


@pytest.mark.prove
@pytest.mark.parametrize("is_pure", [False, True])
def test_what_running_counts_state_holds_over_many(tmp_path: Path, is_pure: bool) -> None:
    check(running(written(tmp_path, even()), 2_000, is_pure=is_pure), 2_000)


def test_an_error_that_is_stated_too_small_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: ± of an order statistic without the noise of the count that aims it, and a third of the rest."""
    from privacy.query import estimates

    fair = estimates.rank_reach
    monkeypatch.setattr(
        estimates, "rank_reach", lambda scale, each, most, room, shift: fair(scale / 3, each, most, room)
    )
    with pytest.raises(AssertionError):
        check(ranked(written(tmp_path, even()), even(), "QUANTILE_CONT(x, 0.9)", 60, is_pure=False), 60)


# Why the choices are as exact as they are


def need(share: str) -> Need:
    """Return an order statistic over ten values."""
    return Need("bins", low=0, high=9, way=Way.RANK, share=Fraction(share))


def test_a_value_that_holds_the_place_is_best_however_many_tie_with_it() -> None:
    """Six of ten rows are 0, so the median is; a score of |less − more| would prefer the empty value beside it."""
    found = scores(need("1/2"), 0, {0: 60, 5: 20, 9: 20})
    assert found == [20, *[-20] * 5, *[-60] * 4]


@pytest.mark.parametrize("share", ["1/10", "1/2", "9/10"])
def test_scores_fall_by_two_for_each_place_off(share: str) -> None:
    bins = dict.fromkeys(range(10), 1)
    found = scores(need(share), aim(need(share), None, 10), bins)
    wanted = 10 * Fraction(share)
    assert found == [2 * min(v + 1 - wanted, wanted - v) for v in range(10)]


def test_an_aim_by_the_exact_count_would_be_caught() -> None:
    """Planted fault: aimed by the count that is being protected, one row moves scores by more than is paid for."""
    bins = dict.fromkeys(range(10), 40)
    more = {**bins, 9: 41}
    for share in ("9/10", "1/20"):
        ranked_by = need(share)
        exact = (scores(ranked_by, aim(ranked_by, None, n), b) for n, b in ((4000, bins), (4010, more)))
        moved = [abs(a - b) for a, b in zip(*exact, strict=True)]
        assert max(moved) > ranked_by.peak
        noisy = (scores(ranked_by, aim(ranked_by, None, 4321), b) for b in (bins, more))
        assert max(abs(a - b) for a, b in zip(*noisy, strict=True)) == ranked_by.peak


@pytest.mark.parametrize("share", [0.05, 0.25, 0.9, 0.99])
def test_the_count_that_aims_a_quantile_gets_what_errs_least(share: float) -> None:
    """The variance of choice and aim together, by the count's part of ρ, is least where the count's weight says."""

    def variance(part: float) -> float:
        return 0.25 / (1 - part) + (share - 0.5) ** 2 / 2 / part

    plan = parse(f"SELECT QUANTILE_CONT(x, {share}) AS a FROM t", TABLE)
    chosen, counted = (measure.rho for measure in price(plan, TABLE, rho=RHO_UNIT).measures)
    best = min(variance(i / 1000) for i in range(1, 1000))
    assert variance(counted / (chosen + counted)) == pytest.approx(best, rel=0.001)
    assert best < max(share, 1 - share) ** 2, "without a count, one row moves scores by max(p, 1 − p)"
