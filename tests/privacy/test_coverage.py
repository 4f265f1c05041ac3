"""Order statistics and running counts: what ± says holds in 95 of 100 answers, and their choices are worth it.

Where values lie closer than the noise reaches, ± covers 95 % within 1.5; ties make it wider than it need be.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from privacy.loss import PURE_UNIT, RHO_UNIT
from privacy.query.answer import Answer
from privacy.query.curves import read, rising
from privacy.query.execute import Prepared, prepare
from privacy.query.layout import layout
from privacy.query.needs import Need, Way
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.query.ranks import aim, scores
from privacy.query.tree import Tree
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import people

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


def ready(sql: str, *, is_pure: bool, times: int = 1) -> Prepared:
    """Return the prepared run of a question at noise that reaches some 5 to 10 places of 1,001, or at `times` the ρ."""
    plan = parse(sql, TABLE)
    rho, pure = (0, 3 * PURE_UNIT // 10) if is_pure else (RHO_UNIT // 200, 0)
    loss = price(plan, TABLE, rho=rho * times, pure=pure * math.isqrt(times)).loss
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


# Many quantiles of one column


def many(number: int) -> str:
    """Return a question for that many evenly spread quantiles of x."""
    shares = [round((i + 0.5) / number, 3) for i in range(number)]
    return (
        "SELECT "
        + ", ".join(f"QUANTILE_CONT(x, {share}) AS q{i}" for i, share in enumerate(shares))
        + " FROM t"
    )


def curved(path: str, values: Sequence[float], runs: int, *, is_pure: bool) -> tuple[float, float]:
    """Return how often 32 quantiles from one curve were within their ±, and their root mean square error."""
    ordered, shares = sorted(values), [round((i + 0.5) / 32, 3) for i in range(32)]
    hits, squares = 0, 0.0
    for got in answers(ready(many(32), is_pure=is_pure, times=64), path, runs):
        for place, share in enumerate(shares):
            off = points_off(float(str(got.value(0, place))), share, ordered)
            squares += off**2
            hits += off <= float(str(got.accuracy[0][place]))
    return hits / runs / 32, math.sqrt(squares / runs / 32)


@pytest.mark.parametrize("is_pure", [False, True])
def test_what_quantiles_from_a_curve_state_holds(tmp_path: Path, is_pure: bool) -> None:
    check(curved(written(tmp_path, even()), even(), 10, is_pure=is_pure)[0], 10, most=0.975)


@pytest.mark.prove
@pytest.mark.parametrize("is_pure", [False, True])
def test_what_quantiles_from_a_curve_state_holds_over_many(tmp_path: Path, is_pure: bool) -> None:
    check(curved(written(tmp_path, even()), even(), 100, is_pure=is_pure)[0], 100, most=0.975)


@pytest.mark.parametrize(("is_pure", "few", "enough"), [(False, 26, 28), (True, 7, 8)])
def test_a_curve_is_fitted_where_it_errs_less_than_so_many_choices(
    is_pure: bool, few: int, enough: int
) -> None:
    ways = [{need.way for need in ready(many(n), is_pure=is_pure).facts.needs} for n in (few, enough)]
    assert ways == [{Way.RANK, Way.VECTOR}, {Way.CURVE}]


def test_quantiles_beyond_those_of_one_column_keep_their_choices() -> None:
    sql = many(30).replace(" FROM", ", MEDIAN(k) AS other, MIN(x) AS low, COUNT(*) AS n FROM")
    needs = ready(sql, is_pure=False).facts.needs
    assert sorted(need.way for need in needs) == ["curve", "rank", "rank", "vector"]


@pytest.mark.parametrize("key", ["k", "note"])
def test_without_noise_a_curves_quantiles_are_exact_in_every_group(tmp_path: Path, key: str) -> None:
    table = replace(TABLE, columns=(*COLUMNS, Column("note", Kind.TEXT)))
    path = str(tmp_path / "t.parquet")
    duckdb.execute(
        "COPY (SELECT i AS _row, (i * 37 % 100)::DOUBLE AS x, i % 3 AS k, 'n' || i % 3 AS note"
        f" FROM range(3000) AS t(i)) TO '{path}' (FORMAT parquet)"
    )
    calls = ", ".join(f"QUANTILE_CONT(FLOOR(x / 10), 0.{i}5) AS q{i}" for i in range(9))
    plan = parse(f"SELECT {key}, {calls} FROM t GROUP BY {key}", table)
    loss = price(plan, table, rho=10**15, delta=10**12).loss
    prepared = prepare(
        {"plan": plan.to_dict(), "table": table.to_dict(), "loss": loss.to_dict(), "threads": 1}
    )
    assert Way.CURVE in {need.way for need in prepared.facts.needs}
    lines = [line for line in prepared.run(path, 1).rows if line[0] in (0, 1, 2, "n0", "n1", "n2")]
    assert [line[1:] for line in lines] == [tuple(range(9))] * 3


def test_no_unit_moves_a_curves_sums_by_more_than_they_are_priced_for() -> None:
    """A unit's rows in one group, wherever they lie; the worst is that all have one value."""
    dice, bench = random.Random(8), people(2, 3)
    calls = ", ".join(f"QUANTILE_CONT(k, 0.{i}5) AS q{i}" for i in range(9))
    plan = parse(f"SELECT g, {calls} FROM t GROUP BY g", bench.table)
    for is_pure in (False, True):
        facts = layout(plan, bench.table, is_pure=is_pure)
        [index] = [i for i, each in enumerate(facts.needs) if each.way is Way.CURVE]
        tree = facts.needs[index].tree
        assert tree is not None
        worst = 0
        for case in range(200):
            moved = [0] * tree.leaves
            for place in [0] * facts.rows if case == 0 else dice.choices(range(tree.leaves), k=facts.rows):
                moved[place] += 1
            nodes = tree.nodes(moved)
            worst = max(worst, sum(nodes) if is_pure else sum(node**2 for node in nodes))
        priced = facts.absolute(index) if is_pure else facts.squared(index)
        assert facts.groups * worst == priced, "tight, and never above"


def test_the_error_of_a_share_of_all_is_that_of_least_squares() -> None:
    np = pytest.importorskip("numpy")
    tree = Tree(23, (1, 3, 9))
    strategy = np.array([tree.nodes([int(i == j) for i in range(23)]) for j in range(23)], dtype=float).T
    inverse = np.linalg.inv(strategy.T @ strategy)
    for leaf in range(23):
        for share in (0.1, 0.5, 0.95):
            weights = np.where(np.arange(23) <= leaf, 1 - share, -share)
            assert tree.variance(leaf, 1 - share, -share) == pytest.approx(float(weights @ inverse @ weights))


def test_a_curve_never_falls_and_is_the_closest_such() -> None:
    assert rising([1.0, 3.0, 2.0, 2.0, 5.0, 4.0]) == [1.0, 7 / 3, 7 / 3, 7 / 3, 4.5, 4.5]
    assert read([0.0, 2.0, 2.0, 4.0], Fraction(1, 2)) == 1
    assert read([0.0, 2.0, 2.0, 4.0], Fraction(999, 1000)) == 3
    assert read([-3.0, -2.0], Fraction(1, 2)) in (0, 1), "a curve of nothing but noise still has a place"
