"""Mock rows drawn from the declared schema alone. Nothing private is opened, so nothing private can show.

Every value is a hash of its place in the table: the same schema and seed give the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from privacy import places
from privacy.engines.duck import Engine
from privacy.quoting import list_sql, name_sql, text_sql
from privacy.schema import Column, Kind, Table, day_of, decimal_text

MISSING_SHARE = 0.05
MOST_ROWS = 100_000
_ROWS_PER_UNIT = 3
_FIRST_DAY, _DAYS = date(2000, 1, 1), 3_650  # of a date without declared bounds: ten years


@dataclass(frozen=True)
class Mock:
    """A mock that is ready to be drawn.

    `unit_as` is how the main table declares the privacy unit's column: the mocks of a dataset's private tables
    name their units alike, so that joins of mocks give rows.
    """

    table: Table
    rows: int
    seed: str
    memory_mb: int
    unit_as: Column | None = None

    def run(self, parquet: str, csv: str) -> bytes:
        """Write the rows to `parquet`, with row ids, and to `csv` without; return their number as JSON."""
        columns = [f"{self._value(column)} AS {name_sql(column.name)}" for column in self.table.columns]
        unit = self.table.unit.column
        if unit is not None and self.table.find(unit) is None:
            columns.append(f"'mock-' || {self._unit()} AS {name_sql(unit)}")
        with Engine().locked(files=[parquet, csv], memory_mb=self.memory_mb) as connection:
            rows = (
                f"SELECT {', '.join(columns)}, i AS {name_sql(places.ORDER)} FROM range({self.rows}) AS t(i)"
            )
            connection.execute(f"CREATE TABLE mock AS {rows}")
            made = places.places_sql(self.table, "SELECT * FROM mock")
            connection.execute(f"COPY ({made}) TO {text_sql(parquet)} ({places.FORMAT})")
            order = name_sql(places.ORDER)
            connection.execute(
                f"COPY (SELECT * EXCLUDE ({order}) FROM mock ORDER BY {order})"
                f" TO {text_sql(csv)} (FORMAT csv, HEADER, USE_TMP_FILE false)"
            )
        return json.dumps({"rows": self.rows}).encode()

    def _share(self, column: Column, purpose: str) -> str:
        """Return a number in [0, 1) that depends on the seed, the column, the purpose and the row."""
        salt = text_sql(f"{self.seed}/{column.name}/{purpose}/")
        return f"((hash({salt} || CAST(i AS VARCHAR)) >> 11)::DOUBLE / {2**53}::DOUBLE)"

    def _value(self, column: Column) -> str:
        """Return a column's value in row i."""
        if column.name == self.table.unit.column:
            return self._unit_value(self.unit_as or column)
        value = self._filled(column)
        if not column.nullable:
            return value
        return f"(CASE WHEN {self._share(column, 'missing')} >= {MISSING_SHARE} THEN {value} END)"

    def _filled(self, column: Column) -> str:
        share = self._share(column, "value")
        if column.codes:
            return f"({_codes_sql(column)})[1 + CAST(floor({share} * {len(column.codes)}) AS BIGINT)]"
        if column.kind is Kind.BOOLEAN:
            return f"({share} < 0.5)"
        if column.kind is Kind.DATE:
            first, days = _FIRST_DAY, _DAYS
            if column.lower is not None and column.upper is not None:
                first, days = day_of(column.lower), int(column.upper - column.lower) + 1
            return f"(DATE '{first.isoformat()}' + CAST(floor({share} * {days}) AS INTEGER))"
        if column.kind is Kind.TEXT:
            return f"('text ' || CAST(floor({share} * 1000) AS INTEGER))"
        return self._number(column)

    def _number(self, column: Column) -> str:
        """Return a number on the declared grid, likelier in the middle of its bounds than at their ends."""
        lower = Decimal(0) if column.lower is None else column.lower
        upper = Decimal(100) if column.upper is None else column.upper
        steps = int((upper - lower) / column.step)
        middle = " + ".join(self._share(column, f"value{n}") for n in range(3))
        place = f"floor(({middle}) / 3 * {steps + 1})"
        number = f"{decimal_text(lower)} + {place} * {decimal_text(column.step)}"
        if column.kind is Kind.INTEGER:
            return f"CAST({number} AS BIGINT)"
        places = max(_places(lower), _places(column.step))
        return f"round(CAST({number} AS DOUBLE), {places})"

    def _unit(self) -> str:
        """Return the number of the unit that row i belongs to."""
        allowed = self.table.unit.max_rows * self.table.unit.max_groups
        return f"CAST(1 + i // {min(allowed, _ROWS_PER_UNIT)} AS BIGINT)"

    def _unit_value(self, column: Column) -> str:
        """Return a unit's name in the declared kind."""
        if column.codes:
            return f"({_codes_sql(column)})[1 + ({self._unit()} - 1) % {len(column.codes)}]"
        if column.kind is Kind.INTEGER:
            return f"CAST({decimal_text(column.lower or Decimal(0))} + {self._unit()} AS BIGINT)"
        return f"('mock-' || {self._unit()})"


def _places(number: Decimal) -> int:
    """Return how many decimal places a number is written with."""
    return len(decimal_text(number).partition(".")[2])


def _codes_sql(column: Column) -> str:
    if column.has_number_codes:
        return "[" + ", ".join(str(code) for code in column.codes) + "]"
    return list_sql([str(code) for code in column.codes])


def prepare(spec: Mapping[str, Any]) -> Mock:
    """Return the mock that `spec` describes: table, rows, seed, memory_mb, unit. Raises SchemaInvalid."""
    table = Table.from_dict(spec["table"])
    rows = max(1, min(int(spec["rows"]), MOST_ROWS, table.max_units))
    unit = spec.get("unit")
    unit_as = None if unit is None else Column.from_dict(unit)
    return Mock(table, rows, str(spec["seed"]), int(spec["memory_mb"]), unit_as)
