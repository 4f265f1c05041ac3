"""Small declared tables with hostile rows, for tests of the engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from privacy import places
from privacy.loss import Loss
from privacy.query.execute import Prepared, prepare
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

COLUMNS = (
    Column("x", Kind.DECIMAL, Decimal(-10), Decimal(50), Decimal("0.5")),
    Column("k", Kind.INTEGER, Decimal(0), Decimal(9)),
    Column("g", Kind.CATEGORY, codes=("a", "b", "c")),
    Column("h", Kind.BOOLEAN),
    Column("num.co", Kind.INTEGER, codes=(1, 2, 5)),
    Column("note", Kind.TEXT, missing=("NA",)),
    Column("day", Kind.DATE),
)
SQL_TYPES = '_row BIGINT, who BIGINT, x DOUBLE, k BIGINT, g VARCHAR, h BOOLEAN, "num.co" BIGINT, note VARCHAR, day DATE'
Row = tuple[Any, ...]

NUMBERS = (None, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 0.0, -0.0, 0.5, 3.25, 49.9, 1000.0)
NOTES = (
    None,
    "NA",
    "",
    "flu",
    "FLU",
    "naïve",
    "名前",
    "\U0001f469\U0001f3fd‍\U0001f52c",
    "o'hara",
    "x" * 300,
    "1:a-",
)
DAYS = (None, "2020-02-29", "1999-12-31", "infinity", "2024-07-01")


@dataclass(frozen=True)
class Bench:
    """One way of protecting the same columns: many rows for each person, or the row itself."""

    table: Table

    @property
    def has_people(self) -> bool:
        """Say whether a unit may have several rows."""
        return self.table.unit.column is not None

    def prepared(self, sql: str, *, rho: int = 10**11, delta: int = 10**12) -> Prepared:
        """Return the checked run of a query over this table."""
        plan = parse(sql, self.table)
        pricing = price(plan, self.table, rho=rho, delta=delta)
        spec = {"plan": plan.to_dict(), "table": self.table.to_dict(), "loss": pricing.loss.to_dict()}
        return prepare({**spec, "threads": 1})


def people(max_groups: int = 2, max_rows: int = 2) -> Bench:
    """Return the table whose unit is a person with several rows."""
    return Bench(Table("t", COLUMNS, PrivacyUnit("who", max_groups, max_rows), 1000))


def rows_as_units() -> Bench:
    """Return the table whose unit is the row."""
    return Bench(Table("t", COLUMNS, PrivacyUnit(None, 1, 1), 1000))


def random_rows(dice: random.Random, most: int = 60) -> list[Row]:
    """Return rows of all kinds of values, without row numbers: who, x, k, g, h, num.co, note, day."""
    number_of_people = dice.randint(1, 8)
    rows = []
    for _ in range(dice.randint(1, most)):
        rows.append(
            (
                dice.choice([None, *range(number_of_people), 0, 0]),
                dice.choice([*NUMBERS, dice.uniform(-30, 80)]),
                dice.choice([None, -5, *range(10), 99, 2**62]),
                dice.choice([None, "a", "b", "c", "zzz", ""]),
                dice.choice([None, True, False]),
                dice.choice([None, 1, 2, 5, 7]),
                dice.choice(NOTES),
                dice.choice(DAYS),
            )
        )
    return rows


def write(path: Path, rows: Sequence[Row], *, has_places: bool = False) -> str:
    """Write rows as a file numbered from 0, or as publication does with each row's place. Returns the path as text."""
    with duckdb.connect() as connection:
        load(connection, "t", rows, has_places=has_places)
        mark = f", KV_METADATA {{{places.MARK}: '{places.VERSION}'}}" if has_places else ""
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet{mark})")
    return str(path)


def load(connection: Any, name: str, rows: Sequence[Row], *, has_places: bool = False) -> None:
    """Make a table of `rows`, numbered from 0; with places for people() those without a person have none."""
    connection.execute(f"CREATE OR REPLACE TABLE {name} ({SQL_TYPES})")
    numbered = [(i, *row) for i, row in enumerate(rows)]
    for start in range(0, len(numbered), 200):  # many rows a statement: one at a time is slow
        part = numbered[start : start + 200]
        marks = ", ".join(["(" + ", ".join("?" * 9) + ")"] * len(part))
        connection.execute(f"INSERT INTO {name} VALUES {marks}", [value for row in part for value in row])
    if has_places:
        order = f'SELECT * EXCLUDE (_row), _row AS "{places.ORDER}" FROM {name} WHERE who IS NOT NULL'
        placed = f"({places.places_sql(people().table, order)})"
        connection.execute(
            f"CREATE TABLE placed AS {placed} UNION ALL BY NAME SELECT * FROM {name} WHERE who IS NULL;"
            f" DROP TABLE {name}; ALTER TABLE placed RENAME TO {name}"
        )


def loss(rho: int = 10**10, delta: int = 0) -> Loss:
    """Return a loss in ledger units."""
    return Loss(rho, delta)
