"""The parts of a question as Python values: columns and conditions on them, groups, and figures.

Names and values are always quoted, so no column name or value, however strange, can become anything else.
`sum`, `min`, `max` and `bin` have the names of Python's own functions: `import gridhouse as gh` and write
`gh.sum("cost")`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from gridhouse.errors import InvalidInput

Value = str | int | float | bool | Decimal | date
DATE_PARTS = ("year", "quarter", "month")


def wrong(text: str) -> InvalidInput:
    """Return the error of a builder that was used as it cannot be."""
    return InvalidInput(text, code="builder_misuse")


def quoted(name: str) -> str:
    """Return a name as SQL reads it back exactly; raise InvalidInput for what no column is called."""
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 128:
        raise wrong("A name is printable text of 1 to 128 characters.")
    return '"' + name.replace('"', '""') + '"'


def literal(value: Value) -> str:
    """Return a value as a SQL literal; raise InvalidInput for what has none."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        if "\0" in value:
            raise wrong("Text with a zero byte cannot be asked for.")
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime) or not isinstance(value, int | float | Decimal | date):
        raise wrong("A value is text, a number, a truth value or a date.")
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if not math.isfinite(value):
        raise wrong("A number must be finite.")
    return format(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), "f")


@dataclass(frozen=True)
class Condition:
    """Something that holds of a row or does not; `&`, `|` and `~` put conditions together."""

    sql: str

    def __and__(self, other: Condition) -> Condition:
        return Condition(f"({self.sql} AND {condition_sql(other)})")

    def __or__(self, other: Condition) -> Condition:
        return Condition(f"({self.sql} OR {condition_sql(other)})")

    def __invert__(self) -> Condition:
        return Condition(f"(NOT {self.sql})")

    def __bool__(self) -> bool:
        raise wrong("Join conditions with & and |, not with “and” and “or”, and put each in brackets.")


def condition_sql(given: object) -> str:
    """Return a condition's SQL; raise InvalidInput for anything else."""
    if not isinstance(given, Condition):
        raise wrong('A condition compares a column, as in col("age") >= 65.')
    return given.sql


class Column:
    """A column by name, to compare; `col("visits.cost")` names one of a joined table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sql = (
            ".".join(quoted(part) for part in name.split(".")) if name.count(".") == 1 else quoted(name)
        )

    def __repr__(self) -> str:
        return f"col({self.name!r})"

    def _compared(self, sign: str, value: Value | Column) -> Condition:
        other = value.sql if isinstance(value, Column) else literal(value)
        return Condition(f"({self.sql} {sign} {other})")

    def __eq__(self, value: Value | Column) -> Condition:  # type: ignore[override]
        return self._compared("=", value)

    def __ne__(self, value: Value | Column) -> Condition:  # type: ignore[override]
        return self._compared("<>", value)

    def __lt__(self, value: Value | Column) -> Condition:
        return self._compared("<", value)

    def __le__(self, value: Value | Column) -> Condition:
        return self._compared("<=", value)

    def __gt__(self, value: Value | Column) -> Condition:
        return self._compared(">", value)

    def __ge__(self, value: Value | Column) -> Condition:
        return self._compared(">=", value)

    __hash__ = None  # type: ignore[assignment]  # == makes a condition, so a column cannot be looked up

    def is_in(self, values: Iterable[Value]) -> Condition:
        """Hold where the column has one of `values`."""
        found = [literal(value) for value in values]
        if not found:
            raise wrong("A list of values holds at least one.")
        return Condition(f"({self.sql} IN ({', '.join(found)}))")

    def between(self, low: Value, high: Value) -> Condition:
        """Hold from `low` to `high`, both included."""
        return Condition(f"({self.sql} BETWEEN {literal(low)} AND {literal(high)})")

    def is_known(self) -> Condition:
        """Hold where the column has a value."""
        return Condition(f"({self.sql} IS NOT NULL)")

    def is_unknown(self) -> Condition:
        """Hold where the column has none."""
        return Condition(f"({self.sql} IS NULL)")


def col(name: str) -> Column:
    """Return a column, to compare with values."""
    return Column(name)


@dataclass(frozen=True)
class Key:
    """Something to group by: its SQL, and its name in the answer where it is not a plain column."""

    sql: str
    name: str = ""

    def alias(self, name: str) -> Key:
        """Return it under another name in the answer."""
        return replace(self, name=name)


def bin(column: str, width: int | float | Decimal) -> Key:
    """Return groups of a number by steps of `width`; each is named by where it begins, as in `age_from`."""
    size = literal(width)
    if isinstance(width, bool) or width <= 0:
        raise wrong("The width of a step is a number above 0.")
    return Key(f"FLOOR({Column(column).sql} / {size}) * {size}", f"{column.rpartition('.')[2]}_from")


def period(column: str, part: str) -> Key:
    """Return groups of a date by "year", "quarter" or "month"; each is named by its first day."""
    if part not in DATE_PARTS:
        raise wrong("A date is grouped by year, quarter or month.")
    return Key(f"DATE_TRUNC('{part}', {Column(column).sql})", f"{column.rpartition('.')[2]}_{part}")


@dataclass(frozen=True)
class Figure:
    """One figure of the answer. `pattern` has a place for the grouping where the figure runs along it."""

    sql: str
    name: str = ""
    needs: str = ""  # "unit" or "groups": what only the question knows

    def alias(self, name: str) -> Figure:
        """Return it under another name."""
        return replace(self, name=name)

    def where(self, condition: Condition) -> Figure:
        """Return it over only those rows for which `condition` holds."""
        return replace(self, sql=f"{self.sql} FILTER (WHERE {condition_sql(condition)})")


def count(column: str = "") -> Figure:
    """Return the number of rows, or of those where `column` is known."""
    return Figure(f"COUNT({Column(column).sql if column else '*'})")


def people() -> Figure:
    """Return the number of privacy units, such as people."""
    return Figure("COUNT(DISTINCT {unit})", needs="unit")


def sum(column: str) -> Figure:
    """Return the sum of a column that has public bounds."""
    return Figure(f"SUM({Column(column).sql})")


def mean(column: str) -> Figure:
    """Return the mean of a column that has public bounds."""
    return Figure(f"AVG({Column(column).sql})")


def variance(column: str) -> Figure:
    """Return the variance."""
    return Figure(f"VARIANCE({Column(column).sql})")


def stddev(column: str) -> Figure:
    """Return the standard deviation."""
    return Figure(f"STDDEV({Column(column).sql})")


def median(column: str) -> Figure:
    """Return the median."""
    return Figure(f"MEDIAN({Column(column).sql})")


def quantile(column: str, point: float | Decimal) -> Figure:
    """Return the value below which a share `point` of the values lies, 0 < point < 1."""
    if not 0 < point < 1:
        raise wrong("A quantile's point lies between 0 and 1.")
    return Figure(f"QUANTILE_CONT({Column(column).sql}, {literal(point)})")


def min(column: str) -> Figure:
    """Return about the smallest value, as a quantile near 0."""
    return Figure(f"MIN({Column(column).sql})")


def max(column: str) -> Figure:
    """Return about the largest value, as a quantile near 1."""
    return Figure(f"MAX({Column(column).sql})")


def cumulative() -> Figure:
    """Return the number of rows up to each step of the last group, within the groups before it."""
    return Figure("SUM(COUNT(*)) OVER ({window})", needs="groups")
