"""Making a version's file: an upload's rows under the declared schema, in an order that says nothing.

Types are cast, missing markers become NULL, values that are not in a code list become NULL, and numbers outside
their bounds are kept for the engine to clamp. Columns that were not declared are left out. What was lost on the
way is counted for the owner: counts only, never values.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from privacy import places
from privacy.engines.duck import Engine
from privacy.errors import EngineFault
from privacy.quoting import list_sql, name_sql, text_sql
from privacy.schema import Column, Kind, Table, day_of, decimal_text
from privacy.tabular.source import FileRefused, Source, look

_LARGEST = 2**53  # from here on a double no longer tells neighbouring integers apart
MOST_EXAMPLES = 5  # repeated keys of a public table that its owner is shown
_SAFE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Reading:
    """How one declared column is read from a file: `text` is its raw text, `value` what is stored.

    The conditions tell, row by row, whether the text meant missing, and whether the value breaks the declaration.
    """

    column: Column
    text: str
    value: str
    is_missing: str
    is_outside: str

    def counts(self) -> list[str]:
        """Return the aggregates that count missing, unusable and out-of-bounds values."""
        unusable = f"NOT ({self.is_missing}) AND {self.value} IS NULL"
        return [f"count_if({test})" for test in (self.is_missing, unusable, self.is_outside)]


def reading(column: Column, source_name: str) -> Reading:
    """Return how `column` is read from the file's column `source_name`."""
    raw = f"CAST({name_sql(source_name)} AS VARCHAR)"
    padded = any(isinstance(code, str) and code != code.strip() for code in column.codes)
    text = raw if padded else f"trim({raw})"
    if "" in column.codes:
        text = f"coalesce({text}, '')"
    number = f"TRY_CAST({text} AS DOUBLE)"
    missing = [f"{text} IS NULL", *([] if "" in column.codes else [f"{text} = ''"])]
    if column.missing:
        missing.append(f"list_contains({list_sql([marker.strip() for marker in column.missing])}, {text})")
    markers = _numbers(column.missing) if _is_number(column) else []
    if markers:
        missing.append(f"coalesce({number} IN ({', '.join(markers)}), false)")
    is_missing = " OR ".join(missing)
    value = f"(CASE WHEN NOT ({is_missing}) THEN {_value(column, text, number)} END)"
    outside = "false"
    if column.lower is not None and column.upper is not None:
        low, high = (_bound_sql(column, bound) for bound in (column.lower, column.upper))
        outside = f"coalesce({value} < {low} OR {value} > {high}, false)"
    return Reading(column, text, value, is_missing, outside)


def _bound_sql(column: Column, bound: Decimal) -> str:
    """Return a declared bound as a literal: a number, or the day that a date's bound means."""
    return f"DATE '{day_of(bound).isoformat()}'" if column.kind is Kind.DATE else decimal_text(bound)


def _is_number(column: Column) -> bool:
    return column.kind in (Kind.INTEGER, Kind.DECIMAL) or column.has_number_codes


def _numbers(markers: tuple[str, ...]) -> list[str]:
    """Return those missing markers that are numbers, so that -9 is found in -9.0."""
    found = []
    for marker in markers:
        try:
            number = Decimal(marker.strip())
        except InvalidOperation:
            continue
        if number.is_finite():
            found.append(decimal_text(number))
    return found


def _value(column: Column, text: str, number: str) -> str:
    """Return a column's text as its kind; NULL where it is not one, and where a code is not in the list."""
    if _is_number(column):
        return _number_value(column, number)
    if column.kind is Kind.BOOLEAN:
        digit = f"CASE {number} WHEN 1 THEN true WHEN 0 THEN false END"
        return f"coalesce(TRY_CAST({text} AS BOOLEAN), {digit})"
    if column.kind is Kind.DATE:
        day = f"TRY_CAST({text} AS DATE)"
        return f"(CASE WHEN isfinite({day}) THEN {day} END)"
    if column.codes:
        codes = list_sql([str(code) for code in column.codes])
        return f"(CASE WHEN list_contains({codes}, {text}) THEN {text} END)"
    return text


def _number_value(column: Column, number: str) -> str:
    """Return a finite number, whole where it must be: 2.5 is no integer, and is not made one by rounding."""
    if column.kind is Kind.DECIMAL:
        return f"(CASE WHEN isfinite({number}) THEN {number} END)"
    whole = f"isfinite({number}) AND {number} = floor({number}) AND abs({number}) < {_LARGEST}"
    integer = f"(CASE WHEN {whole} THEN CAST({number} AS BIGINT) END)"
    if not column.codes:
        return integer
    return f"(CASE WHEN {integer} IN ({', '.join(map(str, column.codes))}) THEN {integer} END)"


def match(names: tuple[str, ...], wanted: str) -> str:
    """Return the file's name for a declared column: the same name, or the only one that simplifies to the same.

    So `num.co` in a file may be declared as `num_co`, which SQL can write without quotes.
    """
    if wanted in names:
        return wanted
    alike = [name for name in names if simple(name) == simple(wanted)]
    if len(alike) != 1:
        raise FileRefused("column_missing" if not alike else "column_ambiguous")
    return alike[0]


def simple(name: str) -> str:
    """Return a name in lower case with every run of other signs as one underscore."""
    return _SAFE.sub("_", name.lower()).strip("_")


@dataclass(frozen=True)
class Conform:
    """A conversion that is ready to run."""

    declared: str
    table: Table
    memory_mb: int
    threads: int

    def run(self, path: str, out: str, scratch: str) -> bytes:
        """Write the Parquet file `out` from the upload at `path`; return the counts, or a refusal, as JSON."""
        files = [path, out]
        try:
            source = look(path, self.declared)
            with Engine().locked(
                files=files, memory_mb=self.memory_mb, threads=self.threads, scratch=scratch
            ) as connection:
                report = self._write(_named(source, connection), out, connection)
        except FileRefused as refusal:
            report = {"refused": refusal.code, **refusal.facts}
        except EngineFault:
            report = {"refused": "unreadable"}
        return json.dumps(report).encode()

    def _write(self, source: Source, out: str, connection: Any) -> dict[str, Any]:
        readings = [reading(column, self._source_name(source, column)) for column in self.table.columns]
        report = _counted(readings, source, connection)
        unit = self._unit(source, readings)
        columns = ", ".join(f"{read.value} AS {name_sql(read.column.name)}" for read in readings)
        extra = "" if unit is None or self.table.find(unit[0]) else f", {unit[1]} AS {name_sql(unit[0])}"
        keep = "" if unit is None else f" WHERE {name_sql(unit[0])} IS NOT NULL"
        rows = f"SELECT {columns}{extra}, {self._place(readings)} AS {name_sql(places.ORDER)} FROM {source.sql()}"
        query = places.places_sql(self.table, f"SELECT * FROM ({rows}){keep}")
        connection.execute(f"COPY ({query}) TO {text_sql(out)} ({places.FORMAT})")
        if self.table.is_public:
            self._require_key(out, connection)
        return report | self._units(unit and unit[0], report["rows"], out, connection)

    def _place(self, readings: list[Reading]) -> str:
        """Return what rows are ordered by: a public table's key, or nothing that the file could tell."""
        if self.table.is_public:
            return next(read.value for read in readings if read.column.name == self.table.key)
        # A keyed hash of each row's place: without the salt nobody can tell the old order from the new.
        return f"md5_number({text_sql(secrets.token_hex(16))} || CAST(row_number() OVER () AS VARCHAR))"

    def _require_key(self, out: str, connection: Any) -> None:
        """Refuse a public table with a row that no key names, or two rows of one key, and say which."""
        key, file = name_sql(self.table.key or ""), f"read_parquet({text_sql(out)})"
        [(missing,)] = connection.execute(f"SELECT count(*) FROM {file} WHERE {key} IS NULL").fetchall()
        if missing:
            raise FileRefused("key_missing", facts={"key": self.table.key, "key_missing": int(missing)})
        twice = f"SELECT CAST({key} AS VARCHAR) FROM {file} GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}"
        values = [str(row[0]) for row in connection.execute(twice).fetchall()]
        if values:
            facts = {"key": self.table.key, "key_repeated": len(values), "examples": values[:MOST_EXAMPLES]}
            raise FileRefused("key_repeated", facts=facts)

    def _source_name(self, source: Source, column: Column) -> str:
        try:
            return match(source.names, column.name)
        except FileRefused as refusal:
            raise FileRefused(refusal.code) from None

    def _unit(self, source: Source, readings: list[Reading]) -> tuple[str, str] | None:
        """Return the unit column's name and reading; None where each row is a unit."""
        name = self.table.unit.column
        if name is None:
            return None
        column = self.table.find(name)
        if column is not None:
            return column.name, next(read.value for read in readings if read.column is column)
        raw = f"trim(CAST({name_sql(match(source.names, name))} AS VARCHAR))"
        return name, f"nullif({raw}, '')"

    def _units(self, unit: str | None, before: int, out: str, connection: Any) -> dict[str, int]:
        """Count rows and units of what was written; refuse more units than were declared in public."""
        file = f"read_parquet({text_sql(out)})"
        [(kept,)] = connection.execute(f"SELECT count(*) FROM {file}").fetchall()
        units, over = int(kept), 0
        if unit is not None:
            allowed = self.table.unit.max_rows * self.table.unit.max_groups
            sizes = f"SELECT count(*) AS n FROM {file} GROUP BY {name_sql(unit)}"
            query = f"SELECT count(*), count_if(n > {allowed}) FROM ({sizes})"
            [(units, over)] = connection.execute(query).fetchall()
        if units > self.table.max_units:
            raise FileRefused("too_many_rows" if self.table.is_public else "too_many_units")
        if not kept:
            raise FileRefused("no_rows")
        return {
            "rows": int(kept),
            "rows_without_unit": before - int(kept),
            "units": int(units),
            "units_over_bound": int(over),
        }


def _named(source: Source, connection: Any) -> Source:
    """Fill in the names of a Parquet file's columns."""
    if source.delimiter is not None:
        return source
    described = connection.execute(f"DESCRIBE SELECT * FROM {source.sql()}").fetchall()
    return replace(source, names=tuple(str(row[0]) for row in described))


def _counted(readings: list[Reading], source: Source, connection: Any) -> dict[str, Any]:
    """Count, column by column, what is missing, what could not be used, and what lies outside the bounds."""
    wanted = ["count(*)", *(count for read in readings for count in read.counts())]
    [(rows, *counts)] = connection.execute(f"SELECT {', '.join(wanted)} FROM {source.sql()}").fetchall()
    columns = []
    for index, read in enumerate(readings):
        missing, unusable, outside = (int(count) for count in counts[3 * index : 3 * index + 3])
        columns.append(
            {"name": read.column.name, "missing": missing, "unusable": unusable, "outside": outside}
        )
    return {"columns": columns, "rows": int(rows)}


def prepare(spec: Mapping[str, Any]) -> Conform:
    """Return the conversion that `spec` describes: format, table, memory_mb, threads. Raises SchemaInvalid."""
    return Conform(
        declared=str(spec["format"]),
        table=Table.from_dict(spec["table"]),
        memory_mb=int(spec["memory_mb"]),
        threads=int(spec.get("threads", 2)),
    )
