"""A question as a form shows it: figures, conditions, groups and an order, and the SQL that they make.

A sketch is never run and never priced: the SQL that `write` returns is parsed like any other, so a form can
ask nothing that SQL could not. `sketch_read` goes the other way.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot.dialects.duckdb import DuckDB

from privacy.query.plan import AGGREGATES
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
    """One condition on a row: `value` is what was typed, several values of "in" parted by commas."""

    column: str
    op: str
    value: str = ""


@dataclass(frozen=True)
class Group:
    """One grouping column, as it is or in steps: the width of a number's bins, or a date's part."""

    column: str
    step: str = ""


@dataclass(frozen=True)
class Sketch:
    """A whole question; `order` counts the answer's columns from 0, groups before figures."""

    figures: tuple[Figure, ...]
    conditions: tuple[Condition, ...] = ()
    groups: tuple[Group, ...] = ()
    order: int | None = None
    descending: bool = False
    limit: int | None = None


def offered(table: Table) -> tuple[str, ...]:
    """Return the figures that the engine computes on this table."""
    has_unit = table.unit.column is not None
    return tuple(fn for fn in FIGURES if fn in AGGREGATES and (fn != "units" or has_unit))


def name_sql(name: str) -> str:
    """Return a name as SQL reads it back: bare where that is safe, else quoted."""
    if _PLAIN.match(name) and name not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def text_sql(value: str) -> str:
    """Return a text literal."""
    return "'" + value.replace("'", "''") + "'"


def column_of(table: Table, name: str, part: str = "column") -> Column:
    """Return a declared column, or raise SketchInvalid."""
    column = table.find(name)
    if column is None:
        raise SketchInvalid(part, "Choose a column of this dataset.")
    return column


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


def group_sql(group: Group, table: Table) -> str:
    """Return the expression that a group stands for, or raise SketchInvalid."""
    column = column_of(table, group.column)
    named, step = name_sql(column.name), group.step.strip()
    if not step:
        return named
    if column.kind is Kind.DATE:
        if step.lower() not in DATE_STEPS:
            raise SketchInvalid("step", "A date is grouped by year, quarter or month.")
        return f"DATE_TRUNC('{step.lower()}', {named})"
    if column.kind not in NUMERIC:
        raise SketchInvalid("step", "Only numbers and dates are grouped in steps; leave this empty.")
    width = number(step, "step", "Write the width of a step as a number above 0, such as 10.")
    if width <= 0:
        raise SketchInvalid("step", "Write the width of a step as a number above 0, such as 10.")
    return f"FLOOR({named} / {decimal_text(width)}) * {decimal_text(width)}"


def figure_sql(figure: Figure, sketch: Sketch, table: Table) -> str:
    """Return the aggregate that a figure stands for, or raise SketchInvalid."""
    if figure.fn not in offered(table):
        raise SketchInvalid("fn", "Choose a figure from the list.")
    pattern = FIGURES[figure.fn][1]
    if figure.fn == "units":
        return pattern.format(name_sql(str(table.unit.column)))
    if figure.fn == "running":
        return pattern.format(_running(sketch, table))
    if not figure.column:
        if figure.fn != "count":
            raise SketchInvalid("column", f"Choose the column for the {FIGURES[figure.fn][0]}.")
        return "COUNT(*)"
    column = column_of(table, figure.column)
    if figure.fn in NEEDS_NUMBER and column.kind not in NUMERIC and not column.has_number_codes:
        raise SketchInvalid("column", f"“{column.name}” holds no numbers; choose a column that does.")
    if figure.fn != "quantile":
        return pattern.format(name_sql(column.name))
    point = number(figure.point or "0.5", "point", "Write a number between 0 and 1; 0.5 is the median.")
    if not 0 < point < 1:
        raise SketchInvalid("point", "Write a number between 0 and 1; 0.5 is the median.")
    if point == Decimal("0.5"):
        return f"MEDIAN({name_sql(column.name)})"
    return pattern.format(name_sql(column.name), decimal_text(point))


def _running(sketch: Sketch, table: Table) -> str:
    """Return the window of a cumulative count: along the last group, within the groups before it."""
    if not sketch.groups:
        raise SketchInvalid("fn", "A cumulative count runs along a group: choose one to group by.")
    *within, along = (group_sql(group, table) for group in sketch.groups)
    partition = f"PARTITION BY {', '.join(within)} " if within else ""
    return f"{partition}ORDER BY {along}"


def condition_sql(condition: Condition, table: Table) -> str:
    """Return one condition, or raise SketchInvalid."""
    column = column_of(table, condition.column)
    named = name_sql(column.name)
    if condition.op in ("known", "unknown"):
        return f"{named} IS {'NOT ' if condition.op == 'known' else ''}NULL"
    if condition.op == "in":
        values = [literal(column, text) for text in values_of(condition.value)]
        return f"{named} IN ({', '.join(values)})"
    if condition.op not in COMPARISONS:
        raise SketchInvalid("op", "Choose a comparison from the list.")
    if condition.op in ("<", "<=", ">", ">=") and not (
        column.kind in NUMERIC or column.kind is Kind.DATE or column.has_number_codes
    ):
        raise SketchInvalid("op", "Only numbers and dates are above or below; choose “is” or “is one of”.")
    return f"{named} {condition.op} {literal(column, condition.value)}"


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


def write(sketch: Sketch, table: Table) -> str:
    """Return the SQL of a sketch: groups first, then figures. Raises SketchInvalid."""
    if not sketch.figures:
        raise SketchInvalid("fn", "Choose at least one figure.")
    keys = [group_sql(group, table) for group in sketch.groups]
    items = [_named_key(group, sql) for group, sql in zip(sketch.groups, keys, strict=True)]
    for figure in sketch.figures:
        named = f" AS {name_sql(figure.name)}" if figure.name else ""
        items.append(figure_sql(figure, sketch, table) + named)
    lines = [f"SELECT {', '.join(items)}", f"FROM {name_sql(table.name)}"]
    if sketch.conditions:
        found = [condition_sql(condition, table) for condition in sketch.conditions]
        lines.append("WHERE " + "\n  AND ".join(found))
    if keys:
        lines.append(f"GROUP BY {', '.join(keys)}")
    if sketch.order is not None:
        if not 0 <= sketch.order < len(items):
            raise SketchInvalid("order", "Sort by a group or a figure that is filled in.")
        lines.append(f"ORDER BY {sketch.order + 1}{' DESC' if sketch.descending else ''}")
    if sketch.limit is not None:
        lines.append(f"LIMIT {sketch.limit}")
    return "\n".join(lines)


def _named_key(group: Group, sql: str) -> str:
    """Return a group's column of the answer; one in steps is named after them."""
    return f"{sql} AS {name_sql(step_name(group))}" if group.step.strip() else sql


def step_name(group: Group) -> str:
    """Return the name of a group in steps."""
    is_part = group.step.strip().lower() in DATE_STEPS
    return f"{group.column}_{group.step.strip().lower() if is_part else 'from'}"
