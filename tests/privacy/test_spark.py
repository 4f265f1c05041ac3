"""Spark as an engine, by the same plans: DuckDB's figures to the last digit, the same bounds, and no word out.

Asked through Spark Connect, as a worker's child does; the server is of this machine.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from privacy.engines import spark
from privacy.engines.address import ConnectionFault, Relation
from privacy.engines.spark_sql import SparkDialect
from privacy.engines.translate import Place, translate
from privacy.query.execute import Prepared
from tests.privacy.engine_data import Row, people, random_rows, rows_as_units, write
from tests.privacy.plans import random_query
from tests.privacy.test_neighbours import violation
from tests.spark import SparkServer, server

# Its client warns of libraries that are newer than itself.
pytestmark = [pytest.mark.extras, pytest.mark.filterwarnings("ignore")]
TYPES = {
    "who": "bigint",
    "x": "double",
    "k": "bigint",
    "g": "string",
    "h": "boolean",
    "num.co": "bigint",
    "note": "string",
    "day": "date",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    with server(tmp_path_factory.mktemp("spark")) as made:
        yield made


@pytest.fixture(scope="module")
def session(running: SparkServer) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with spark.connected(running.address(), seconds=3600) as made:
            yield made


def vectors(session: Any, prepared: Prepared, path: str, fault: str = "") -> dict[Any, tuple[int, ...]]:
    """Return the exact vectors of a prepared plan over a Parquet file."""
    name = prepared.table.name
    place = Place(Relation("parquet", path), prepared.table, TYPES)
    sql = translate(prepared.compiled.text({name: name}, 77), {name: place}, SparkDialect())
    if fault:
        sql = sql.replace(*fault.split("=>"))
    return {row[0]: tuple(int(value) for value in row[1:]) for row in session.sql(sql).collect()}


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
def test_the_figures_are_duckdb_s_in_many_plans(session: Any, tmp_path: Path) -> None:
    same_figures(session, tmp_path, cases=40, seed=2)


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
def test_no_unit_moves_an_answer_in_many_plans(session: Any, tmp_path: Path) -> None:
    assert first_violation(session, tmp_path, cases=40, seed=4) is None


@pytest.mark.prove
def test_a_row_too_many_is_caught(session: Any, tmp_path: Path) -> None:
    assert first_violation(session, tmp_path, cases=120, seed=5, fault="WHERE d <= =>WHERE d <= 1 + ")


def test_a_failure_says_nothing(running: SparkServer, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConnectionFault) as fault:
        spark.rows(running.address(), "SELECT CAST('canary' AS INT)", seconds=20)
    assert fault.value.code == "connection_failed"
    assert fault.value.__suppress_context__
    told = capfd.readouterr()
    assert "canary" not in str(fault.value) + told.out + told.err


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "wrong"}, "wrong_password"),
        ({"secret": ""}, "secret_missing"),
        ({"database": "nowhere"}, "database_missing"),
        ({"host": "no-such-host.invalid", "tls": "verify-full"}, "host_unknown"),
        ({"port": 1}, "connection_refused"),
        ({"tls": "require"}, "tls_refused"),  # the client never leaves a certificate unchecked
        ({"tls": "disable", "host": "127.0.0.1"}, "tls_refused"),  # the token would travel in clear
        ({"tls": "verify-full"}, "connection_failed"),  # this server speaks no TLS
    ],
)
def test_an_address_that_does_not_work_is_told_by_a_code(
    running: SparkServer, changes: dict[str, Any], code: str
) -> None:
    with (
        pytest.raises(ConnectionFault) as fault,
        spark.connected(running.address(**changes), seconds=20),
    ):
        pass
    assert fault.value.code == code


def test_a_table_must_fit_its_declaration(running: SparkServer, session: Any) -> None:
    columns = (
        "who BIGINT, x DOUBLE, k INT, g STRING, h BOOLEAN, `num.co` SMALLINT, note STRING, day TIMESTAMP"
    )
    running.run(
        f"CREATE TABLE default.fits ({columns}) USING parquet",
        f"CREATE TABLE default.lacks ({columns.replace(', note STRING', '')}) USING parquet",
        f"CREATE TABLE default.other ({columns.replace('x DOUBLE', 'x STRING')}) USING parquet",
        "CREATE VIEW default.seen AS SELECT * FROM default.fits",
    )
    table = people(2, 2).table
    found = spark.find(session, Relation("default", "fits"), table)
    assert found.types["num.co"] == "smallint"
    assert found == spark.find(session, Relation("default", "fits"), table)
    assert {"default.fits", "default.lacks"} <= set(spark.look(session)["relations"])
    for name, code in (
        ("lacks", "column_missing"),
        ("other", "column_type"),
        ("seen", "relation_kind"),
        ("gone", "relation_missing"),
    ):
        with pytest.raises(ConnectionFault) as fault:
            spark.find(session, Relation("default", name), table)
        assert fault.value.code == code
