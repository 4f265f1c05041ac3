"""A question as a form shows it: figures, conditions, groups and an order, and how what is typed is read.

A sketch is never run and never priced: the SQL that `sketch_write` makes of it is parsed like any other, so a
form can ask nothing that SQL could not. `sketch_read` goes the other way.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot.dialects.duckdb import DuckDB

from privacy.query.plan import AGGREGATES
from privacy.quoting import name_sql, text_sql
from privacy.schema import NUMERIC, Column, Kind, Table, decimal_text

# What a figure can be: its words in a form, and the SQL around its column. Only what the engine has is offered.
FIGURES = {
    "count": ("count of rows", "COUNT({})"),
    "units": ("number of people", "COUNT(DISTINCT {})"),
    "sum": ("sum", "SUM({})"),
    "mean": ("mean", "AVG({})"),
    "variance": ("variance", "VARIANCE({})"),
    "stddev": ("standard deviation", "STDDEV({})"),
    "quantile": ("median or another quantile", "QUANTILE_CONT({}, {})"),
    "min": ("smallest value", "MIN({})"),
    "max": ("largest value", "MAX({})"),
    "running": ("cumulative count", "SUM(COUNT(*)) OVER ({})"),
}
NEEDS_NUMBER = frozenset({"sum", "mean", "variance", "stddev", "quantile", "min", "max"})
COMPARISONS = {
    "=": "is",
    "<>": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "in": "is one of",
    "known": "is known",
    "unknown": "is not known",
}
NOWHERE = -1  # the place of a figure that is not filled in
LIMITS = {op: COMPARISONS[op] for op in (">=", ">", "<=", "<")}  # of noisy figures, for lines of the answer
DATE_STEPS = ("year", "quarter", "month")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_KEYWORDS = {word.lower() for word in DuckDB.Tokenizer.KEYWORDS if word.isidentifier()}


class SketchInvalid(Exception):
    """Something typed into the form does not fit the schema; `part` and `place` say where, the text says why."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True)
class Figure:
    """One figure: `fn` of `column` where it takes one, `point` for a quantile, and the name it is given."""

    fn: str
    column: str = ""
    point: str = ""
    name: str = ""


@dataclass(frozen=True)
class Condition:
    """One condition on a row: `value` is what was typed, several values of "in" parted by commas.

    `is_or` joins it with the one before: either may hold. `of` is the figure, counted from 0, for which alone it
    holds rows back; without one it does so for the whole question.
    """

    column: str
    op: str
    value: str = ""
    is_or: bool = False
    of: int | None = None


@dataclass(frozen=True)
class Having:
    """Which lines of the answer to show: those whose figure, counted from 0, compares so with a number."""

    figure: int
    op: str
    value: str


@dataclass(frozen=True)
class Group:
    """One grouping column, as it is or in steps: the width of a number's bins, or a date's part."""

    column: str
    step: str = ""


@dataclass(frozen=True)
class Join:
    """Another table of the dataset: a private one on the privacy unit, a public one by the main table's column `on`.

    `keeps_all` keeps rows without a partner there, as LEFT JOIN does.
    """

    table: str
    on: str = ""
    keeps_all: bool = False


@dataclass(frozen=True)
class Sketch:
    """A whole question; `order` counts the answer's columns from 0, groups before figures."""

    figures: tuple[Figure, ...]
    conditions: tuple[Condition, ...] = ()
    groups: tuple[Group, ...] = ()
    order: int | None = None
    descending: bool = False
    limit: int | None = None
    joins: tuple[Join, ...] = ()
    having: tuple[Having, ...] = ()


@dataclass(frozen=True)
class Names:
    """How columns are called: the main table's by their names, a joined one's as “table.column”."""

    table: Table
    joins: tuple[Join, ...] = ()

    def find(self, name: str, part: str = "column") -> tuple[Column, str]:
        """Return a column and its SQL, or raise SketchInvalid."""
        column = self.table.find(name)
        if column is not None:
            return column, self.sql(self.table, column.name)
        for other in self.table.others:
            held = other.find(name[len(other.name) + 1 :]) if name.startswith(f"{other.name}.") else None
            if held is not None:
                if other.name not in {join.table for join in self.joins}:
                    raise SketchInvalid(part, f"Join the table “{other.name}” first.")
                return held, self.sql(other, held.name)
        raise SketchInvalid(part, "Choose a column of this dataset.")

    def sql(self, table: Table, column: str) -> str:
        """Return a column's SQL, with its table before it where there are several."""
        return f"{spelled_sql(table.name)}.{spelled_sql(column)}" if self.joins else spelled_sql(column)

    @property
    def unit(self) -> str:
        """The privacy unit's column."""
        return self.sql(self.table, str(self.table.unit.column))


def offered(table: Table) -> tuple[str, ...]:
    """Return the figures that the engine computes on this table."""
    has_unit = table.unit.column is not None
    return tuple(fn for fn in FIGURES if fn in AGGREGATES and (fn != "units" or has_unit))


def spelled_sql(name: str) -> str:
    """Return a name as SQL reads it back: bare where that is safe, else quoted."""
    if _PLAIN.match(name) and name not in _KEYWORDS:
        return name
    return name_sql(name)


def number(text: str, part: str, message: str) -> Decimal:
    """Return a typed number that SQL can spell without an exponent, or raise SketchInvalid."""
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or len(text) > 40 or abs(found.adjusted()) > 20:
        raise SketchInvalid(part, message)
    return found


def literal(column: Column, text: str) -> str:
    """Return a typed value as a literal of the column's kind, or raise SketchInvalid naming what is expected."""
    typed = text.strip()
    if column.kind is Kind.BOOLEAN:
        words = {"yes": "TRUE", "true": "TRUE", "no": "FALSE", "false": "FALSE"}
        if typed.lower() not in words:
            raise SketchInvalid("value", "Write yes or no.")
        return words[typed.lower()]
    if column.kind is Kind.DATE:
        return _date(typed)
    if column.kind in NUMERIC or column.has_number_codes:
        found = number(typed, "value", "Write a number, such as 65 or 0.5.")
        if column.has_number_codes and found not in column.codes:
            raise SketchInvalid("value", f"Write one of {_some(column)}.")
        return decimal_text(found)
    if column.codes and typed not in column.codes:
        raise SketchInvalid("value", f"Write one of {_some(column)}.")
    if not typed.isprintable() or len(typed) > 200:
        raise SketchInvalid("value", "Write printable text of at most 200 characters.")
    return text_sql(typed)


def _date(text: str) -> str:
    try:
        return f"DATE '{date.fromisoformat(text).isoformat()}'"
    except ValueError:
        raise SketchInvalid("value", "Write a date as 2024-12-31.") from None


def _some(column: Column) -> str:
    """Return the first codes of a column, for a message."""
    shown = ", ".join(str(code) for code in column.codes[:8])
    return shown + (", …" if len(column.codes) > 8 else "")


def values_of(text: str) -> list[str]:
    """Return the values typed with commas between them; one that holds a comma stands in double quotes."""
    found = [value.strip() for line in csv.reader([text], skipinitialspace=True) for value in line]
    if not found or "" in found:
        raise SketchInvalid("value", "Write the values with a comma between them.")
    return found


def listed(values: list[str]) -> str:
    """Return values as `values_of` reads them back."""
    return ", ".join(
        '"' + value.replace('"', '""') + '"' if set(value) & set(',"') or value != value.strip() else value
        for value in values
    )
