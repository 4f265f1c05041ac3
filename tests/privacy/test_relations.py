"""Joins, sub-queries and grouping expressions: what they compute, what they refuse, and that nothing disturbs them."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from privacy.errors import EngineFault, QueryRejected
from privacy.query.execute import Prepared
from privacy.query.parse import parse
from privacy.query.plan import Plan, columns_touched, describe
from privacy.query.price import price
from privacy.query.reference import EXAMPLE
from privacy.query.relation import Derived, Join, Scan
from privacy.query.scope import extent
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import SQL_TYPES
from tests.privacy.relation_data import (
    LOOK,
    TYPES,
    Row,
    dataset,
    main_rows,
    other_rows,
    random_relation_query,
)

ROOMY = dataset(PrivacyUnit("who", 5, 20), PrivacyUnit("who", 5, 20))  # nobody's rows are left out

ORACLES = [
    "SELECT g, COUNT(*), SUM(k) FROM t GROUP BY g",
    "SELECT FLOOR(k / 4) * 4 AS bin, COUNT(*) FROM t GROUP BY bin",
    "SELECT CASE WHEN k > 3 THEN 'many' ELSE 'few' END AS much, COUNT(k) FROM t GROUP BY much",
    "SELECT k >= 5 AS b, COUNT(*) FROM t GROUP BY b",
    "SELECT c, COUNT(*), SUM(t.k) FROM t JOIN v USING (who) GROUP BY c",
    "SELECT c, COUNT(*), SUM(v.k) FROM t LEFT JOIN v ON t.who = v.who GROUP BY c",
    "SELECT c, COUNT(*) FROM v RIGHT JOIN t ON t.who = v.who AND v.k > 2 GROUP BY c",
    "SELECT name, COUNT(*), SUM(size * 2) FROM t LEFT JOIN look ON t.k = look.id GROUP BY name",
    "SELECT name, SUM(v.k) FROM look JOIN v ON look.id = v.k JOIN t USING (who) GROUP BY name",
    "SELECT COUNT(*), SUM(s), SUM(n) FROM (SELECT who, SUM(k) AS s, COUNT(*) AS n FROM t GROUP BY who) AS a",
    "SELECT SUM(low), SUM(high), SUM(d) FROM (SELECT who, MIN(k) AS low, MAX(k) AS high, COUNT(DISTINCT g) AS d"
    " FROM t GROUP BY who HAVING COUNT(*) > 1) AS a",
    "SELECT g, COUNT(*), SUM(n) FROM (SELECT who, g, COUNT(k) AS n FROM t GROUP BY who, g) AS a GROUP BY g",
    "SELECT g, COUNT(*) FROM (SELECT DISTINCT who, g FROM t) AS a GROUP BY g",
    "WITH a AS (SELECT who, SUM(k) AS s FROM t WHERE h GROUP BY who), b AS (SELECT * FROM v WHERE c = 'p')"
    " SELECT COUNT(*), SUM(s + b.k) FROM a JOIN b ON a.who = b.who WHERE s > 3",
    "SELECT COUNT(*) FROM t JOIN (SELECT who, COALESCE(MAX(k), -1) AS top FROM v GROUP BY who) AS m USING (who)"
    " WHERE top < t.k",
    "SELECT COUNT(*), SUM(filled) FROM t LEFT JOIN (SELECT who, COALESCE(k, 9) AS filled FROM v) AS f USING (who)",
    "SELECT COUNT(*) FROM t AS a JOIN t AS b ON a.who = b.who WHERE a.k < b.k",
]


def well_behaved(dice: random.Random) -> tuple[list[Row], list[Row]]:
    """Return rows that SQL and the engine read alike: within bounds, no person with more than ten rows."""
    main = []
    for i in range(40):
        known = (dice.choice([None, 0.5, 3.0]), dice.choice([None, *range(10)]), dice.choice("abc"))
        main.append((i % 8, *known, dice.choice([True, False]), 1, "n", "2020-01-01"))
    other = [
        (
            str(i % 9),
            dice.choice([0.1, 0.2]),
            dice.choice([None, *range(6)]),
            dice.choice("pq"),
            "n",
            "2020-01-01",
        )
        for i in range(30)
    ]
    return main, other


def save(
    folder: Path, main: list[Row], other: list[Row], *, shuffle: random.Random | None = None
) -> dict[str, str]:
    """Write the three files, rows numbered by their place; return the path of each table."""
    paths = {}
    tables = {
        "t": (SQL_TYPES, main),
        "v": (TYPES["v"], other),
        "look": (TYPES["look"], [row[1:] for row in LOOK]),
    }
    with duckdb.connect() as connection:
        for name, (types, rows) in tables.items():
            connection.execute(f"CREATE TABLE {name} ({types})")
            numbered = [(i, *row) for i, row in enumerate(rows)]
            if shuffle is not None:
                shuffle.shuffle(numbered)
            marks = ", ".join(["(" + ", ".join("?" * len(numbered[0])) + ")"] * len(numbered))
            connection.execute(
                f"INSERT INTO {name} VALUES {marks}", [value for row in numbered for value in row]
            )
            paths[name] = str(folder / f"{name}.parquet")
            connection.execute(f"COPY {name} TO '{paths[name]}' (FORMAT parquet)")
    return paths


def totals(prepared: Prepared, paths: dict[str, str]) -> list[tuple[object, ...]]:
    """Return, by group, each exact figure in its own unit, with no row left out."""
    found = []
    names = list(itertools.product(*(key.values for key in prepared.facts.keys)))
    for cell, figures in prepared.exact(paths, 3).items():
        row = [
            float(figures[use.total] * prepared.facts.needs[use.total].step) for use in prepared.facts.uses
        ]
        found.append((*names[int(cell)], *row))
    return sorted(found, key=str)


VIEWS = {
    "t": "SELECT * REPLACE (CAST(who AS VARCHAR) AS who) FROM '{}'",
    "v": "SELECT * FROM '{}'",
    "look": "SELECT * REPLACE (nullif(name, 'zz') AS name) FROM '{}' WHERE id < 10",
}


@pytest.mark.parametrize("sql", ORACLES)
def test_what_is_computed_is_what_sql_means(tmp_path: Path, sql: str) -> None:
    """Where no bound bites, the exact figures are those of the query itself, run by a database."""
    paths = save(tmp_path, *well_behaved(random.Random(7)))
    with duckdb.connect() as connection:
        for name, path in paths.items():
            connection.execute(f"CREATE VIEW {name} AS {VIEWS[name].format(path)}")
        rows = connection.execute(sql).fetchall()
    number_of_keys = len(parse(sql, ROOMY.table).keys)
    expected = [
        (*row[:number_of_keys], *(float(value or 0) for value in row[number_of_keys:])) for row in rows
    ]
    assert totals(ROOMY.prepared(sql), paths) == sorted(expected, key=str)


SAME = [
    (
        "SELECT COUNT(*) FROM (SELECT age AS a, died FROM visits WHERE sex = 'male') AS s WHERE a > 3",
        "SELECT COUNT(*) FROM visits WHERE age > 3 AND sex = 'male'",
        "WITH men AS (SELECT * FROM visits WHERE 'male' = sex) SELECT COUNT(*) FROM men AS m WHERE 3 < m.age",
    ),
    (
        "SELECT region, COUNT(*) FROM visits JOIN patients USING (patient) WHERE died AND born < 1950 GROUP BY region",
        "SELECT p.region, COUNT(*) FROM patients p JOIN visits v ON v.patient = p.patient AND p.born < 1950"
        " WHERE v.died GROUP BY 1",
        "WITH old AS (SELECT patient AS who, region FROM patients WHERE born < 1950)"
        " SELECT region, COUNT(*) FROM old INNER JOIN (SELECT patient AS id FROM visits WHERE died) AS d"
        " ON old.who = d.id GROUP BY region",
    ),
    (
        "SELECT AVG(s) AS a FROM (SELECT patient, SUM(cost) AS s, COUNT(*) AS n FROM visits GROUP BY patient) AS x"
        " WHERE n > 2",
        "SELECT AVG(total) AS a FROM (SELECT patient, SUM(cost) AS total FROM visits GROUP BY patient"
        " HAVING COUNT(*) > 2) AS y",
        "SELECT AVG(total) AS a FROM (SELECT patient, COUNT(*) AS c, MAX(age) AS m, SUM(cost) AS total FROM visits"
        " GROUP BY 1) AS y WHERE 2 < c",
    ),
    (
        "SELECT ward, COUNT(*) FROM (SELECT DISTINCT patient, ward FROM visits WHERE ward = 3) AS d GROUP BY ward",
        "SELECT ward, COUNT(*) FROM (SELECT patient, ward FROM visits GROUP BY ward, patient) AS d WHERE ward = 3"
        " GROUP BY ward",
    ),
    (
        "SELECT type, COUNT(*) FROM visits JOIN wards ON ward = id GROUP BY type",
        "SELECT w.type, COUNT(*) FROM wards AS w JOIN visits AS v ON w.id = v.ward GROUP BY w.type",
    ),
    (
        "SELECT FLOOR(age / 10) * 10 AS bin, COUNT(*) FROM visits GROUP BY bin",
        "SELECT 10 * FLOOR(age / 10) AS bin, COUNT(*) FROM visits GROUP BY FLOOR(age / 10.0) * 10",
    ),
]


@pytest.mark.parametrize("spellings", SAME)
def test_spellings_of_one_question_share_a_hash(spellings: tuple[str, ...]) -> None:
    plans = [parse(sql, EXAMPLE) for sql in spellings]
    assert len({plan.sha256() for plan in plans}) == 1
    assert all(Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan for plan in plans)


def test_a_left_join_is_not_the_join_the_other_way_round() -> None:
    sql = "SELECT COUNT(*) FROM {} LEFT JOIN {} USING (patient)"
    one, other = (
        parse(sql.format(*names), EXAMPLE) for names in (("visits", "patients"), ("patients", "visits"))
    )
    assert one.sha256() != other.sha256()


REFUSALS = [
    ("SELECT COUNT(*) FROM visits CROSS JOIN patients", "join_form"),
    ("SELECT COUNT(*) FROM visits NATURAL JOIN patients", "join_form"),
    ("SELECT COUNT(*) FROM visits SEMI JOIN patients USING (patient)", "join_form"),
    ("SELECT COUNT(*) FROM (visits JOIN patients USING (patient))", "join_form"),
    ("SELECT COUNT(*) FROM visits JOIN patients ON TRUE", "join_condition"),
    ("SELECT COUNT(*) FROM visits JOIN patients ON visits.patient < patients.patient", "join_condition"),
    (
        "SELECT COUNT(*) FROM visits JOIN patients ON visits.patient = patients.patient OR died",
        "join_condition",
    ),
    ("SELECT COUNT(*) FROM visits JOIN patients USING (sex)", "join_condition"),
    ("SELECT COUNT(*) FROM visits JOIN wards ON ward = floor", "join_condition"),
    (
        "SELECT COUNT(*) FROM visits LEFT JOIN patients ON visits.patient = patients.patient AND died",
        "join_condition",
    ),
    ("SELECT COUNT(*) FROM visits LEFT JOIN patients USING (patient, sex)", "join_condition"),
    ("SELECT COUNT(*) FROM wards LEFT JOIN visits ON id = ward", "public_only"),
    ("SELECT COUNT(*) FROM (SELECT id, COUNT(*) FROM wards GROUP BY id) AS w", "inner_group"),
    ("SELECT COUNT(*) FROM visits JOIN wards ON diagnosis = id", "type_mismatch"),
    ("SELECT COUNT(*) FROM (SELECT MAX(age) AS m FROM visits) AS s", "inner_group"),
    (
        "SELECT COUNT(*) FROM (SELECT patient, ROW_NUMBER() OVER (ORDER BY age) AS r FROM visits) AS s",
        "window",
    ),
    ("SELECT COUNT(*) FROM (SELECT patient FROM visits LIMIT 3) AS s", "inner_clause"),
    ("SELECT COUNT(*) FROM (SELECT patient FROM visits OFFSET 3) AS s", "inner_clause"),
    (
        "SELECT COUNT(*) FROM (SELECT DISTINCT ON (patient) patient, age FROM visits) AS s",
        "unsupported_clause",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT age FROM visits UNION ALL SELECT born FROM patients) AS s",
        "set_operation",
    ),
    (
        "WITH a AS (SELECT age FROM visits), a2 AS (SELECT born FROM a) SELECT COUNT(*) FROM a2",
        "unknown_column",
    ),
    ("WITH a AS (DELETE FROM visits) SELECT COUNT(*) FROM visits", "not_select"),
    ("WITH a(x) AS (SELECT age FROM visits) SELECT SUM(x) FROM a", "unsupported_clause"),
    ("SELECT COUNT(*) FROM visits AS v, LATERAL (SELECT v.age) AS l", "unknown_table"),
    (
        "SELECT COUNT(*) FROM visits WHERE EXISTS (SELECT 1 FROM patients WHERE patients.patient = visits.patient)",
        "subquery",
    ),
    ("SELECT COUNT(*) FROM visits WHERE patient IN (SELECT patient FROM patients)", "subquery"),
    (
        "SELECT COUNT(*) FROM (SELECT patient, MEDIAN(age) AS m FROM visits GROUP BY patient) AS s",
        "inner_function",
    ),
    ("SELECT COUNT(*) FROM (SELECT patient, age FROM visits GROUP BY patient) AS s", "ungrouped_column"),
    ("SELECT SUM(w) FROM (SELECT patient, SUM(weight) AS w FROM visits GROUP BY patient) AS s", "unbounded"),
    ("SELECT cost, COUNT(*) FROM visits GROUP BY cost", "group_unbounded"),
    ("SELECT YEAR(admitted), COUNT(*) FROM visits GROUP BY 1", "group_unbounded"),
    ("SELECT COUNT(DISTINCT patient) FROM (SELECT age FROM visits) AS s", "count_distinct"),
    ("SELECT COUNT(*) FROM (SELECT * EXCLUDE (age) FROM visits ) AS s", "unsupported_clause"),
    (
        "SELECT COUNT(*) FROM (SELECT DISTINCT patient, sex FROM visits GROUP BY patient, sex) AS s",
        "unsupported_clause",
    ),
    ("SELECT COUNT(*) FROM (SELECT DISTINCT sex FROM visits ) AS s", "inner_distinct"),
    ("SELECT COUNT(*) FROM (SELECT patient FROM visits HAVING COUNT(*) > 1) AS s", "inner_group"),
    ("SELECT COUNT(*) FROM (SELECT patient FROM visits GROUP BY ROLLUP (patient)) AS s", "group_expression"),
    ("SELECT COUNT(*) FROM (SELECT patient, sex FROM visits GROUP BY ALL) AS s", "group_expression"),
    ("SELECT COUNT(*) FROM (SELECT patient, sex FROM visits GROUP BY 1, 3) AS s", "group_expression"),
    (
        "SELECT COUNT(*) FROM (SELECT patient, COUNT(*) AS n FROM visits GROUP BY patient HAVING nobody > 2) AS s",
        "unknown_column",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT patient, MAX(nobody) AS n FROM visits GROUP BY patient) AS s",
        "unknown_column",
    ),
    ("SELECT COUNT(*) FROM (SELECT patient, nobody FROM visits GROUP BY patient) AS s", "unknown_column"),
    (
        "SELECT COUNT(*) FROM (SELECT patient, SUM(DISTINCT age) AS n FROM visits GROUP BY patient) AS s",
        "unknown_function",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT patient, COUNT(sex, age) AS n FROM visits GROUP BY patient) AS s",
        "unknown_function",
    ),
    (
        "SELECT COUNT(*) FROM (SELECT patient, MEDIAN(age) FILTER (WHERE died) AS n FROM visits GROUP BY patient) AS s",
        "unknown_function",
    ),
    (
        "SELECT SUM(y) FROM (SELECT patient, SUM(sex) AS y FROM visits GROUP BY patient) AS s",
        "type_mismatch",
    ),
    (
        "SELECT SUM(y) FROM (SELECT patient, SUM(age * 1e12) AS y FROM visits GROUP BY patient) AS s",
        "too_large",
    ),
    ("SELECT COUNT(*) FROM visits" + " JOIN visits USING (patient)" * 20, "too_many_relations"),
]


@pytest.mark.parametrize(("sql", "code"), REFUSALS)
def test_what_could_not_be_bounded_is_refused_by_name(sql: str, code: str) -> None:
    with pytest.raises(QueryRejected) as refusal:
        parse(sql, EXAMPLE)
    assert refusal.value.code == code
    assert all(refusal.value.to_dict().values())


def test_one_row_for_each_unit_needs_the_least_noise() -> None:
    total = "SELECT AVG(s) FROM (SELECT patient, SUM(cost) AS s FROM visits GROUP BY patient) AS x"
    visits = price(parse("SELECT ward, AVG(cost) FROM visits GROUP BY ward", EXAMPLE), EXAMPLE, rho=10**10)
    units = price(parse(total, EXAMPLE), EXAMPLE, rho=10**10)
    assert units.measures[0].sensitivity < 1.001 < visits.measures[0].sensitivity
    by_ward = "SELECT ward, SUM(n) FROM (SELECT patient, ward, COUNT(*) AS n FROM visits GROUP BY 1, 2) AS x GROUP BY 1"
    [measure] = price(parse(by_ward, EXAMPLE), EXAMPLE, rho=10**10).measures
    assert measure.sensitivity == pytest.approx(
        3**0.5 * 12
    )  # three wards, one row in each, a count of at most 12


def test_deadlines_take_every_declared_size_into_account() -> None:
    alone = price(parse("SELECT COUNT(*) FROM visits", EXAMPLE), EXAMPLE, rho=10**10)
    joined = parse("SELECT COUNT(*) FROM visits JOIN patients USING (patient)", EXAMPLE)
    assert price(joined, EXAMPLE, rho=10**10).deadline_seconds > alone.deadline_seconds


def test_extents_follow_the_structure() -> None:
    scan = Scan("visits")
    assert extent(scan, EXAMPLE).held is None
    assert extent(Derived(scan), EXAMPLE).held == 1
    pairs = extent(Join(scan, Scan("patients")), EXAMPLE)
    assert (pairs.held, pairs.groups, pairs.rows) == (12, 3, 4)


def test_words_say_what_is_joined_and_grouped() -> None:
    plan = parse(
        "SELECT w.type, AVG(m.total) FROM visits v LEFT JOIN (SELECT patient, SUM(born) AS total FROM patients"
        " WHERE region = 'north' GROUP BY patient) AS m ON v.patient = m.patient LEFT JOIN wards w ON v.ward = w.id"
        " GROUP BY w.type",
        EXAMPLE,
    )
    text = " ".join(describe(plan))
    for words in (
        "From patients reads only rows where (region = 'north').",
        "one row for each privacy unit, with the sum of born.",
        "Pairs visits with the grouped rows of the same privacy unit; rows without one stay.",
        "adds the row of the public table wards for ward",
    ):
        assert words in text, words
    assert columns_touched(plan) == ("patients.born", "patients.region", "ward", "wards.type")


def test_hostile_cells_raise_nothing_and_order_threads_and_files_change_nothing(tmp_path: Path) -> None:
    dice = random.Random(3)
    bench = dataset(PrivacyUnit("who", 2, 2), PrivacyUnit("who", 2, 1))
    main, other = main_rows(dice), other_rows(dice)
    paths = save(tmp_path, main, other)
    moved = tmp_path / "moved"
    moved.mkdir()
    others = save(moved, main, other, shuffle=dice)
    for _ in range(12):
        prepared = bench.prepared(random_relation_query(dice, has_people=True))
        exact = prepared.exact(paths, 11)
        assert replace(prepared, threads=2).exact(others, 11) == exact


FLOATS = "SELECT COUNT(*) FROM (SELECT who, SUM(y) AS s FROM v GROUP BY who) AS a WHERE s <= 0.6"


def test_inner_sums_keep_no_order(tmp_path: Path) -> None:
    """.1 + .2 + .3 is more than .6 in one order of adding and .6 in another; whole steps have no order."""
    rows: list[Row] = [("a", y, 1, "p", "n", None) for y in (0.1, 0.2, 0.3)]
    prepared = ROOMY.prepared(FLOATS)
    orders = {}
    for number, order in enumerate(itertools.permutations(rows)):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths = save(folder, [(1, 1.0, 1, "a", True, 1, "n", None)], list(order))
        orders[order] = prepared.exact(paths, 1)
        assert orders[order] == {0: (1,)}
    planted = set()
    for number in range(6):  # the planted fault: the same sums as floats
        with duckdb.connect(config={"threads": 1}) as connection:
            read = f"SELECT sum(y) <= 0.6 FROM '{tmp_path / str(number) / 'v.parquet'}'"
            planted |= set(connection.execute(read).fetchall())
    assert len(planted) == 2


def test_a_plan_names_every_file_it_reads(tmp_path: Path) -> None:
    prepared = ROOMY.prepared("SELECT COUNT(*) FROM t JOIN v USING (who)")
    paths = save(tmp_path, *well_behaved(random.Random(1)))
    del paths["v"]
    with pytest.raises(EngineFault) as fault:
        prepared.exact(paths, 1)
    assert fault.value.code == "file_missing"


def test_a_stored_plan_that_joins_otherwise_is_refused() -> None:
    honest = parse("SELECT COUNT(*) FROM visits JOIN patients USING (patient)", EXAMPLE).to_dict()
    for source in (
        ["join", ["scan", "wards", None], ["scan", "visits", None], False, None, None],
        ["join", ["scan", "visits", None], ["scan", "patients", None], False, ["col", "age"], None],
        ["join", ["scan", "visits", None], ["scan", "wards", None], False, None, None],
        ["derived", ["scan", "wards", None], [], [], None],
        ["derived", ["scan", "visits", None], [], [["median", ["col", "age"], None]], None],
        ["scan", "wards", None],
        ["scan", "nobody", None],
        ["cross", ["scan", "visits", None], ["scan", "patients", None]],
    ):
        with pytest.raises(QueryRejected):
            price(Plan.from_dict({**honest, "source": source}), EXAMPLE, rho=10**10)
