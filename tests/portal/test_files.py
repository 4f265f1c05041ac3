"""Answers as files: Parquet that other programs read, names that say what is inside, one column a name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import parquet, sheets
from portal.parquet import Physical, Series
from privacy.query.answer import Answer, AnswerColumn

INTEGERS = st.integers(-(2**63), 2**63 - 1)
KINDS: dict[Physical, st.SearchStrategy[Any]] = {
    Physical.INT64: INTEGERS,
    Physical.DOUBLE: st.floats(allow_nan=False),
    Physical.BOOLEAN: st.booleans(),
    Physical.TEXT: st.text(
        alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20
    ),
}


@st.composite
def tables(draw: st.DrawFn) -> list[Series]:
    """Draw a small table of any kinds, with holes."""
    rows = draw(st.integers(0, 40))
    kinds = draw(st.lists(st.sampled_from(list(Physical)), min_size=1, max_size=18))
    return [
        Series(f"c{n} é", kind, draw(st.lists(st.none() | KINDS[kind], min_size=rows, max_size=rows)))
        for n, kind in enumerate(kinds)
    ]


def read(payload: bytes, folder: Path) -> list[tuple[Any, ...]]:
    """Return the rows that an engine finds in a Parquet file."""
    path = folder / "t.parquet"
    path.write_bytes(payload)
    return duckdb.sql(f"SELECT * FROM '{path}'").fetchall()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_an_engine_reads_back_every_value(tmp_path: Path, columns: list[Series]) -> None:
    rows = list(zip(*(column.values for column in columns), strict=True))
    assert read(parquet.write(columns, {"k": "v"}), tmp_path) == rows


def test_long_columns_and_long_footers_are_read_too(tmp_path: Path) -> None:
    columns = [Series("n", Physical.INT64, [None if n % 3 == 0 else n for n in range(100_000)])]
    payload = parquet.write(columns, {"note": "x" * 70_000})
    assert [row[0] for row in read(payload, tmp_path)] == columns[0].values
    found = duckdb.sql(f"SELECT value FROM parquet_kv_metadata('{tmp_path / 't.parquet'}')").fetchall()
    assert found == [(b"x" * 70_000,)]


def test_a_file_that_was_cut_short_is_not_read(tmp_path: Path) -> None:
    payload = parquet.write([Series("n", Physical.INT64, [1, 2])], {})
    with pytest.raises(duckdb.Error):
        read(payload[:-9] + payload[-8:], tmp_path)


def result(answer: Answer, title: str = "Patients, by sex!") -> Any:
    """Return what a released answer looks like to a file."""
    dataset = SimpleNamespace(slug="support2")
    analysis = SimpleNamespace(
        pk="01KAX0000000000000003F9K2C",
        title=title,
        grant=SimpleNamespace(dataset=dataset),
        current=SimpleNamespace(sql="SELECT 1"),
    )
    release = SimpleNamespace(analysis=analysis, analysis_id=analysis.pk, sha256="ab" * 32, released_at=None)
    return SimpleNamespace(answer=answer, release=release, payload=answer.to_bytes())


ANSWER = Answer(
    (
        AnswerColumn("sex", "key"),
        AnswerColumn("n", "count", 1),
        AnswerColumn("mean", "mean", 1000),
        AnswerColumn("n_plus_minus_95", "sum", 10),
        AnswerColumn("died", "key"),
    ),
    (("=f", 5, 61234, 15, True), (None, -2, None, 20, None)),
    ((None, "3", "1.5", "0.4", None), (None, "3", None, "0.4", None)),
    ("A note.",),
    {"plan": "ab"},
)


def test_an_answer_as_parquet_keeps_types_and_says_what_it_is(tmp_path: Path) -> None:
    rows = read(sheets.to_parquet(result(ANSWER)), tmp_path)
    assert rows == [("=f", 5, 3.0, 61.234, 1.5, 1.5, 0.4, True), (None, -2, 3.0, None, None, 2.0, 0.4, None)]
    path = tmp_path / "t.parquet"
    kinds = [(row[0], row[1]) for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    assert kinds[:3] == [("sex", "VARCHAR"), ("n", "BIGINT"), ("n_plus_minus_95_", "DOUBLE")]
    assert kinds[-1] == ("died", "BOOLEAN")
    found = dict(duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{path}')").fetchall())
    assert json.loads(found[b"gridhouse.certificate"]) == {"plan": "ab"}
    assert json.loads(found[b"gridhouse.notes"]) == ["A note."]


def test_no_two_columns_of_a_file_share_a_name() -> None:
    names = sheets.header(ANSWER)
    assert names[1:3] == ["n", "n_plus_minus_95_"]
    assert len({name.lower() for name in names}) == len(names)
    assert sheets.of(ANSWER).splitlines()[1].startswith("'=f,5,3.0,61.234")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Patients, by sex!", "support2-patients-by-sex-3F9K2C.csv"),
        ("../../etc/passwd\r\nX: 1", "support2-etcpasswd-x-1-3F9K2C.csv"),
        ("日本", "support2-3F9K2C.csv"),
        ("x" * 500, f"support2-{'x' * 50}-3F9K2C.csv"),
    ],
)
def test_a_file_is_named_after_what_is_inside_and_nothing_else(title: str, name: str) -> None:
    assert sheets.file_name(result(ANSWER, title), "csv") == name


def test_the_bundle_holds_the_exact_bytes_and_the_figures_as_people_read_them() -> None:
    found = json.loads(sheets.bundle(result(ANSWER), {"kind": "receipt"}))
    assert found["payload"].encode() == ANSWER.to_bytes()
    assert found["rows"][0] == {"sex": "=f", "n": 5, "mean": 61.234, "n_plus_minus_95": 1.5, "died": True}
    assert found["plus_minus_95"][0] == {"n": 3.0, "mean": 1.5, "n_plus_minus_95": 0.4}
    assert (found["certificate"], found["receipt"]) == ({"plan": "ab"}, {"kind": "receipt"})
