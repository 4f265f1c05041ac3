"""Neighbour replay: the same plan and salt on D and on D without one unit, held against the declared bounds.

Exact vectors are compared before any noise, so one case proves more than thousands of noisy answers. The
published file numbers rows afresh, so a neighbour's rows are renumbered. Planted faults must be caught.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import duckdb
import pytest

from privacy.query.compile import compile_plan
from privacy.query.execute import Prepared
from tests.privacy.engine_data import SQL_TYPES, Bench, Row, people, random_rows, rows_as_units
from tests.privacy.plans import random_query

Fault = Callable[[Prepared], str]
Vectors = dict[object, tuple[int, ...]]


def honest(prepared: Prepared) -> str:
    """The query as the engine runs it."""
    return prepared.compiled.text("FILE", 77)


def one_row_too_many(prepared: Prepared) -> str:
    """R + 1 rows of a unit are kept."""
    facts = replace(prepared.facts, rows=prepared.facts.rows + 1)
    return compile_plan(prepared.plan, prepared.table, facts).text("FILE", 77)


def one_group_too_many(prepared: Prepared) -> str:
    """L0 + 1 groups of a unit are kept."""
    facts = replace(prepared.facts, groups=prepared.facts.groups + 1)
    return compile_plan(prepared.plan, prepared.table, facts).text("FILE", 77)


def no_clamp(prepared: Prepared) -> str:
    """Values are not held to their bounds."""
    return honest(prepared).replace("least(greatest(", "coalesce(coalesce(")


def no_centre(prepared: Prepared) -> str:
    """A mean's sum is priced around the middle of its range but made around zero."""
    needs = tuple(replace(need, centre=0) for need in prepared.facts.needs)
    return compile_plan(prepared.plan, prepared.table, replace(prepared.facts, needs=needs)).text("FILE", 77)


def order_by_row_number(prepared: Prepared) -> str:
    """Rows are drawn by their number in the file, which another unit's absence changes."""
    return honest(prepared).replace(", o), o) AS d", ", r), r) AS d")


def order_across_units(prepared: Prepared) -> str:
    """Rows are ranked across all units instead of within each."""
    return (
        honest(prepared)
        .replace("PARTITION BY u, c ORDER BY hash", "ORDER BY hash")
        .replace("PARTITION BY u ORDER BY hash", "ORDER BY hash")
    )


FAULTS = (one_row_too_many, one_group_too_many, no_clamp, no_centre, order_by_row_number, order_across_units)


@dataclass
class Replay:
    """An engine that holds one dataset and its neighbours."""

    connection: duckdb.DuckDBPyConnection
    tables: list[str]

    def vectors(self, sql: str, table: str) -> Vectors:
        """Return the exact vectors of one query over one of the tables."""
        rows = self.connection.execute(sql.replace("read_parquet('FILE')", table)).fetchall()
        return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}

    def load(self, name: str, rows: Sequence[Row]) -> None:
        """Make a table of rows numbered from 0."""
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} ({SQL_TYPES})")
        if rows:
            values = [value for i, row in enumerate(rows) for value in (i, *row)]
            marks = ", ".join(["(" + ", ".join("?" * 9) + ")"] * len(rows))
            self.connection.execute(f"INSERT INTO {name} VALUES {marks}", values)

    def fill(self, dice: random.Random, bench: Bench) -> None:
        """Make D and two neighbours: without one person, or without one row."""
        rows = random_rows(dice)
        self.load("d0", rows)
        self.tables = ["d0"]
        units = {row[0] for row in rows if row[0] is not None} if bench.has_people else set(range(len(rows)))
        for number, unit in enumerate(dice.sample(sorted(units), min(2, len(units)))):
            kept = [row for i, row in enumerate(rows) if (row[0] if bench.has_people else i) != unit]
            self.load(f"d{number + 1}", kept)
            self.tables.append(f"d{number + 1}")


@pytest.fixture
def replay() -> Iterator[Replay]:
    """An engine in memory, single-threaded for speed."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield Replay(connection, [])


def violation(prepared: Prepared, one: Vectors, other: Vectors) -> str | None:
    """Return how two neighbours' vectors differ by more than was priced, or None."""
    facts = prepared.facts
    zero = (0,) * len(facts.needs)
    for index in range(len(facts.needs)):
        changes = [one.get(c, zero)[index] - other.get(c, zero)[index] for c in one.keys() | other.keys()]
        if sum(change * change for change in changes) > facts.squared(index):
            return f"L2 of need {index}"
        if index == facts.selector and max(map(abs, changes), default=0) > 1:
            return "a unit moves a count of units by more than 1"
        if index == facts.selector and sum(change != 0 for change in changes) > facts.groups:
            return "a unit moves more groups than declared"
    return None


def first_violation(replay: Replay, fault: Fault, *, cases: int, seed: int) -> str | None:
    """Run generated plans until neighbours differ too much; return that case, or None if none did."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            bench = rows_as_units() if dice.random() < 0.2 else people(dice.randint(1, 3), dice.randint(1, 3))
            replay.fill(dice, bench)
        sql = random_query(dice, has_people=bench.has_people)
        prepared = bench.prepared(sql)
        text = fault(prepared)
        whole, *others = [replay.vectors(text, table) for table in replay.tables]
        for other in others:
            found = violation(prepared, whole, other)
            if found is not None:
                return f"case {case}: {found}: {sql}"
    return None


def test_no_unit_moves_an_answer_by_more_than_it_is_priced_for(replay: Replay) -> None:
    assert first_violation(replay, honest, cases=200, seed=1) is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_planted_fault_is_caught(replay: Replay, fault: Fault) -> None:
    assert first_violation(replay, fault, cases=600, seed=2) is not None


@pytest.mark.prove
def test_no_unit_moves_an_answer_in_thousands_of_plans(replay: Replay) -> None:
    for seed in range(10, 20):
        assert first_violation(replay, honest, cases=600, seed=seed) is None
