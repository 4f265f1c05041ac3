"""Mock rows follow the declared schema and know nothing else."""

import inspect
import json

import duckdb
import pytest

from privacy.errors import SchemaInvalid
from privacy.schema import Table
from privacy.synthetic import mock
from privacy.tabular import conform

COLUMNS = [
    {"name": "age", "kind": "decimal", "lower": "18", "upper": "102", "step": "0.01"},
    {"name": "n", "kind": "integer", "lower": "-5", "upper": "5"},
    {"name": "sex", "kind": "category", "codes": ["f", "m"], "nullable": False},
    {"name": "grade", "kind": "category", "codes": [1, 2, 3]},
    {"name": "alive", "kind": "boolean"},
    {"name": "day", "kind": "date"},
    {"name": "word", "kind": "text"},
    {"name": "free", "kind": "integer"},
]


def spec(columns=COLUMNS, *, unit=None, rows=500, seed="s", max_rows=1, max_units=10_000):
    bounds = {"column": unit, "max_groups": 1, "max_rows": max_rows}
    table = {"name": "t", "columns": columns, "unit": bounds, "max_units": max_units}
    return {"table": table, "rows": rows, "seed": seed, "memory_mb": 200}


@pytest.fixture
def draw(tmp_path):
    numbers = iter(range(100))

    def of(**kwargs):
        n = next(numbers)
        parquet, csv = tmp_path / f"{n}.parquet", tmp_path / f"{n}.csv"
        mock.prepare(spec(**kwargs)).run(str(parquet), str(csv))
        return parquet, csv

    return of


def rows(parquet, what="*"):
    return duckdb.sql(f"SELECT {what} FROM read_parquet('{parquet}') ORDER BY _row").fetchall()


def test_the_rows_are_what_the_schema_declares(draw):
    parquet, _ = draw()
    checks = (
        "age BETWEEN 18 AND 102 AND abs(age * 100 - round(age * 100)) < 1e-6",
        "n BETWEEN -5 AND 5",
        "sex IN ('f', 'm')",
        "grade IN (1, 2, 3)",
        "day BETWEEN DATE '2000-01-01' AND DATE '2010-01-01'",
    )
    for check in checks:
        [(broken,)] = duckdb.sql(
            f"SELECT count(*) FROM read_parquet('{parquet}') WHERE NOT ({check})"
        ).fetchall()
        assert broken == 0


def test_nothing_but_the_declaration_is_asked_for():
    """The whole input is declarations, a number and a seed: no path of a private file can reach it."""
    parameters = {"table", "rows", "seed", "memory_mb", "unit_as"}
    assert set(inspect.signature(mock.Mock).parameters) == parameters
    assert set(inspect.signature(mock.Mock.run).parameters) == {"self", "parquet", "csv"}
    assert "read_" not in inspect.getsource(mock)


def test_the_same_schema_and_seed_give_the_same_rows_and_another_seed_others(draw):
    assert rows(draw()[0]) == rows(draw()[0])
    assert rows(draw()[0]) != rows(draw(seed="t")[0])


def test_every_code_and_both_truths_appear_and_some_values_are_missing(draw):
    parquet, _ = draw()
    assert {row[0] for row in rows(parquet, "sex")} == {"f", "m"}
    assert {row[0] for row in rows(parquet, "grade")} == {1, 2, 3, None}
    assert {row[0] for row in rows(parquet, "alive")} == {True, False, None}


def test_rows_are_numbered_for_the_engine_and_not_in_the_download(draw):
    parquet, csv = draw(rows=7)
    assert [row[0] for row in rows(parquet, "_row")] == [1, 2, 3, 4, 5, 6, 7]
    header, *lines = csv.read_text().splitlines()
    assert header == ",".join(column["name"] for column in COLUMNS)
    assert len(lines) == 7


@pytest.mark.parametrize(("declared", "names"), [
    (None, {"mock-1", "mock-2"}),
    ({"kind": "integer", "lower": "100", "upper": "999"}, {101, 102}),
    ({"kind": "category", "codes": ["a", "b"]}, {"a", "b"}),
    ({"kind": "text"}, {"mock-1", "mock-2"}),
])  # fmt: skip
def test_units_have_several_rows_where_they_may(draw, declared, names):
    columns = COLUMNS[:2] + ([{"name": "id", **declared}] if declared else [])
    parquet, _ = draw(columns=columns, unit="id", rows=6, max_rows=5)
    assert {row[0] for row in rows(parquet, "id")} == names


def test_no_more_rows_than_units_were_declared(draw):
    assert len(rows(draw(max_units=3)[0])) == 3


def test_a_schema_that_contradicts_itself_is_refused():
    with pytest.raises(SchemaInvalid):
        mock.prepare(spec(columns=[{"name": "a", "kind": "category"}]))


def test_a_mock_conforms_to_its_own_schema(draw, tmp_path):
    _, csv = draw()
    table = Table.from_dict(spec()["table"]).to_dict()
    ready = conform.prepare({"format": "csv", "table": table, "memory_mb": 300})
    report = json.loads(ready.run(str(csv), str(tmp_path / "out.parquet"), str(tmp_path)))
    assert report["rows"] == 500
    assert all(column["unusable"] == column["outside"] == 0 for column in report["columns"])


def test_days_fill_their_declared_bounds(draw):
    day = {"name": "day", "kind": "date", "lower": "1989-06-12", "upper": "1989-06-14"}
    parquet, _ = draw(columns=[day])
    found = {str(row[0]) for row in rows(parquet, "day")}
    assert found == {"None", "1989-06-12", "1989-06-13", "1989-06-14"}


def test_a_further_table_names_its_units_as_the_main_one_does(tmp_path):
    numbered = {"name": "id", "kind": "integer", "lower": "100", "upper": "999"}
    files = tmp_path / "mock.parquet", tmp_path / "mock.csv"

    def units(**unit):
        wanted = spec([numbered | {"lower": "0"}], unit="id", rows=3) | unit
        mock.prepare(wanted).run(*map(str, files))
        return [row[0] for row in rows(files[0], "id")]

    assert units(unit=numbered) == [101, 102, 103]
    assert units() == [1, 2, 3]  # the fault: by its own bounds no unit would meet the main table's
