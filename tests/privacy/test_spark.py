"""Spark as an engine, by the same plans: DuckDB's figures to the last digit, and the same bounds.

Runs where the extra `spark` and a Java runtime are installed; everywhere else it is skipped.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from privacy.engines import spark
from privacy.engines.address import Relation
from privacy.engines.spark_sql import SparkDialect
from privacy.engines.translate import Place, translate
from privacy.errors import EngineFault
from privacy.query.execute import Prepared
from tests.privacy.engine_data import Row, people, random_rows, rows_as_units, write
from tests.privacy.plans import random_query
from tests.privacy.test_neighbours import violation

IS_THERE = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None
pytestmark = [
    pytest.mark.skipif(not IS_THERE, reason="this machine lacks Spark: the extra `spark` and a Java runtime"),
    pytest.mark.filterwarnings("ignore"),
]
TYPES = dict.fromkeys(("who", "x", "k", "g", "h", "num.co", "note", "day"), "")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with spark.session(scratch=str(tmp_path_factory.mktemp("spark")), master="local[1]") as made:
            yield made


def vectors(session: Any, prepared: Prepared, path: str, fault: str = "") -> dict[Any, tuple[int, ...]]:
    """Return the exact vectors of a prepared plan over a Parquet file."""
    name = prepared.table.name
    place = Place(Relation("parquet", path), prepared.table, TYPES)
    sql = translate(prepared.compiled.text({name: name}, 77), {name: place}, SparkDialect())
    if fault:
        sql = sql.replace(*fault.split("=>"))
    return {row[0]: tuple(int(value) for value in row[1:]) for row in spark.rows(session, sql)}


def same_figures(session: Any, folder: Path, *, cases: int, seed: int) -> None:
    """Compare both engines where no unit reaches a bound, so that nothing is drawn."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 6 == 0:
            path = write(folder / f"{seed}-{case}.parquet", [_storable(row) for row in random_rows(dice)])
        bench = rows_as_units() if dice.random() < 0.3 else people(100, 100)
        sql = random_query(dice, has_people=bench.has_people)
        prepared = bench.prepared(sql)
        assert vectors(session, prepared, path) == prepared.exact(path, 77), sql


def _storable(row: Row) -> Row:
    """Return a row without the infinite date, which Parquet's readers take for different days."""
    return (*row[:-1], None if row[-1] == "infinity" else row[-1])


def test_the_figures_are_duckdb_s_to_the_last_digit(session: Any, tmp_path: Path) -> None:
    same_figures(session, tmp_path, cases=6, seed=1)


@pytest.mark.prove
def test_the_figures_are_duckdb_s_in_hundreds_of_plans(session: Any, tmp_path: Path) -> None:
    same_figures(session, tmp_path, cases=200, seed=2)


def test_a_pattern_s_backslash_is_a_letter(session: Any, tmp_path: Path) -> None:
    notes = [r"a\b", r"a\%", "a%", "o'hara"]
    path = write(
        tmp_path / "t.parquet", [(i, 1.0, 1, "a", True, 1, note, None) for i, note in enumerate(notes)]
    )
    for condition in (r"note LIKE 'a\%'", r"note = 'a\b'", "note LIKE '%''%'"):
        prepared = people(9, 9).prepared(f"SELECT COUNT(*) AS n FROM t WHERE {condition}")
        assert vectors(session, prepared, path) == prepared.exact(path, 77), condition


def first_violation(session: Any, folder: Path, *, cases: int, seed: int, fault: str = "") -> str | None:
    """Run generated plans until neighbours differ by more than was priced; return that case, or None."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 6 == 0:
            bench = people(dice.randint(1, 2), dice.randint(1, 2))
            paths = _neighbours(folder / f"{seed}-{case}", dice)
        sql = random_query(dice, has_people=True)
        prepared = bench.prepared(sql)
        whole, other = [vectors(session, prepared, path, fault) for path in paths]
        found = violation(prepared, whole, other)
        if found is not None:
            return f"case {case}: {found}: {sql}"
    return None


def _neighbours(place: Path, dice: random.Random) -> Sequence[str]:
    """Write D, and D without one person in an order of its own."""
    rows = [_storable(row) for row in random_rows(dice)]
    unit = dice.choice(sorted({row[0] for row in rows if row[0] is not None}) or [0])
    kept = [row for row in rows if row[0] != unit]
    dice.shuffle(kept)
    return [write(Path(f"{place}-{i}.parquet"), part) for i, part in enumerate((rows, kept))]


def test_no_unit_moves_an_answer_by_more_than_it_is_priced_for(session: Any, tmp_path: Path) -> None:
    assert first_violation(session, tmp_path, cases=4, seed=3) is None


@pytest.mark.prove
def test_no_unit_moves_an_answer_in_hundreds_of_plans(session: Any, tmp_path: Path) -> None:
    assert first_violation(session, tmp_path, cases=200, seed=4) is None


@pytest.mark.prove
def test_a_row_too_many_is_caught(session: Any, tmp_path: Path) -> None:
    assert first_violation(session, tmp_path, cases=200, seed=5, fault="WHERE d <= =>WHERE d <= 1 + ")


def test_a_failure_says_nothing(session: Any) -> None:
    with pytest.raises(EngineFault) as fault:
        spark.rows(session, "SELECT CAST('canary' AS INT)")
    assert "canary" not in str(fault.value)
    assert fault.value.__suppress_context__
