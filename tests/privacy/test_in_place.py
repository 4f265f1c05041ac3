"""PostgreSQL as an engine: DuckDB's figures to the last digit, the same bounds, no cell that breaks it, no word out."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from privacy.engines import examine, postgresql
from privacy.engines.address import Address, ConnectionFault, Relation
from privacy.engines.examine import TYPES, types_of
from privacy.engines.postgresql_sql import PostgreSqlDialect
from privacy.engines.translate import Place, translate
from privacy.errors import EngineFault, PrivacyError, QueryRejected
from privacy.query import in_place
from privacy.query.execute import Prepared
from privacy.query.in_place import PreparedInPlace
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.databases import Database, database
from tests.privacy.engine_data import Bench, Row, people, random_rows, rows_as_units, write
from tests.privacy.plans import random_query
from tests.privacy.test_aggregates import RANKED, Histograms, too_far
from tests.privacy.test_neighbours import violation

pytestmark = pytest.mark.postgres
TABLE = 'who int8, x float8, k int8, g text, h bool, "num.co" int8, note text, day date'
CANARY = "canary-5f0e"


@dataclass
class Held:
    """A database with tables d0, d1, … of the engine tests' columns, that `reader` may read."""

    base: Database

    def load(self, name: str, rows: Sequence[Row]) -> None:
        """Make a table of rows; a value that its type does not hold is not there."""
        with psycopg.connect(self.base.url, dbname=self.base.name, autocommit=True) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({TABLE})")
            connection.execute(f"GRANT SELECT ON {name} TO {self.base.role('reader')}")
            with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def spec(self, bench: Bench, sql: str, relation: str, **changes: Any) -> dict[str, Any]:
        """Return what a worker's child is given for a query over a table."""
        plan = parse(sql, bench.table)
        pricing = price(plan, bench.table, rho=10**11, delta=10**12)
        address = self.base.address() | {"secret": self.base.password}
        place = {"engine": "postgresql", "address": address, "relation": relation, "seconds": 20}
        place |= {"fingerprint": self.fingerprint(bench.table, relation)}
        spec = {"plan": plan.to_dict(), "table": bench.table.to_dict(), "loss": pricing.loss.to_dict()}
        return {**spec, "place": place | changes}

    def fingerprint(self, table: Table, relation: str) -> str:
        """Return what the database's catalogue says of a table, as publishing freezes it."""
        with postgresql.connected(_address(self.base), seconds=20) as connection:
            return examine.find(connection, Relation.parse(relation), table).fingerprint

    def prepared(self, bench: Bench, sql: str, relation: str = "public.d0") -> PreparedInPlace:
        """Return the checked run of a query over a table in place."""
        return in_place.prepare(self.spec(bench, sql, relation))


def _address(base: Database) -> Address:
    return Address.from_dict(base.address() | {"secret": base.password})


@pytest.fixture(scope="module")
def held() -> Iterator[Held]:
    with database() as made:
        made.run("REVOKE CREATE ON SCHEMA public FROM public")
        yield Held(made)


@dataclass
class Session:
    """One session for many queries: as `exact` does it, without connecting anew for each."""

    connection: Any
    types: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)

    def vectors(self, prepared: Prepared, relation: str, *, fault: str = "") -> dict[Any, tuple[int, ...]]:
        """Return the exact vectors of a prepared plan over a table."""
        sql = self.translated(
            prepared.compiled.text({prepared.table.name: prepared.table.name}, 77), prepared.table
        )
        if fault:
            before, after = fault.split("=>")
            sql = sql.replace(before, after)
        rows = self.connection.execute(sql.replace('"d0"', f'"{relation}"')).fetchall()
        return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}

    def translated(self, text: str, table: Table) -> str:
        """Return a plan's text for d0; neighbours are asked in the same words, so it is written once."""
        if text not in self.known:
            place = Place(Relation("public", "d0"), table, self.types)
            self.known = dict(list(self.known.items())[-4:])
            self.known[text] = translate(text, {table.name: place}, PostgreSqlDialect())
        return self.known[text]

    def histograms(self, prepared: Prepared, relation: str, *, fault: str = "") -> Histograms:
        """Return the exact histograms of a prepared plan over a table."""
        found: Histograms = {}
        before, _, after = fault.partition("=>")
        for index, query in prepared.histograms.items():
            sql = self.translated(query.text({prepared.table.name: prepared.table.name}, 77), prepared.table)
            sql = (sql.replace(before, after) if fault else sql).replace('"d0"', f'"{relation}"')
            for cell, place, count in self.connection.execute(sql).fetchall():
                found.setdefault(index, {}).setdefault(cell, {})[int(place)] = int(count)
        return found


@pytest.fixture
def session(held: Held) -> Iterator[Session]:
    types = {"who": "int8", "x": "float8", "k": "int8", "g": "text", "h": "bool"}
    types |= {"num.co": "int8", "note": "text", "day": "date"}
    with psycopg.connect(
        held.base.url, dbname=held.base.name, autocommit=True, options="-c jit=off"
    ) as connection:
        yield Session(connection, types)


# --- The same figures -----------------------------------------------------------------------------------------


def same_figures(held: Held, session: Session, folder: Path, *, cases: int, seed: int) -> None:
    """Compare both engines over hostile rows, where no unit reaches a bound, so that nothing is drawn."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            rows = random_rows(dice)
            path = write(folder / f"{seed}-{case}.parquet", rows)
            held.load("d0", rows)
        bench = rows_as_units() if dice.random() < 0.3 else people(100, 100)
        sql = random_query(dice, has_people=bench.has_people)
        prepared = bench.prepared(sql)
        assert session.vectors(prepared, "d0") == prepared.exact(path, 77), sql


def test_the_figures_are_duckdb_s_to_the_last_digit(held: Held, session: Session, tmp_path: Path) -> None:
    same_figures(held, session, tmp_path, cases=16, seed=1)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [10, 11])
def test_the_figures_are_duckdb_s_in_hundreds_of_plans(
    held: Held, session: Session, tmp_path: Path, seed: int
) -> None:
    same_figures(held, session, tmp_path, cases=100, seed=seed)


def test_figures_of_expressions_and_relations_are_duckdb_s(
    held: Held, session: Session, tmp_path: Path
) -> None:
    rows = random_rows(random.Random(5))
    path = write(tmp_path / "t.parquet", rows)
    held.load("d0", rows)
    for sql in (
        "SELECT FLOOR(k / 3) * 3 AS bin, COUNT(*) AS n FROM t GROUP BY 1",
        "SELECT CASE WHEN x > 5 THEN 'high' ELSE 'low' END AS c, COUNT(*) AS n FROM t GROUP BY 1",
        "SELECT MONTH(day) AS m, COUNT(*) AS n FROM t GROUP BY 1",
        "SELECT AVG(s) AS a, COUNT(*) AS n FROM (SELECT who, SUM(x) AS s FROM t GROUP BY who) AS p",
        "SELECT g, SUM(n) AS a FROM (SELECT who, g, COUNT(*) AS n FROM t GROUP BY who, g) AS p GROUP BY g",
        "WITH p AS (SELECT who, MAX(k) AS m FROM t WHERE h GROUP BY who) SELECT SUM(m) AS a FROM p",
    ):
        prepared = people(100, 100).prepared(sql)
        assert session.vectors(prepared, "d0") == prepared.exact(path, 77), sql


def test_a_pattern_s_backslash_is_a_letter_and_texts_are_quoted(
    held: Held, session: Session, tmp_path: Path
) -> None:
    notes = [r"a\b", r"a\%", "a%", "o'hara", "A", "%s", "$1", "--", "/*"]
    rows: list[Row] = [(i, 1.0, 1, "a", True, 1, note, None) for i, note in enumerate(notes)]
    path = write(tmp_path / "t.parquet", rows)
    held.load("d0", rows)
    conditions = [f"note LIKE '{pattern}'" for pattern in (r"a\%", r"a\\%", "a%", "%''%", "%s")]
    conditions += [f"note = '{note.replace(chr(39), chr(39) * 2)}'" for note in notes]
    for condition in conditions:
        prepared = people(9, 9).prepared(f"SELECT COUNT(*) AS n FROM t WHERE {condition}")
        assert session.vectors(prepared, "d0") == prepared.exact(path, 77), condition


# --- The same bounds ------------------------------------------------------------------------------------------


def first_violation(held: Held, session: Session, *, cases: int, seed: int, fault: str = "") -> str | None:
    """Run generated plans until neighbours differ by more than was priced; return that case, or None."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            bench = (
                rows_as_units() if dice.random() < 0.15 else people(dice.randint(1, 3), dice.randint(1, 3))
            )
            names = _neighbours(held, dice, bench)
        sql = random_query(dice, has_people=bench.has_people)
        prepared = bench.prepared(sql)
        try:
            whole, *others = [session.vectors(prepared, name, fault=fault) for name in names]
        except psycopg.errors.NumericValueOutOfRange:
            return f"case {case}: a row decides whether it fails: {sql}"
        for other in others:
            found = violation(prepared, whole, other)
            if found is not None:
                return f"case {case}: {found}: {sql}"
    return None


def _neighbours(held: Held, dice: random.Random, bench: Bench) -> list[str]:
    """Load D and two neighbours, each in an order of its own: nothing may depend on where rows lie."""
    rows = random_rows(dice)
    held.load("d0", rows)
    units = (
        sorted({row[0] for row in rows if row[0] is not None}) if bench.has_people else list(range(len(rows)))
    )
    names = ["d0"]
    for number, unit in enumerate(dice.sample(units, min(2, len(units))), 1):
        kept = [row for i, row in enumerate(rows) if (row[0] if bench.has_people else i) != unit]
        dice.shuffle(kept)
        held.load(f"d{number}", kept)
        names.append(f"d{number}")
    return names


def test_no_unit_moves_an_answer_by_more_than_it_is_priced_for(held: Held, session: Session) -> None:
    assert first_violation(held, session, cases=24, seed=1) is None


@pytest.mark.prove
@pytest.mark.parametrize("seed", [10, 11])
def test_no_unit_moves_an_answer_in_hundreds_of_plans(held: Held, session: Session, seed: int) -> None:
    assert first_violation(held, session, cases=150, seed=seed) is None


FAULTS = {
    "rows are drawn by where they lie": "ROW_NUMBER() OVER (PARTITION BY u ORDER BY r=>ROW_NUMBER() OVER (ORDER BY r",
    "values are not held to their bounds": "LEAST(GREATEST(=>COALESCE(COALESCE(",
    "one row too many": " WHERE d <= => WHERE d <= 1 + ",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_planted_fault_is_caught(held: Held, session: Session, fault: str) -> None:
    # A seed that meets each fault soon; the honest engine is held against many more.
    assert first_violation(held, session, cases=400, seed=4, fault=fault) is not None


def first_moved_score(held: Held, session: Session, *, cases: int, seed: int, fault: str = "") -> str | None:
    """Run questions for order statistics until a unit moves a score too far; return that case, or None."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            bench = (
                rows_as_units() if dice.random() < 0.15 else people(dice.randint(1, 3), dice.randint(1, 3))
            )
            names = _neighbours(held, dice, bench)
        key, calls = dice.choice(["", "g", "k", "h", "note"]), ", ".join(dice.sample(RANKED, 2))
        prepared = bench.prepared(
            f"SELECT {calls} FROM t GROUP BY {key}" if key else f"SELECT {calls} FROM t"
        )
        whole, *others = [session.histograms(prepared, name, fault=fault) for name in names]
        if any(too_far(prepared, whole, other) for other in others):
            return f"case {case}: {calls} by {key}"
    return None


def test_no_unit_moves_a_score_by_more_than_it_is_priced_for(held: Held, session: Session) -> None:
    assert first_moved_score(held, session, cases=8, seed=1) is None


@pytest.mark.prove
def test_no_unit_moves_a_score_in_hundreds_of_questions(held: Held, session: Session) -> None:
    assert first_moved_score(held, session, cases=200, seed=10) is None


@pytest.mark.parametrize("fault", ["rows are drawn by where they lie", "one row too many"])
def test_every_fault_planted_in_a_histogram_is_caught(held: Held, session: Session, fault: str) -> None:
    assert first_moved_score(held, session, cases=400, seed=4, fault=FAULTS[fault]) is not None


def test_histograms_are_duckdb_s_to_the_last_digit(held: Held, session: Session, tmp_path: Path) -> None:
    """Where no unit reaches a bound, nothing is drawn, and both engines count the same rows in each bin."""
    rows = random_rows(random.Random(6))
    path = write(tmp_path / "t.parquet", rows)
    held.load("d0", rows)
    for calls, key in ((RANKED[:3], "g"), (RANKED[3:], "note")):
        prepared = people(100, 100).prepared(f"SELECT {', '.join(calls)} FROM t GROUP BY {key}")
        assert session.histograms(prepared, "d0") == prepared.bins(path, 77)


# --- No cell breaks it ----------------------------------------------------------------------------------------

HOSTILE: dict[str, list[str]] = {
    "int2": ["32767", "-32768", "0"],
    "int4": ["2147483647", "-2147483648"],
    "int8": ["9223372036854775807", "-9223372036854775808", "9007199254740993"],
    "float4": ["'NaN'", "'Infinity'", "'-Infinity'", "3.4e38", "1e-45", "-0.0"],
    "float8": ["'NaN'", "'Infinity'", "'-Infinity'", "1.7976931348623157e308", "5e-324", "2.5", "-0.0"],
    "numeric": ["'NaN'", "'Infinity'", "'-Infinity'", "1e400", "-1e400", "1e-400", "2.5", "1e131071"],
    "bool": ["true", "false"],
    "date": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'0044-03-15 BC'"],
    "timestamp": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31'"],
    "timestamptz": ["'infinity'", "'-infinity'", "'294276-12-31'"],
    "text": [
        "''",
        "'a'",
        "repeat('x', 100000)",
        "U&'\\+01F469'",
        "E'\\x01'",
        "'1e999'",
        "'nan'",
        "'1e5'",
        "'9' || repeat('9', 400)",
    ],
    "varchar": ["''", "'b '"],
    "bpchar": ["'a'", "''"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'"],
}
_COLUMN = {
    Kind.INTEGER: Column("v", Kind.INTEGER, Decimal(0), Decimal(9)),
    Kind.DECIMAL: Column("v", Kind.DECIMAL, Decimal(-5), Decimal(5), Decimal("0.5")),
    Kind.BOOLEAN: Column("v", Kind.BOOLEAN),
    Kind.DATE: Column("v", Kind.DATE),
    Kind.CATEGORY: Column("v", Kind.CATEGORY, codes=("a", "b", "")),
    Kind.TEXT: Column("v", Kind.TEXT),
}
_ASKED = {
    Kind.INTEGER: "SELECT v, COUNT(*) AS n, SUM(v) AS s FROM t WHERE v * 2 - 1 > -50 GROUP BY v",
    Kind.DECIMAL: "SELECT SUM(v * v) AS s, AVG(v / 3) AS a, COUNT(v) AS n FROM t WHERE SQRT(ABS(v)) < 9",
    Kind.BOOLEAN: "SELECT v, COUNT(*) AS n FROM t GROUP BY v",
    Kind.DATE: "SELECT SUM(MONTH(v)) AS s, COUNT(v) AS n FROM t WHERE v > DATE '1900-01-01' OR YEAR(v) > 0",
    Kind.CATEGORY: "SELECT v, COUNT(*) AS n FROM t GROUP BY v",
    Kind.TEXT: "SELECT v, COUNT(*) AS n FROM t WHERE v LIKE '%' OR CAST(v AS DOUBLE) > 3 GROUP BY v",
}


@pytest.mark.parametrize(
    ("kind", "found"), [(kind, found) for kind in Kind for found in sorted(TYPES[kind] - {"enum"})]
)
def test_no_cell_of_any_type_raises_an_error(held: Held, kind: Kind, found: str) -> None:
    """Whatever lies in a column, the same plan ends the same way: with figures."""
    table = Table("t", (_COLUMN[kind],), PrivacyUnit("who", 5, 5), 1000)
    assert found in types_of(table.columns[0])
    cells = ", ".join(
        f"({i % 5}, CAST({cell} AS {found}))" for i, cell in enumerate(["NULL", *HOSTILE[found]] * 2)
    )
    made = f"CREATE TABLE h (who int4, v {found}); GRANT SELECT ON h TO {held.base.role('reader')}"
    held.base.run(f"DROP TABLE IF EXISTS h; {made}; INSERT INTO h VALUES {cells}")
    exact = held.prepared(Bench(table), _ASKED[kind], "public.h").exact({}, 7)
    assert all(abs(value) <= in_place.MOST for figures in exact.values() for value in figures)


def test_what_could_overflow_a_double_is_refused_before_any_row_is_read() -> None:
    table = Table("t", (Column("v", Kind.DECIMAL), Column("w", Kind.DECIMAL)), PrivacyUnit(None, 1, 1), 1000)
    for sql in ("COUNT_IF(v * v * v * w > 1)", "COUNT_IF(v * w * v / 3 - v * v * v * w < 1)"):
        plan = parse(f"SELECT {sql} AS n FROM t", table)
        with pytest.raises(QueryRejected) as refused:
            in_place.require_possible(plan, table, "postgresql")
        assert refused.value.code == "engine_range"
    in_place.require_possible(parse("SELECT COUNT_IF(v * w > 1) AS n FROM t", table), table, "postgresql")


def test_what_nobody_thought_about_is_refused() -> None:
    for text in (
        "SELECT pg_sleep(1) FROM read_parquet('t')",
        "SELECT regexp_replace('a', 'a', 'b') FROM read_parquet('t')",
        "SELECT x[1] FROM read_parquet('t')",
        "SELECT random() FROM read_parquet('t')",
    ):
        place = Place(Relation("s", "t"), people().table, {})
        with pytest.raises(QueryRejected) as refused:
            translate(text, {"t": place}, PostgreSqlDialect())
        assert refused.value.code == "engine_lacks"
    with pytest.raises(EngineFault):
        translate("SELECT 1 AS c FROM read_parquet('other')", {"t": place}, PostgreSqlDialect())


# --- Nothing comes out but the answer -------------------------------------------------------------------------


def test_the_noisy_answer_says_where_the_rows_are(held: Held) -> None:
    held.load("d0", [(i, 1.0, 1, "a", True, 1, None, None) for i in range(100)])
    answer = held.prepared(people(), "SELECT COUNT(*) AS n FROM t").run({}, 7)
    assert in_place.NOTE in answer.notes
    assert abs(answer.records()[0]["n"] - 100) < 60


def test_another_table_under_the_same_name_is_not_read(held: Held) -> None:
    held.load("d0", [])
    spec = held.spec(people(), "SELECT COUNT(*) AS n FROM t", "public.d0")
    held.load("d0", [(1, 1.0, 1, "a", True, 1, CANARY, None)])  # made anew
    with pytest.raises(ConnectionFault) as refused:
        in_place.prepare(spec)
    assert refused.value.code == "relation_changed"
    held.base.run(f"GRANT INSERT ON d0 TO {held.base.role('reader')}")
    with pytest.raises(ConnectionFault) as refused:
        in_place.prepare(held.spec(people(), "SELECT COUNT(*) AS n FROM t", "public.d0"))
    assert refused.value.code == "role_can_write"
    held.base.run(f"REVOKE INSERT ON d0 FROM {held.base.role('reader')}")


def test_a_statement_ends_at_its_deadline_and_says_no_more(held: Held) -> None:
    held.load("d0", [(1, 1.0, 1, "a", True, 1, CANARY, None)])
    prepared = held.prepared(people(), "SELECT COUNT(*) AS n FROM t")
    began = time.monotonic()
    with pytest.raises(ConnectionFault) as late:
        postgresql.rows(prepared.address, "SELECT pg_sleep(30)", seconds=0.5)
    assert time.monotonic() - began < 10
    assert late.value.code == "connection_failed"
    with pytest.raises(ConnectionFault) as broken:
        postgresql.rows(prepared.address, "SELECT note::int FROM public.d0", seconds=5)
    for fault in (late.value, broken.value):
        assert fault.__cause__ is None
        assert fault.__suppress_context__
        assert CANARY not in f"{fault} {fault.code} {fault.where} {fault.args}"
    assert held.base.password not in f"{prepared!r} {prepared.address!r} {prepared}"


def test_a_session_can_only_read(held: Held) -> None:
    held.base.run(
        f"CREATE TABLE IF NOT EXISTS open_to_all (a int); GRANT ALL ON open_to_all TO {held.base.role('writer')}"
    )
    address = Address.from_dict(held.base.address("writer") | {"secret": held.base.password})
    with (
        postgresql.connected(address, seconds=5) as connection,
        pytest.raises(psycopg.Error, match="read-only"),
    ):
        connection.execute("INSERT INTO public.open_to_all VALUES (1)")


def test_a_broken_database_gives_one_public_code(held: Held) -> None:
    held.load("d0", [(1, 1.0, 1, "a", True, 1, CANARY, None)])
    prepared = held.prepared(people(), "SELECT COUNT(*) AS n FROM t")
    held.base.run("DROP TABLE d0")
    with pytest.raises(PrivacyError) as fault:
        prepared.run({}, 7)
    assert (fault.value.code, fault.value.__cause__) == ("engine_fault", None)
