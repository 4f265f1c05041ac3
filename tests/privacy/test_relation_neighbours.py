"""Neighbour replay through joins, sub-queries and grouping expressions; see `test_neighbours`.

A neighbour lacks one unit in every private table. Beside the declared L2 of each vector, a join may make no more
rows of a unit than was promised at plan time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import pytest

from privacy.errors import QueryRejected
from privacy.query.execute import Prepared
from privacy.query.relation_sql import SALT, Source, path_mark
from privacy.query.scope import extent
from tests.privacy.engine_data import SQL_TYPES, Bench
from tests.privacy.relation_data import (
    LOOK,
    TYPES,
    Row,
    main_rows,
    other_rows,
    people,
    random_ranked_query,
    random_relation_query,
    rows_as_units,
)
from tests.privacy.test_aggregates import Histograms, too_far
from tests.privacy.test_neighbours import Vectors, violation

Fault = Callable[[str], str]
PATHS = {name: name.upper() for name in ("t", "v", "look")}


def honest(sql: str) -> str:
    """The query as the engine runs it."""
    return sql


def no_bound_before_the_join(sql: str) -> str:
    """Every row of a unit enters a join."""
    return re.sub(r"(s\d+_drawn AS .*?WHERE) d <= \d+", r"\1 TRUE", sql)


def no_bound_after_the_join(sql: str) -> str:
    """Rows are bounded before the join only."""
    before, base, after = sql.partition("base AS (")
    return before + base + re.sub(r"(> |n <= |d <= |g <= )\d+(?=[),])", r"\g<1>1000000", after)


def ordinal_from_outside(sql: str) -> str:
    """Rows enter a join by a hash of their number in the file, which another unit's absence changes."""
    before, base, after = sql.partition("base AS (")
    return before.replace("hash(hash(77::UBIGINT, u, o)), o", "hash(hash(77::UBIGINT, r)), r") + base + after


def many_matches(sql: str) -> str:
    """A row meets every public row whose key is the same once clamped."""
    return sql.replace("WHERE n = 1", "WHERE TRUE")


def unit_forgotten(sql: str) -> str:
    """A sub-query groups rows of several units together."""
    return re.sub(r"SELECT u, (row\(k0|k0 AS r)", r"SELECT min(u) AS u, \1", sql).replace(
        "GROUP BY u, k0", "GROUP BY k0"
    )


# Each fault with a seed that meets it soon; the honest engine is held against all of them, and more.
FAULTS = (
    (no_bound_before_the_join, 1),
    (no_bound_after_the_join, 1),
    (ordinal_from_outside, 7),
    (many_matches, 2),
    (unit_forgotten, 1),
)


@dataclass
class Replay:
    """An engine that holds one dataset and its neighbours, and how their tables are named in each."""

    connection: duckdb.DuckDBPyConnection
    worlds: list[str]

    def load(self, name: str, types: str, rows: Sequence[Row]) -> None:
        """Make a table of rows numbered from 0."""
        self.connection.execute(f"CREATE OR REPLACE TABLE {name} ({types})")
        if rows:
            width = len(rows[0]) + 1
            values = [value for i, row in enumerate(rows) for value in (i, *row)]
            marks = ", ".join(["(" + ", ".join("?" * width) + ")"] * len(rows))
            self.connection.execute(f"INSERT INTO {name} VALUES {marks}", values)

    def fill(self, dice: random.Random, *, has_people: bool) -> None:
        """Make D and three neighbours, each without one unit in every private table."""
        main, other = main_rows(dice), other_rows(dice)
        units: list[object] = list(range(len(main)))
        if has_people:
            units = sorted({str(row[0]) for row in (*main, *other) if row[0] is not None})
        self.worlds = []
        for number, gone in enumerate([None, *dice.sample(units, min(3, len(units)))]):
            kept = [row for i, row in enumerate(main) if (str(row[0]) if has_people else i) != gone]
            self.load(f"w{number}t", SQL_TYPES, kept)
            self.load(f"w{number}v", TYPES["v"], [row for row in other if str(row[0]) != gone])
            self.load(f"w{number}look", TYPES["look"], [row[1:] for row in LOOK])
            self.worlds.append(f"w{number}")

    def rows(self, sql: str, world: str) -> list[tuple[object, ...]]:
        """Return the rows of a query over one of the worlds."""
        for name, path in PATHS.items():
            sql = sql.replace(f"read_parquet('{path}')", world + name)
        return self.connection.execute(sql).fetchall()

    def vectors(self, sql: str, world: str) -> Vectors:
        """Return the exact vectors of one query over one of the worlds."""
        return {row[0]: tuple(int(str(value)) for value in row[1:]) for row in self.rows(sql, world)}

    def histograms(self, prepared: Prepared, fault: Fault, world: str) -> Histograms:
        """Return the exact histograms of one plan over one of the worlds."""
        found: Histograms = {}
        for index, query in prepared.histograms.items():
            for cell, place, count in self.rows(fault(query.text(PATHS, 77)), world):
                found.setdefault(index, {}).setdefault(cell, {})[int(str(place))] = int(str(count))
        return found


@pytest.fixture
def replay() -> Iterator[Replay]:
    """An engine in memory, single-threaded for speed."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield Replay(connection, [])


def widest(prepared: Prepared) -> str:
    """Return the query for the most rows that one unit has in what the plan reads."""
    source = Source(prepared.table)
    rows = source.select(prepared.plan.source, set())
    parts = ", ".join([*source.parts, f"base AS ({rows})"])
    sql = f"WITH {parts} SELECT max(n) FROM (SELECT count(*) AS n FROM base GROUP BY u)"
    for name, path in PATHS.items():
        sql = sql.replace(path_mark(name), f"'{path}'")
    return sql.replace(SALT, "77::UBIGINT")


def first_violation(replay: Replay, fault: Fault, *, cases: int, seed: int) -> str | None:
    """Run generated plans until neighbours differ too much; return that case, or None if none did."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            has_people = dice.random() < 0.8
            bench: Bench = people(dice) if has_people else rows_as_units()
            replay.fill(dice, has_people=has_people)
        sql = random_relation_query(dice, has_people=has_people)
        prepared = bench.prepared(sql)
        text = fault(prepared.compiled.text(PATHS, 77))
        whole, *others = [replay.vectors(text, world) for world in replay.worlds]
        for other in others:
            found = violation(prepared, whole, other)
            if found is not None:
                return f"case {case}: {found}: {sql}"
        held = extent(prepared.plan.source, prepared.table).held
        [(most,)] = replay.rows(fault(widest(prepared)), "w0")
        if held is not None and most is not None and int(str(most)) > held:
            return f"case {case}: {most} rows of a unit where {held} were promised: {sql}"
    return None


def test_no_unit_moves_an_answer_over_joins_by_more_than_it_is_priced_for(replay: Replay) -> None:
    assert first_violation(replay, honest, cases=40, seed=1) is None


@pytest.mark.parametrize(("fault", "seed"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_every_planted_fault_is_caught(replay: Replay, fault: Fault, seed: int) -> None:
    assert first_violation(replay, fault, cases=400, seed=seed) is not None


@pytest.mark.prove
@pytest.mark.parametrize("seed", [10, 11, 12, 13])
def test_no_unit_moves_an_answer_over_joins_in_thousands_of_plans(replay: Replay, seed: int) -> None:
    assert first_violation(replay, honest, cases=256, seed=seed) is None


# --- Order statistics -----------------------------------------------------------------------------------------


def first_moved_score(replay: Replay, fault: Fault, *, cases: int, seed: int) -> str | None:
    """Run generated plans until a unit moves a score too far; return that case, or None if none did."""
    dice = random.Random(seed)
    for case in range(cases):
        if case % 8 == 0:
            has_people = dice.random() < 0.8
            bench: Bench = people(dice) if has_people else rows_as_units()
            replay.fill(dice, has_people=has_people)
        prepared = ranked(dice, bench, has_people=has_people)
        whole, *others = [replay.histograms(prepared, fault, world) for world in replay.worlds]
        if any(too_far(prepared, whole, other) for other in others):
            return f"case {case}: {prepared.plan}"
    return None


def ranked(dice: random.Random, bench: Bench, *, has_people: bool) -> Prepared:
    """Return the next generated plan whose values lie in a range that is not too wide."""
    while True:
        try:
            return bench.prepared(random_ranked_query(dice, has_people=has_people))
        except QueryRejected:
            continue


def test_no_unit_moves_a_score_over_joins_by_more_than_it_is_priced_for(replay: Replay) -> None:
    assert first_moved_score(replay, honest, cases=16, seed=1) is None


@pytest.mark.parametrize("fault", [no_bound_after_the_join, unit_forgotten])
def test_a_fault_in_a_histogram_over_joins_is_caught(replay: Replay, fault: Fault) -> None:
    assert first_moved_score(replay, fault, cases=400, seed=1) is not None


@pytest.mark.prove
@pytest.mark.parametrize("seed", [10, 11])
def test_no_unit_moves_a_score_over_joins_in_hundreds_of_plans(replay: Replay, seed: int) -> None:
    assert first_moved_score(replay, honest, cases=200, seed=seed) is None
