"""The first reading of a file believes nothing: not its name, not its size, not its metadata."""

import bz2
import gzip
import json
import lzma

import duckdb
import pytest

from privacy.tabular import check


@pytest.fixture
def findings(tmp_path):
    def of(data, form="csv", *, max_expanded_mb=8):
        path = tmp_path / "file"
        path.write_bytes(data)
        spec = {"format": form, "max_expanded_mb": max_expanded_mb, "memory_mb": 300}
        return json.loads(check.prepare(spec).run(str(path)))

    return of


@pytest.fixture
def parquet(tmp_path):
    def of(query):
        path = tmp_path / "made.parquet"
        duckdb.sql(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 1000000)")
        return path.read_bytes()

    return of


def kinds(found):
    return {column["name"]: column["kind"] for column in found["columns"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(findings, delimiter):
    data = delimiter.join(["a", "b", "c"]) + "\n" + delimiter.join(["1", "2", "x y"]) + "\n"
    assert kinds(findings(data.encode())) == {"a": "integer", "b": "integer", "c": "text"}


def test_the_narrowest_kind_that_every_value_fits(findings):
    data = b"i,d,b,day,t,nothing,whole\n1,1.5,true,2020-01-31,x,,1.0\n-2,1e3,false,1999-12-01,2,,2\n,,,,,,\n"
    assert kinds(findings(data)) == {
        "i": "integer", "d": "decimal", "b": "boolean", "day": "date", "t": "text", "nothing": "empty",
        "whole": "integer",
    }  # fmt: skip


def test_numbers_that_are_none_make_no_decimal(findings):
    assert kinds(findings(b"a,b\n1.5,nan\n2,inf\n")) == {"a": "decimal", "b": "text"}


def test_rows_are_counted_and_the_byte_order_mark_is_no_part_of_a_name(findings):
    found = findings(b'\xef\xbb\xbfa,b\r\n"x\r\ny",2\r\n"say ""hi""",3\r\n')
    assert kinds(found) == {"a": "text", "b": "integer"}
    assert found["rows"] == 2


def test_one_column_needs_no_delimiter(findings):
    assert findings(b"a\n1\n2\n") == {"columns": [{"name": "a", "kind": "integer"}], "rows": 2}


def test_compressed_csv_is_read(findings):
    assert findings(gzip.compress(b"a,b\n1,2\n"))["rows"] == 1


REFUSED = {
    "empty": b"",
    "no_rows": b"a,b\n",
    "ragged_rows": b"a,b\n1,2\n3\n",
    "bad_quotes": b'a,b\n1,"x\n2,3\n',
    "header_duplicate": b"Age,age\n1,2\n",
    "header_blank": b"a,,c\n1,2,3\n",
    "header_reserved": b"_ROW,a\n1,2\n",
    "header_unprintable": b"a\x07,b\n1,2\n",
    "not_utf8": b"a,b\n1,M\xfcller\n",
    "not_text": b"a,b\n1,x\x00y\n",
    "zip_refused": b"PK\x03\x04" + bytes(30),
    "compression_refused": bz2.compress(b"a,b\n1,2\n"),
    "gzip_broken": gzip.compress(b"a,b\n" + bytes(range(32, 127)) * 900)[:-30],
    "format_mismatch": b"PAR1" + bytes(30),
    "too_many_columns": b",".join(b"c%d" % i for i in range(1001)) + b"\n",
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_cannot_be_a_table_is_refused_by_its_code(findings, code):
    assert findings(REFUSED[code])["refused"] == code


def test_the_line_of_the_fault_is_told_to_the_owner(findings):
    assert findings(b"a,b\n1,2\n1,2\n1,2,3\n") == {"refused": "ragged_rows", "line": 4}


def test_a_fault_far_beyond_the_sample_is_found(findings):
    rows = b"1,2\n" * 100_000
    assert findings(b"a,b\n" + rows + b"1\n") == {"refused": "ragged_rows", "line": 100_002}
    assert findings(b"a,b\n" + rows + b"1,\xff\n")["refused"] == "not_utf8"


def test_another_compression_is_refused(findings):
    assert findings(lzma.compress(b"a,b\n1,2\n"))["refused"] == "compression_refused"


def test_a_gzip_bomb_is_refused_before_it_is_unpacked_to_its_end(findings):
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 400_000)
    assert len(bomb) < 10_000
    assert findings(bomb, max_expanded_mb=1)["refused"] == "expands_too_far"
    assert findings(bomb, max_expanded_mb=2)["rows"] == 400_000  # it is the bound that refuses


def test_a_parquet_file_is_read_with_its_own_types(findings, parquet):
    query = "SELECT 1 AS i, 1.5::DOUBLE AS d, 2.5::DECIMAL(9, 1) AS e, true AS b, DATE '2020-01-01' AS day,"
    query += " TIMESTAMP '2020-01-01 00:00:00' AS at, 'x' AS t"
    assert kinds(findings(parquet(query), "parquet")) == {
        "i": "integer", "d": "decimal", "e": "decimal", "b": "boolean", "day": "date", "at": "date", "t": "text",
    }  # fmt: skip


def test_a_parquet_bomb_of_rows_is_refused_by_its_metadata(findings, parquet):
    bomb = parquet("SELECT 1::BIGINT AS a FROM range(3000000)")
    assert len(bomb) < 100_000
    assert findings(bomb, "parquet")["refused"] == "expands_too_far"


def test_a_parquet_bomb_that_its_metadata_hides_is_refused_by_reading(findings, parquet, tmp_path):
    bomb = parquet("SELECT repeat('x', 10000) AS a FROM range(2000)")
    assert len(bomb) < 100_000
    (tmp_path / "bomb").write_bytes(bomb)
    told = f"SELECT sum(total_uncompressed_size) FROM parquet_metadata('{tmp_path}/bomb')"
    assert duckdb.sql(told).fetchall()[0][0] < 8 << 20
    assert findings(bomb, "parquet")["refused"] == "expands_too_far"


@pytest.mark.parametrize(
    "query", ["SELECT [1, 2] AS a", "SELECT {'b': 1} AS a", "SELECT INTERVAL 1 DAY AS a"]
)
def test_nested_and_odd_columns_are_refused(findings, parquet, query):
    assert findings(parquet(query), "parquet")["refused"] == "nested_columns"


def test_an_empty_and_a_broken_parquet_file(findings, parquet):
    whole = parquet("SELECT 1 AS a WHERE false")
    assert findings(whole, "parquet")["refused"] == "no_rows"
    assert findings(whole[:-8], "parquet")["refused"] == "unreadable"
    assert findings(b"a,b\n1,2\n", "parquet")["refused"] == "format_mismatch"
