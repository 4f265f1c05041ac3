"""Spreads, order statistics, running counts and largest groups: exact inputs, sensitivities, errors, refusals."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import duckdb
import pytest

from privacy.errors import LossExceeded, QueryRejected
from privacy.loss import PURE_UNIT, RHO_UNIT, Loss
from privacy.query.compile import compile_histograms
from privacy.query.execute import Prepared, prepare
from privacy.query.needs import Need, Way
from privacy.query.parse import parse
from privacy.query.plan import Plan
from privacy.query.price import best, expected_error, price
from privacy.query.ranks import aim, scores
from privacy.query.tree import Tree, best_tree
from tests.privacy.engine_data import Bench, load, people, random_rows, rows_as_units, write
from tests.privacy.test_engine import answer, row

Histograms = dict[int, dict[object, dict[int, int]]]  # by need, cell and bin
RANKED = ("MEDIAN(x)", "QUANTILE_CONT(k, 0.9)", "QUANTILE_DISC(x * 2 - k, 0.05)", "MIN(x)", "MAX(k)")


def numbers(count: int = 101) -> list[tuple[object, ...]]:
    """Return rows of `count` units whose x goes from -10 to 40 in steps of a half."""
    return [row(i, x=-10 + i / 2, k=i % 10, g="abc"[i % 3]) for i in range(count)]


def test_without_noise_the_figures_are_sqls(tmp_path: Path) -> None:
    values = [-10 + i / 2 for i in range(101)]
    sql = (
        "SELECT VARIANCE(x) AS v, VAR_POP(x) AS vp, STDDEV(x) AS s, STDDEV_POP(x) AS sp,"
        " MEDIAN(x) AS m, PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY x) AS p FROM t"
    )
    got = answer(rows_as_units(), sql, write(tmp_path / "t.parquet", numbers())).records()[0]  # type: ignore[arg-type]
    wanted = [
        statistics.variance(values),
        statistics.pvariance(values),
        statistics.stdev(values),
        statistics.pstdev(values),
        15,
        35,
    ]
    assert [float(str(value)) for value in got.values()] == pytest.approx(wanted, abs=0.01)


def test_min_and_max_are_at_their_public_place(tmp_path: Path) -> None:
    """With no noise the value shown is exactly the t-th from its end."""
    rows = [row(i, x=-10 + (i % 121) / 2) for i in range(1210)]
    sql, path = "SELECT MIN(x) AS low, MAX(x) AS high FROM t", write(tmp_path / "t.parquet", rows)
    bench = rows_as_units()
    low, high = (measure.rank for measure in bench.prepared(sql).pricing.measures if measure.rank)
    got = answer(bench, sql, path).records()[0]
    ordered = sorted(-10 + (i % 121) / 2 for i in range(1210))
    assert (float(str(got["low"])), float(str(got["high"]))) == (ordered[low - 1], ordered[-high])


@pytest.mark.parametrize("direction", ["", " DESC"])
def test_running_counts_run_in_order_with_unknown_values_last(tmp_path: Path, direction: str) -> None:
    rows = [row(i, g=("c", "a", None, "a", "b")[i % 5], h=i % 2 == 0) for i in range(50)]
    path = write(tmp_path / "t.parquet", rows)
    sql = f"SELECT h, g, SUM(COUNT(*)) OVER (PARTITION BY h ORDER BY g{direction}) AS r FROM t GROUP BY h, g"
    got = answer(rows_as_units(), sql, path).records()
    found = {(record["h"], record["g"]): record["r"] for record in got}
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet('{path}')")
        wanted = {(h, g): int(r) for h, g, r in connection.execute(sql).fetchall()}
    assert {key: value for key, value in found.items() if key in wanted} == wanted


def test_running_counts_of_units_add_up_the_units_of_each_group(tmp_path: Path) -> None:
    rows = [row(i // 3, k=i % 10) for i in range(300)]  # three rows of each unit, in three groups
    path = write(tmp_path / "t.parquet", rows)
    sql = "SELECT k, SUM(COUNT(DISTINCT who)) OVER (ORDER BY k) AS r FROM t GROUP BY k"
    bench = people(3, 2)
    assert [record["r"] for record in answer(bench, sql, path).records()[:10]] == [
        30 * (k + 1) for k in range(10)
    ]
    rows_too = bench.prepared("SELECT k, SUM(COUNT(*)) OVER (ORDER BY k) AS r FROM t GROUP BY k")
    ready = bench.prepared(sql)
    assert ready.facts.squared(0) * 4 == rows_too.facts.squared(0), "a unit counts once where it has two rows"
    assert [column.kind for column in ready.run(path, 1).columns] == ["key", "running"]


def test_nullif_makes_one_value_unknown(tmp_path: Path) -> None:
    rows = [row(i, k=(9, 1, 3)[i % 3]) for i in range(300)]
    got = answer(
        rows_as_units(),
        "SELECT SUM(NULLIF(k, 9)) AS s, COUNT(NULLIF(k, 9)) AS n FROM t",
        write(tmp_path / "t.parquet", rows),
    )
    assert got.records()[0] == {"s": 400, "n": 200}


def test_the_largest_groups_are_named_by_one_choice(tmp_path: Path) -> None:
    rows = [row(i, k=[4, 4, 4, 4, 7, 7, 7, 1, 1, 2][i % 10]) for i in range(500)]
    path = write(tmp_path / "t.parquet", rows)
    sql = "SELECT k FROM t GROUP BY k ORDER BY COUNT(*) DESC LIMIT 2"
    ready = people(3, 1).prepared(sql)
    assert [need.way for need in ready.facts.needs] == [Way.TOP]
    assert [record["k"] for record in answer(people(3, 1), sql, path).records()] == [4, 7]
    wide = people(1, 1).prepared("SELECT k FROM t GROUP BY k ORDER BY COUNT(*) DESC LIMIT 9")
    assert [need.way for need in wide.facts.needs] == [Way.VECTOR]


def test_unknown_names_can_have_every_aggregate_but_a_running_count(tmp_path: Path) -> None:
    rows = [row(i, note="flu" if i % 2 else "cold", x=float(i % 40)) for i in range(400)]
    sql = "SELECT note, MEDIAN(x) AS m, STDDEV(x) AS s, MAX(x) AS top FROM t GROUP BY note"
    got = answer(rows_as_units(), sql, write(tmp_path / "t.parquet", rows)).records()
    assert [(record["note"], float(str(record["m"]))) for record in got] == [("cold", 18), ("flu", 19)]


# Sensitivities, by neighbour replay


@pytest.fixture
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine in memory."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield connection


def histograms(
    engine: duckdb.DuckDBPyConnection, ready: Prepared, table: str, *, has_places: bool = False
) -> Histograms:
    """Return the exact histograms over one of the tables."""
    found: Histograms = {}
    for index, query in ready.histograms.items():
        text = query.text("FILE", 77, has_places=has_places).replace("read_parquet('FILE')", table)
        for cell, place, count in engine.execute(text).fetchall():
            found.setdefault(index, {}).setdefault(cell, {})[int(place)] = int(count)
    return found


def too_far(ready: Prepared, one: Histograms, other: Histograms) -> bool:
    """Say whether a unit moves a score, or scores of more groups, by more than it is priced for."""
    for index in ready.histograms:
        need, measure = ready.facts.needs[index], ready.pricing.measures[index]
        left, right = one.get(index, {}), other.get(index, {})
        squares, aimed = 0, aim(need, measure.rank, len(left) * 7 % 11)  # aimed by a count that was released
        for cell in left.keys() | right.keys():
            pairs = zip(
                scores(need, aimed, left.get(cell, {})),
                scores(need, aimed, right.get(cell, {})),
                strict=True,
            )
            squares += max(abs(mine - yours) for mine, yours in pairs) ** 2
        if squares > ready.facts.squared(index):
            return True
    return False


def replayed(
    engine: duckdb.DuckDBPyConnection, *, cases: int, seed: int, fault: str = "", has_places: bool = False
) -> bool:
    """Say whether any of `cases` random questions is moved too far by one unit."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 6 == 0:
            bench = people(dice.randint(1, 3), dice.randint(1, 3)) if dice.random() < 0.8 else rows_as_units()
            rows = random_rows(dice)
            units = {r[0] for r in rows if r[0] is not None} if bench.has_people else set(range(len(rows)))
            gone = dice.choice(sorted(units) or [None])
            kept = [r for i, r in enumerate(rows) if (r[0] if bench.has_people else i) != gone]
            load(engine, "d0", rows, has_places=has_places)
            load(engine, "d1", kept, has_places=has_places)
        key = dice.choice(["", "g", "k", "h", "note"])
        calls = ", ".join(dice.sample(RANKED, 2))
        where = dice.choice(["", "", " WHERE x > 0", " WHERE g = 'a' OR x < 10"])
        sql = f"SELECT {calls} FROM t{where}" + (f" GROUP BY {key}" if key else "")
        ready = bench.prepared(sql)
        if fault:
            facts = replace(ready.facts, **{fault: getattr(ready.facts, fault) + 1})
            ready = replace(ready, histograms=compile_histograms(ready.plan, ready.table, facts))
        one, other = (histograms(engine, ready, name, has_places=has_places) for name in ("d0", "d1"))
        if too_far(ready, one, other):
            return True
    return False


@pytest.mark.parametrize("has_places", [False, True])
def test_no_unit_moves_a_score_by_more_than_it_is_priced_for(
    engine: duckdb.DuckDBPyConnection, has_places: bool
) -> None:
    assert not replayed(engine, cases=36, seed=3, has_places=has_places)


@pytest.mark.parametrize("has_places", [False, True])
@pytest.mark.parametrize("fault", ["rows", "groups"])
def test_one_row_or_group_too_many_of_a_unit_is_caught(
    engine: duckdb.DuckDBPyConnection, fault: str, has_places: bool
) -> None:
    assert replayed(engine, cases=300, seed=4, fault=fault, has_places=has_places)


def test_a_file_with_places_gives_the_same_histograms_where_nobody_exceeds_a_bound(tmp_path: Path) -> None:
    rows = random_rows(random.Random(8))
    plain, placed = (
        write(tmp_path / f"{has_places}.parquet", rows, has_places=has_places) for has_places in (False, True)
    )
    for end in ("", " GROUP BY g", " WHERE x > 0 GROUP BY g", " GROUP BY g, h"):
        ready = people(100, 100).prepared(f"SELECT {', '.join(RANKED[:3])} FROM t{end}")
        assert ready.bins(plain, 77) == ready.bins(placed, 77)
        assert all(query.placed for query in ready.histograms.values())


@pytest.mark.prove
@pytest.mark.parametrize("seed", [10, 11, 12, 13])
def test_no_unit_moves_a_score_in_a_thousand_questions(engine: duckdb.DuckDBPyConnection, seed: int) -> None:
    assert not replayed(engine, cases=252, seed=seed, has_places=seed > 11)


@pytest.mark.parametrize("share", ["1/2", "9/10", "1/100", "0", "1"])
def test_one_value_moves_no_score_by_more_than_its_bound(share: str) -> None:
    dice = random.Random(5)
    need = Need("bins", low=0, high=12, way=Way.RANK, share=Fraction(share))
    rank = 3 if share in ("0", "1") else None
    reached, aimed = 0, aim(need, rank, 29)
    for _ in range(400):
        bins = {place: dice.randint(0, 4) for place in range(13)}
        more = {**bins, (extra := dice.randrange(13)): bins[extra] + 1}
        moved = [
            abs(a - b) for a, b in zip(scores(need, aimed, bins), scores(need, aimed, more), strict=True)
        ]
        reached = max(reached, *moved)
    assert reached == need.peak == 1


@pytest.mark.parametrize("groups", [1, 2, 5, 30])
def test_a_trees_sensitivity_is_its_worst_case(groups: int) -> None:
    tree, dice = Tree(23, (1, 3, 9, 27)), random.Random(6)
    worst = 0
    for start in range(24 - min(groups, 23)):
        chosen = range(start, start + min(groups, 23))
        worst = max(worst, sum(node**2 for node in tree.nodes([int(leaf in chosen) for leaf in range(23)])))
    for _ in range(300):
        chosen_at_random = set(dice.sample(range(23), min(groups, 23)))
        worst = max(worst, sum(n**2 for n in tree.nodes([int(i in chosen_at_random) for i in range(23)])))
    assert worst <= tree.squared(groups)
    assert tree.squared(groups) <= 1.5 * worst or groups > 23


def test_a_tree_of_exact_sums_gives_the_running_sums_and_its_errors_are_least_squares() -> None:
    np = pytest.importorskip("numpy")
    leaves = [random.Random(7).randint(0, 50) for _ in range(23)]
    tree = Tree(23, (1, 3, 9))
    assert tree.fit(tree.nodes(leaves)) == pytest.approx(list(accumulate(leaves)))
    strategy = np.array([tree.nodes([int(i == j) for i in range(23)]) for j in range(23)], dtype=float).T
    sums = np.tril(np.ones((23, 23)))
    exact = np.sqrt(np.diag(sums @ np.linalg.inv(strategy.T @ strategy) @ sums.T))
    assert tree.deviations == pytest.approx(exact.tolist())


@pytest.mark.parametrize("is_pure", [False, True])
def test_the_chosen_tree_never_errs_more_than_adding_up_leaves(is_pure: bool) -> None:
    for leaves in (1, 2, 7, 100, 1001):
        tree, flat = best_tree(leaves, 1, is_pure=is_pure), Tree(leaves, (1,))
        size = Tree.absolute if is_pure else lambda each, groups: math.sqrt(each.squared(groups))
        mine, theirs = (
            size(each, 1) * math.sqrt(sum(d * d for d in each.deviations)) for each in (tree, flat)
        )
        assert mine <= 1.05 * theirs


# The stated error


def coverage(
    ready: Prepared, path: str, truth: list[float], runs: int, *, is_rank: bool = False
) -> list[float]:
    """Return how often each figure of a one-line answer was within its ±; of ranks, `truth` is the sorted values."""
    exact, bins = ready.exact(path, 1), ready.bins(path, 1)
    quiet = replace(ready)
    object.__setattr__(quiet, "exact", lambda path, salt: exact)  # the same rows every time: read them once
    object.__setattr__(quiet, "bins", lambda path, salt: bins)
    hits = [0] * len(ready.plan.outputs)
    for _ in range(runs):
        got = quiet.run(path, 1)
        for index in range(len(hits)):
            value, stated = float(str(got.value(0, index))), float(str(got.accuracy[0][index]))
            error = abs(value - truth[index]) if not is_rank else _off(value, truth)
            hits[index] += error <= stated
    return [count / runs for count in hits]


def _off(value: float, ordered: list[float]) -> float:
    """Return by how many percentile points a value misses the median."""
    below = sum(each < value for each in ordered) / len(ordered)
    until = sum(each <= value for each in ordered) / len(ordered)
    return 100 * max(0.0, below - 0.5, 0.5 - until)


def check(rates: list[float], runs: int, most: float = 0.965) -> None:
    """Assert 95 % within 1.5 and 5.3 standard errors, which fail a true one once in 10⁶ runs at most."""
    spread = 5.3 * math.sqrt(0.95 * 0.05 / runs)
    assert all(0.935 - spread <= rate <= most + spread for rate in rates), rates


def fine_rows() -> list[tuple[object, ...]]:
    """Return values so many and so even that a rank is not hidden by ties."""
    return [row(i, x=-10 + (i * 37 % 120) / 2) for i in range(1200)]


@pytest.mark.parametrize("is_pure", [False, True])
def test_stated_errors_of_spreads_and_medians_hold(tmp_path: Path, is_pure: bool) -> None:
    cover_all(tmp_path, 200, is_pure=is_pure)


@pytest.mark.prove
@pytest.mark.parametrize("is_pure", [False, True])
def test_stated_errors_of_spreads_and_medians_hold_over_many(tmp_path: Path, is_pure: bool) -> None:
    cover_all(tmp_path, 2_000, is_pure=is_pure)


def cover_all(tmp_path: Path, runs: int, *, is_pure: bool) -> None:
    """Check spreads and the median by `runs` answers."""
    rows = fine_rows()
    path = write(tmp_path / "t.parquet", rows)
    values = sorted(float(str(r[1])) for r in rows)
    bench = rows_as_units()
    ready = paid(bench, "SELECT VAR_POP(x) AS v, STDDEV_POP(x) AS s FROM t", is_pure=is_pure)
    check(coverage(ready, path, [statistics.pvariance(values), statistics.pstdev(values)], runs), runs)
    median = paid(bench, "SELECT MEDIAN(x) AS m FROM t", is_pure=is_pure, part=20)
    check(coverage(median, path, values, runs, is_rank=True), runs, most=0.99)


def paid(bench: Bench, sql: str, *, is_pure: bool, part: int = 1) -> Prepared:
    """Return the prepared run of a query that is paid in ρ, or in a pure ε of about the same noise."""
    plan = parse(sql, bench.table)
    rho, pure = (0, PURE_UNIT // 4 // part) if is_pure else (RHO_UNIT // 100 // part**2, 0)
    loss = price(plan, bench.table, rho=rho, pure=pure).loss
    return prepare(
        {"plan": plan.to_dict(), "table": bench.table.to_dict(), "loss": loss.to_dict(), "threads": 1}
    )


# The price


def test_every_released_number_is_a_whole_number_over_a_public_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", numbers(400))
    sql = "SELECT k, VARIANCE(x), STDDEV(x), MEDIAN(x), MAX(x), SUM(COUNT(*)) OVER (ORDER BY k) FROM t GROUP BY k"
    for is_pure in (False, True):
        got = paid(rows_as_units(), sql, is_pure=is_pure).run(path, 1)
        assert all(isinstance(column.scale, int) for column in got.columns[1:])
        assert all(type(cell) is int for line in got.rows for cell in line[1:])


@pytest.mark.parametrize(
    "sql", ["SELECT COUNT(*) FROM t", "SELECT k, SUM(x) FROM t GROUP BY k", f"SELECT {RANKED[0]} FROM t"]
)
def test_pure_epsilon_is_spent_to_the_last_unit_and_checked(sql: str) -> None:
    bench = people(2, 2)
    plan = parse(sql, bench.table)
    pricing = price(plan, bench.table, pure=PURE_UNIT)
    assert pricing.loss == Loss(0, 0, PURE_UNIT)
    assert sum(measure.pure for measure in pricing.measures) == PURE_UNIT
    spec = {"plan": plan.to_dict(), "table": bench.table.to_dict(), "loss": pricing.loss.to_dict()}
    prepare(spec)
    for index, measure in enumerate(pricing.measures):
        assert measure.scale * measure.pure / PURE_UNIT >= prepare(spec).facts.absolute(index)


def test_half_the_noise_is_refused_for_choices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a price list whose noise is half of what it should be."""
    from privacy.query import execute

    def cheap(*args: object, **options: object) -> object:
        fair = price(*args, **options)  # type: ignore[arg-type]
        return replace(fair, measures=tuple(replace(m, scale=m.scale / 2) for m in fair.measures))

    bench = people(3, 2)
    for sql in ("SELECT MEDIAN(x) FROM t", "SELECT k FROM t GROUP BY k ORDER BY COUNT(*) DESC LIMIT 2"):
        plan = parse(sql, bench.table)
        for offer in ({"rho": 10**10}, {"pure": 10**11}):
            loss = price(plan, bench.table, **offer).loss
            spec = {"plan": plan.to_dict(), "table": bench.table.to_dict(), "loss": loss.to_dict()}
            prepare(spec)
            monkeypatch.setattr(execute, "price", cheap)
            with pytest.raises(LossExceeded):
                prepare(spec)
            monkeypatch.setattr(execute, "price", price)


def test_the_better_currency_is_taken() -> None:
    table = people(1, 1).table
    one, many = (
        parse(sql, table) for sql in ("SELECT COUNT(*) FROM t", "SELECT COUNT(*), SUM(x), AVG(k) FROM t")
    )
    assert best(one, table, rho=RHO_UNIT // 2, pure=PURE_UNIT).loss.pure == 0  # σ 1 against √2
    assert best(one, table, rho=RHO_UNIT // 50, pure=PURE_UNIT).loss.pure == PURE_UNIT
    assert best(many, table, rho=RHO_UNIT // 10).loss.rho > 0
    unknown = parse("SELECT note, COUNT(*) FROM t GROUP BY note", table)
    assert best(unknown, table, rho=10**10, delta=10**12, pure=PURE_UNIT).loss.pure == 0


def test_errors_for_a_supposed_size_are_upper_bounds() -> None:
    table = rows_as_units().table
    plan = parse("SELECT VARIANCE(x) AS v, STDDEV(x) AS s, MEDIAN(x) AS m, MAX(x) AS t FROM t", table)
    pricing = price(plan, table, rho=10**10)
    few, many = (expected_error(pricing, n) for n in (100, 100_000))
    assert all(few[name] >= many[name] > 0 for name in "vsmt")  # type: ignore[operator]
    assert few["m"] <= 50  # type: ignore[operator]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT QUANTILE_CONT(x, -0.1) FROM t", "bad_quantile"),
        ("SELECT QUANTILE_CONT(x, k) FROM t", "bad_quantile"),
        ("SELECT QUANTILE_CONT(x, 0.12345) FROM t", "bad_quantile"),
        ("SELECT MAX(x, 3) FROM t", "unknown_function"),
        ("SELECT MEDIAN(g) FROM t", "type_mismatch"),
        ("SELECT k, SUM(COUNT(*)) OVER (ORDER BY k ROWS 3 PRECEDING) FROM t GROUP BY k", "window"),
        ("SELECT k, h, SUM(COUNT(*)) OVER (ORDER BY k) FROM t GROUP BY k, h", "window"),
        ("SELECT k, SUM(SUM(x)) OVER (ORDER BY k) FROM t GROUP BY k", "window"),
        ("SELECT k, SUM(COUNT(*)) OVER (ORDER BY x) FROM t GROUP BY k", "ungrouped_column"),
        ("SELECT COUNT(*) FROM t WHERE x > MEDIAN(x)", "aggregate_in_rows"),
        ("SELECT ROUND(x) FILTER (WHERE x > 0) FROM t", "unknown_function"),
        ("SELECT MODE() WITHIN GROUP (ORDER BY x) FROM t", "unknown_function"),
        ("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x, k) FROM t", "unknown_function"),
        ("SELECT QUANTILE_CONT(x, 'half') FROM t", "bad_quantile"),
        ("SELECT QUANTILE_CONT(x, [0.1, 0.2]) FROM t", "bad_quantile"),
        ("SELECT k, SUM(COUNT(*)) OVER (ORDER BY k NULLS FIRST) FROM t GROUP BY k", "window"),
        ("SELECT SUM(x) FILTER (WHERE x > 0) OVER () FROM t", "window"),
    ],
)
def test_what_is_not_answered_is_refused_by_its_code(sql: str, code: str) -> None:
    with pytest.raises(QueryRejected) as caught:
        parse(sql, people().table)
    assert caught.value.code == code
    assert caught.value.alternative


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("QUANTILE_CONT(x, 0)", "MIN(x)"),
        ("QUANTILE_CONT(x, 1)", "MAX(x)"),
        ("PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY x DESC)", "QUANTILE_CONT(x, 0.1)"),
        ("PERCENTILE_CONT(1) WITHIN GROUP (ORDER BY x DESC)", "MIN(x)"),
        (
            "SUM(COUNT(*)) OVER (ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
            "SUM(COUNT(*)) OVER (ORDER BY k)",
        ),
    ],
)
def test_spellings_of_one_order_statistic_share_a_hash(one: str, other: str) -> None:
    plans = [parse(f"SELECT k, {sql} AS a FROM t GROUP BY k", people().table) for sql in (one, other)]
    assert plans[0].sha256() == plans[1].sha256()


@pytest.mark.parametrize(
    ("fn", "param"),
    [
        ("quantile", None),
        ("quantile", "1.5"),
        ("quantile", "0.12345"),
        ("running", "7"),
        ("running", "x"),
        ("sum", "0"),
    ],
)
def test_a_plan_with_a_forged_parameter_is_refused(fn: str, param: str | None) -> None:
    table = people().table
    data = parse("SELECT g, SUM(x) AS s FROM t GROUP BY g", table).to_dict()
    data["aggregates"][0][0], data["aggregates"][0][3] = fn, param
    with pytest.raises(QueryRejected) as caught:
        price(Plan.from_dict(data), table, rho=10**10)
    assert caught.value.code == "invalid_plan"


def test_a_formula_of_ranks_states_no_error(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", numbers(400))
    got = rows_as_units().prepared("SELECT MAX(x) - MIN(x) AS width, MEDIAN(x) AS m FROM t").run(path, 1)
    assert got.accuracy[0][0] is None
    assert Decimal(str(got.accuracy[0][1])) > 0
    assert [column.kind for column in got.columns] == ["formula", "quantile"]
