"""What publication keeps of each row's place in its unit, and the short roads that it opens to the engine."""

from collections import Counter
from itertools import product

import duckdb
import pytest

from privacy.errors import SchemaInvalid
from privacy.places import MAX_KEYS, prepared_keys
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import load, people, write

VISITS = [("a", 1), ("a", 1), ("a", 2), ("b", 1), ("c", 2), ("c", None), ("c", 2), ("c", 2), ("c", 7)]
"""Who, and a value of k."""


def row(who, *, k=None, g=None):
    return (who, None, k, g, None, None, None, None)


@pytest.fixture
def placed(tmp_path):
    numbers = {"a": 1, "b": 2, "c": 3}
    path = write(tmp_path / "t.parquet", [row(numbers[who], k=k) for who, k in VISITS], has_places=True)

    def read(*columns):
        names = ", ".join(f'"{name}"' for name in columns)
        return duckdb.sql(f"SELECT {names} FROM read_parquet('{path}') ORDER BY _row").fetchall()

    return read


def test_each_row_knows_how_many_rows_its_unit_has_and_which_of_them_it_is(placed):
    found = placed("who", "_row:size", "_row:rank")
    assert sorted(found) == [(1, 3, 0), (1, 3, 1), (1, 3, 2), (2, 1, 0), *((3, 5, rank) for rank in range(5))]


def test_large_units_come_first_and_each_unit_lies_together(placed):
    assert [who for (who,) in placed("who")] == [3] * 5 + [1] * 3 + [2]


def test_each_row_knows_how_its_unit_spreads_over_a_grouping_column(placed):
    found = placed("who", "k", "_row:groups:k", "_row:group:k", "_row:same:k", "_row:nth:k")
    values = {who: {k for other, k, *_ in found if other == who} for who in (1, 2, 3)}
    for who, k, groups, group, same, _ in found:
        assert groups == len(values[who])
        assert same == sum((who, k) == (other, value) for other, value, *_ in found)
        assert {number for other, value, _, number, *_ in found if (who, k) == (other, value)} == {group}
    for who, k in {(who, k) for who, k, *_ in found}:
        numbers = [nth for other, value, *_, nth in found if (who, k) == (other, value)]
        assert sorted(numbers) == list(range(len(numbers)))
    for who, seen in values.items():
        assert {group for other, _, _, group, *_ in found if other == who} == set(range(len(seen)))


def test_only_columns_that_can_be_grouped_by_are_prepared_and_not_many():
    columns = tuple(Column(f"c{n}", Kind.BOOLEAN) for n in range(20))
    wide = Table("t", (Column("x", Kind.DECIMAL), *columns), PrivacyUnit("who", 1, 1), 10)
    assert [places.column.name for places in prepared_keys(wide)] == [f"c{n}" for n in range(MAX_KEYS)]
    assert prepared_keys(Table("t", columns, PrivacyUnit(None, 1, 1), 10)) == ()


@pytest.mark.parametrize("name", ["_row", "_ROW", "_row:size", "_Row:nth:k"])
def test_names_that_publication_makes_cannot_be_declared(name):
    with pytest.raises(SchemaInvalid):
        Column(name, Kind.INTEGER)
    with pytest.raises(SchemaInvalid):
        PrivacyUnit(name, 1, 1)


QUERIES = [
    "SELECT COUNT(*) AS n FROM t",
    "SELECT g, COUNT(*) AS n, SUM(k) AS s FROM t GROUP BY g",
    "SELECT g, COUNT(DISTINCT who) AS n FROM t GROUP BY g",
    "SELECT g, h, COUNT(*) AS n FROM t GROUP BY g, h",
    "SELECT g, COUNT(*) AS n, COUNT(DISTINCT who) AS p FROM t WHERE k < 5 GROUP BY g",
    "SELECT note, COUNT(*) AS n FROM t GROUP BY note",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_within_the_bounds_all_roads_give_the_same_figures(tmp_path, sql):
    rows = [row(who, k=k, g=g) for who, k, g in product(range(9), (1, 8), ("a", "b"))]
    ready = people(max_groups=3, max_rows=4).prepared(sql)
    plain = ready.exact(write(tmp_path / "plain.parquet", rows), 1)
    assert ready.exact(write(tmp_path / "placed.parquet", rows, has_places=True), 1) == plain


@pytest.mark.parametrize("sql", QUERIES)
def test_beyond_them_all_roads_keep_equally_many(tmp_path, sql):
    rows = [row(who, k=1, g=g) for who, g in product(range(9), ("a", "b", "c")) for _ in range(5)]
    ready = people(max_groups=2, max_rows=3).prepared(sql)
    paths = [write(tmp_path / f"{has}.parquet", rows, has_places=has) for has in (False, True)]
    sums = [[sum(part) for part in zip(*ready.exact(path, 1).values(), strict=True)] for path in paths]
    assert sums[0] == sums[1]


@pytest.mark.parametrize("has_places", [False, True])
def test_every_row_and_every_group_of_a_unit_is_kept_as_often(has_places):
    """Two of three rows, and one of three groups: over 150 salts each about equally often, in every unit."""
    with duckdb.connect(config={"threads": 1}) as connection:

        def kept(sql, rows, *, max_rows):
            load(connection, "t", rows, has_places=has_places)
            compiled = people(max_groups=1, max_rows=max_rows).prepared(sql).compiled
            counts = Counter()
            for salt in range(150):
                text = compiled.text("FILE", salt, has_places=has_places).replace("read_parquet('FILE')", "t")
                for cell, number in connection.execute(text).fetchall():
                    counts[cell] += number
            return [counts[cell] for cell in range(3)]

        found = kept("SELECT k, COUNT(*) AS n FROM t GROUP BY k", [row(1, k=k) for k in range(3)], max_rows=2)
        assert sum(found) == 300
        assert all(75 <= number <= 125 for number in found)  # 100 expected, σ = 5.8
        rows = [row(1, g=g) for g in ("a", "b", "c", "c", "c")]
        found = kept("SELECT g, COUNT(DISTINCT who) AS n FROM t GROUP BY g", rows, max_rows=9)
        assert sum(found) == 150
        assert all(25 <= number <= 75 for number in found)  # 50 expected, σ = 5.8


def test_where_nothing_is_filtered_no_row_is_sorted_or_grouped_by_unit():
    ready = people().prepared("SELECT g, COUNT(*) AS n, COUNT(DISTINCT who) AS p FROM t GROUP BY g")
    text = ready.compiled.text("FILE", 1, has_places=True)
    assert "OVER (" not in text
    assert "JOIN" not in text
    assert "GROUP BY u" not in text
