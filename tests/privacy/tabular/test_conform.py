"""A version's file holds the declared columns, in the declared kinds, in an order that says nothing."""

import json

import duckdb
import pytest

from privacy.engines.duck import Engine
from privacy.schema import Column, Kind
from privacy.tabular import compare, conform, export

AGE = {"name": "age", "kind": "integer", "lower": "0", "upper": "120", "missing": ["-9", "NA"]}
SEX = {"name": "sex", "kind": "category", "codes": ["f", "m"]}


@pytest.fixture
def make(tmp_path):
    numbers = iter(range(100))

    def of(data, columns, *, unit=None, max_units=1000, form="csv", max_rows=1, threads=2):
        n = next(numbers)
        path, out = tmp_path / f"in{n}", tmp_path / f"out{n}.parquet"
        path.write_bytes(data)
        bounds = {"column": unit, "max_groups": 1, "max_rows": max_rows}
        table = {"name": "t", "columns": columns, "unit": bounds, "max_units": max_units}
        spec = {"format": form, "table": table, "memory_mb": 300, "threads": threads}
        report = json.loads(conform.prepare(spec).run(str(path), str(out), str(tmp_path)))
        return report, out

    return of


DECLARED = "COLUMNS(lambda name: NOT starts_with(name, '_row'))"


def rows(out, columns=DECLARED):
    return sorted(duckdb.sql(f"SELECT {columns} FROM read_parquet('{out}')").fetchall(), key=str)


def count(report, name):
    found = next(dict(column) for column in report["columns"] if column["name"] == name)
    found.pop("name")
    return found


def test_types_are_cast_markers_are_missing_and_what_is_lost_is_counted(make):
    report, out = make(b"age,sex\n30,f\n-9,m\n-9.0,m\nNA,x\n,f\n40.0,f\n2.5,m\nold,m\n", [AGE, SEX])
    assert count(report, "age") == {"missing": 4, "unusable": 2, "outside": 0}
    assert count(report, "sex") == {"missing": 0, "unusable": 1, "outside": 0}
    ages = sorted(row[0] for row in rows(out) if row[0] is not None)
    assert ages == [30, 40]  # 2.5 is no integer and is not made one
    assert {row[1] for row in rows(out)} == {"f", "m", None}


def test_numbers_outside_their_bounds_are_counted_and_kept_for_the_engine_to_clamp(make):
    report, out = make(b"age\n130\n-1\n50\n", [AGE])
    assert count(report, "age")["outside"] == 2
    assert rows(out) == [(-1,), (130,), (50,)]


def test_counts_say_how_many_and_never_which(make):
    report, _ = make(b"age,sex\n130,zz\n50,f\n", [AGE, SEX])
    assert "130" not in json.dumps(report)
    assert "zz" not in json.dumps(report)


KINDS = [
    ({"kind": "decimal"}, b"1.5\nnan\ninf\n1e400\nx\n", [1.5, None, None, None, None]),
    ({"kind": "boolean"}, b"true\n0\n1.0\nmaybe\nF\n", [True, False, True, None, False]),
    ({"kind": "date"}, b"2020-01-31\n2020-02-31\ninfinity\n", ["2020-01-31", None, None]),
    ({"kind": "date"}, b"2020-01-31 10:00:00\n", ["2020-01-31"]),
    ({"kind": "text"}, b" a \nb\n", ["a", "b"]),
    ({"kind": "integer", "codes": [1, 2]}, b"1\n3\n2.0\nx\n", [1, None, 2, None]),
    ({"kind": "category", "codes": [1, 2]}, b"1\n3\n2.0\nx\n", [1, None, 2, None]),
    ({"kind": "category", "codes": [" a", "b"]}, b" a\nb\n", [" a", "b"]),
    ({"kind": "category", "codes": ["", "b"]}, b'""\nb\n', ["", "b"]),
    ({"kind": "integer"}, b"9007199254740993\n9007199254740991\n", [None, 2**53 - 1]),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "data", "values"), KINDS)
def test_each_kind(make, declared, data, values):
    report, out = make(b"c\n" + data, [{"name": "c", **declared}])
    assert "refused" not in report
    found = [None if row[0] is None else row[0] for row in rows(out)]
    shown = [str(v) if declared["kind"] == "date" and v is not None else v for v in found]
    assert sorted(shown, key=str) == sorted(values, key=str)


def test_columns_that_were_not_declared_are_left_out(make):
    _, out = make(b"name,age\nAnn,30\n", [AGE])
    assert duckdb.sql(f"SELECT * FROM read_parquet('{out}')").columns == ["_row", "age"]


def test_a_name_that_sql_cannot_write_may_be_declared_simply(make):
    _, out = make(
        b"num.co,Age (years)\n3,50\n",
        [{"name": "num_co", "kind": "integer"}, {"name": "age_years", "kind": "integer"}],
    )
    assert rows(out) == [(3, 50)]


@pytest.mark.parametrize(("header", "code"), [(b"other", "column_missing"), (b"a.b,a b", "column_ambiguous")])
def test_a_column_that_cannot_be_found_is_refused(make, header, code):
    values = b",".join([b"1"] * (header.count(b",") + 1))
    report, out = make(header + b"\n" + values + b"\n", [{"name": "a_b", "kind": "integer"}])
    assert report == {"refused": code}
    assert not out.exists()


def test_the_same_name_goes_before_a_similar_one(make):
    _, out = make(b"a.b,a_b\n1,2\n", [{"name": "a_b", "kind": "integer"}])
    assert rows(out) == [(2,)]


def test_every_row_gets_an_id_and_the_order_of_the_file_is_gone(make):
    data = b"age\n" + b"".join(b"%d\n" % (i % 120) for i in range(5000))
    orders = []
    for _ in range(2):
        _, out = make(data, [AGE], max_units=5000)
        ids, ages = zip(
            *duckdb.sql(f"SELECT _row, age FROM read_parquet('{out}') ORDER BY _row").fetchall(), strict=True
        )
        assert ids == tuple(range(1, 5001))
        orders.append(ages)
    original = tuple(i % 120 for i in range(5000))
    assert sorted(orders[0]) == sorted(original)
    # In a random order about one place in 120 holds the value it held before; in the file's own, every one.
    for order in (orders[0], orders[1]):
        assert sum(a == b for a, b in zip(order, original, strict=True)) < 200
    assert orders[0] != orders[1]


def test_rows_without_their_unit_are_dropped_and_counted(make):
    report, out = make(b"id,age\na,30\n,31\n  ,32\na,33\nb,34\nb,35\nb,36\n", [AGE], unit="id", max_rows=2)
    assert (report["rows"], report["rows_without_unit"], report["units"], report["units_over_bound"]) == (
        5,
        2,
        2,
        1,
    )
    assert {row[1] for row in rows(out)} == {"a", "b"}


def test_what_publication_adds_is_the_same_for_equal_rows_whatever_the_columns_are_called(make):
    """Names that the query itself uses are names of columns here; the file still knows its rows' places."""
    taken = [{"name": name, "kind": "boolean"} for name in ("placed", "u", "_first", "rows_in")]
    header = b"id,placed,u,_first,rows_in\n"
    report, out = make(header + b"a,1,1,1,1\na,1,0,1,0\nb,1,1,1,1\n", taken, unit="id", max_rows=5)
    assert report["rows"] == 3
    assert rows(out, 'id, u, "_row:size", "_row:groups:u", "_row:same:u"') == [
        ("a", False, 2, 2, 1),
        ("a", True, 2, 2, 1),
        ("b", True, 1, 1, 1),
    ]


def test_a_declared_unit_keeps_its_kind_and_its_markers(make):
    unit = {"name": "id", "kind": "integer", "missing": ["0"]}
    report, out = make(b"id,age\n1,30\n0,31\nx,32\n", [unit, AGE], unit="id")
    assert report["rows_without_unit"] == 2
    assert rows(out) == [(1, 30)]


def test_more_units_than_declared_in_public_are_refused(make):
    assert make(b"age\n1\n2\n3\n", [AGE], max_units=2)[0] == {"refused": "too_many_units"}
    assert make(b"id,age\na,1\na,2\nb,3\n", [AGE], unit="id", max_units=1)[0] == {"refused": "too_many_units"}


def test_a_file_of_which_no_row_remains_is_refused(make):
    assert make(b"id,age\n,1\n", [AGE], unit="id")[0] == {"refused": "no_rows"}


def test_a_file_that_cannot_be_parsed_is_refused_without_its_words(make):
    assert make(b"age\n1\n2,3\n", [AGE])[0] == {"refused": "unreadable"}


def test_parquet_goes_the_same_way(make, tmp_path):
    path = tmp_path / "source.parquet"
    duckdb.sql(
        f"COPY (SELECT * FROM (VALUES (30::DOUBLE, 'f'), (-9, 'm'), (NULL, 'x')) t(age, sex))"
        f" TO '{path}' (FORMAT parquet)"
    )
    report, out = make(path.read_bytes(), [AGE, SEX], form="parquet")
    assert count(report, "age") == {"missing": 2, "unusable": 0, "outside": 0}
    assert rows(out) == [(30, "f"), (None, "m"), (None, None)]


def test_a_name_that_would_be_sql_is_only_a_name(make):
    name = 'a"); DROP TABLE x; --'
    report, out = make(b'"a""); DROP TABLE x; --"\n1\n', [{"name": name, "kind": "integer"}])
    assert "refused" not in report
    assert rows(out) == [(1,)]


def test_the_engine_reads_and_writes_named_files_only(tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with Engine().locked(files=[tmp_path / "named"], memory_mb=100) as connection:
        for query in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.db'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)


# --- mocks that owners upload ------------------------------------------------------------------------------

WEIGHT = {"name": "weight", "kind": "decimal", "lower": "0", "upper": "300", "step": "0.01"}
HEIGHT = {"name": "height", "kind": "decimal", "lower": "0", "upper": "3", "step": "0.001"}


def verdict(mock, data, columns, unit=None):
    bounds = {"column": unit, "max_groups": 1, "max_rows": 1}
    table = {"name": "t", "columns": columns, "unit": bounds, "max_units": 1000}
    return json.loads(compare.prepare({"table": table, "memory_mb": 300}).run(str(mock), str(data)))


def people(rows_, start=0):
    lines = [f"p{start + i},{50 + i * 0.37:.2f},{1.5 + i * 0.001:.3f},f" for i in range(rows_)]
    return ("id,weight,height,sex\n" + "\n".join(lines) + "\n").encode()


def test_a_mock_that_repeats_private_rows_is_refused(make):
    columns = [WEIGHT, HEIGHT, SEX]
    data, copied = make(people(200), columns)[1], make(people(200), columns)[1]
    assert verdict(copied, data, columns) == {"refused": "mock_copies_rows"}
    other = make(people(200, 1000).replace(b",1.", b",2."), columns)[1]
    assert verdict(other, data, columns) == {}


def test_a_few_copied_rows_are_too_many_above_one_in_a_hundred(make):
    columns = [WEIGHT, HEIGHT, SEX]
    data = make(people(200), columns)[1]
    strangers = people(200, 1000).replace(b",1.", b",2.")
    some = strangers + b"\n".join(people(200).splitlines()[1:4]) + b"\n"
    one = strangers + people(200).splitlines()[1] + b"\n"
    assert verdict(make(some, columns)[1], data, columns) == {"refused": "mock_copies_rows"}
    assert verdict(make(one, columns)[1], data, columns) == {}


def test_columns_that_anybody_shares_do_not_count_as_copies(make):
    data = make(b"age,sex\n30,f\n40,m\n", [AGE, SEX])[1]
    assert verdict(data, data, [AGE, SEX]) == {}


def test_one_shared_identifier_is_enough_to_refuse(make):
    columns = [WEIGHT, HEIGHT, SEX]
    data = make(people(50), columns, unit="id")[1]
    mock = make(people(50, 49).replace(b",1.", b",2."), columns, unit="id")[1]
    assert verdict(mock, data, columns, "id") == {"refused": "mock_shares_units"}


@pytest.mark.parametrize(("column", "values"), [
    (Column("a", Kind.BOOLEAN), 2), (Column("a", Kind.CATEGORY, codes=("x", "y", "z")), 3),
    (Column("a", Kind.TEXT), compare.TELLING_PRODUCT), (Column("a", Kind.INTEGER), compare.TELLING_PRODUCT),
])  # fmt: skip
def test_how_many_values_a_column_can_take(column, values):
    assert compare._values(column) == values


def test_an_uploaded_mock_is_offered_as_csv_without_what_publication_made(make, tmp_path):
    out = make(b"id,age,sex\nu1,30,f\n", [AGE, SEX], unit="id")[1]
    target = tmp_path / "mock.csv"
    assert export.prepare({"memory_mb": 100}).run(str(out), str(target)) == b"{}"
    assert target.read_text() == "age,sex,id\n30,f,u1\n"


SEEN = {"name": "seen", "kind": "date", "lower": "1989-06-12", "upper": "1994-12-31"}
LOOKUP = {"is_public": True, "key": "code"}


def test_days_outside_their_bounds_are_counted_and_kept(make):
    report, out = make(b"seen\n1989-06-11\n1989-06-12\n1995-01-01\nsoon\n", [SEEN])
    assert count(report, "seen") == {"missing": 0, "unusable": 1, "outside": 2}
    assert sorted(str(row[0]) for row in rows(out)) == ["1989-06-11", "1989-06-12", "1995-01-01", "None"]


def looked_up(tmp_path, data):
    path, out = tmp_path / "in", tmp_path / "out.parquet"
    path.write_bytes(data)
    columns = [{"name": "code", "kind": "integer"}, {"name": "word", "kind": "text"}]
    unit = {"column": None, "max_groups": 1, "max_rows": 1}
    table = {"name": "words", "columns": columns, "unit": unit, "max_units": 9, **LOOKUP}
    spec = {"format": "csv", "table": table, "memory_mb": 300, "threads": 2}
    return json.loads(conform.prepare(spec).run(str(path), str(out), str(tmp_path))), out


def test_a_public_table_is_kept_in_the_order_of_its_key(tmp_path):
    report, out = looked_up(tmp_path, b"code,word\n10,c\n9,b\n1,a\n")
    assert report["rows"] == 3
    found = duckdb.sql(f"SELECT code, word FROM read_parquet('{out}') ORDER BY _row").fetchall()
    assert found == [(1, "a"), (9, "b"), (10, "c")]


def test_two_spellings_of_one_key_are_one_key_and_the_fault_of_not_looking_is_seen(tmp_path, monkeypatch):
    twice = b"code,word\n1,a\n01,b\n1.0,c\n2,d\n"
    report, _ = looked_up(tmp_path, twice)
    assert report == {"refused": "key_repeated", "key": "code", "key_repeated": 1, "examples": ["1"]}
    monkeypatch.setattr(conform.Conform, "_require_key", lambda *args: None)
    assert "refused" not in looked_up(tmp_path, twice)[0]
