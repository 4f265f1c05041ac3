"""Whether an uploaded mock copies the private rows it should only resemble (DECISIONS 23)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy.engines.duck import Engine
from privacy.quoting import name_sql, text_sql
from privacy.schema import Column, Kind, Table

TELLING_VALUES = 100  # a column with at least so many declared values tells rows apart
TELLING_PRODUCT = 1_000_000  # and together they must make a chance match unlikely
LARGEST_SHARE = 0.01  # of the mock's rows that may equal a private row on the telling columns


@dataclass(frozen=True)
class Compare:
    """A comparison that is ready to run."""

    table: Table
    memory_mb: int
    threads: int

    def run(self, mock: str, data: str) -> bytes:
        """Return as JSON whether the mock shares unit ids with the data, or repeats its rows. Owner's eyes only."""
        with Engine().locked(
            files=[mock, data], memory_mb=self.memory_mb, threads=self.threads
        ) as connection:
            code = self._refusal(text_sql(mock), text_sql(data), connection)
        return json.dumps({"refused": code} if code else {}).encode()

    def _refusal(self, mock: str, data: str, connection: Any) -> str:
        unit = self.table.unit.column
        if unit is not None and self._shared(mock, data, name_sql(unit), connection):
            return "mock_shares_units"
        columns = telling(self.table)
        if columns:
            matching, rows = self._matching(mock, data, columns, connection)
            if matching > LARGEST_SHARE * rows:
                return "mock_copies_rows"
        return ""

    def _shared(self, mock: str, data: str, unit: str, connection: Any) -> bool:
        query = (
            f"SELECT count(*) FROM (SELECT CAST({unit} AS VARCHAR) AS u FROM read_parquet({mock})"
            f" INTERSECT SELECT CAST({unit} AS VARCHAR) FROM read_parquet({data}))"
        )
        [(shared,)] = connection.execute(query).fetchall()
        return bool(shared)

    def _matching(self, mock: str, data: str, columns: list[Column], connection: Any) -> tuple[int, int]:
        """Count the mock's rows that equal a private row on every telling column, where any is filled."""
        names = [name_sql(column.name) for column in columns]
        texts = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in names)
        key = f"concat_ws(chr(31), {texts})"
        filled = " OR ".join(f"{name} IS NOT NULL" for name in names)
        query = (
            f"SELECT count_if(k IN (SELECT {key} FROM read_parquet({data}))), count(*)"
            f" FROM (SELECT {key} AS k FROM read_parquet({mock}) WHERE {filled})"
        )
        [(matching, rows)] = connection.execute(query).fetchall()
        return int(matching), int(rows)


def telling(table: Table) -> list[Column]:
    """Return the declared columns that tell rows apart; none where even all together could match by chance."""
    found, product = [], 1
    for column in table.columns:
        values = _values(column)
        if values >= TELLING_VALUES and column.name != table.unit.column:
            found.append(column)
            product *= values
    return found if product >= TELLING_PRODUCT else []


def _values(column: Column) -> int:
    """Return how many values a column can take by its declaration."""
    if column.codes:
        return len(column.codes)
    if column.lower is not None and column.upper is not None:
        return int((column.upper - column.lower) / column.step) + 1
    return 2 if column.kind is Kind.BOOLEAN else TELLING_PRODUCT


def prepare(spec: Mapping[str, Any]) -> Compare:
    """Return the comparison that `spec` describes: table, memory_mb, threads."""
    return Compare(Table.from_dict(spec["table"]), int(spec["memory_mb"]), int(spec.get("threads", 2)))
