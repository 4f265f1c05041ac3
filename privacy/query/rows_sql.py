"""Row expressions as DuckDB SQL that cannot fail, whatever type and value a row holds.

Columns are read through their declaration: converted with TRY_CAST, missing markers and non-finite numbers
made NULL, numbers clamped to the declared bounds, codes outside the list made NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from privacy.errors import EngineFault
from privacy.query.expr import Expr
from privacy.query.needs import Need
from privacy.quoting import name_sql, text_sql
from privacy.schema import Column, Kind, Table, day_of

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "=", "lt": "<", "le": "<="}
_PARTS = {"year": "year", "quarter": "quarter", "month": "month", "day": "day", "weekday": "dayofweek"}
MAX_KEY = 256
NARROW = 2**31


def double_sql(value: Fraction | Decimal) -> str:
    """Return a number as a DOUBLE literal."""
    return f"({float(value)!r}::DOUBLE)"


def _markers(column: Column) -> list[Decimal]:
    """Return the missing markers that are numbers."""
    found = []
    for text in column.missing:
        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            continue
        if number.is_finite():
            found.append(number)
    return found


def _number_column(column: Column) -> str:
    """Return a numeric column as a DOUBLE within its bounds, or NULL."""
    raw = f"TRY_CAST({name_sql(column.name)} AS DOUBLE)"
    value = f"TRY_CAST({raw} AS BIGINT)" if column.kind is not Kind.DECIMAL else raw
    kept = [f"isfinite({raw})"]
    markers = _markers(column)
    if markers:
        kept.append(f"{raw} NOT IN ({', '.join(double_sql(marker) for marker in markers)})")
    if column.codes:
        kept.append(f"{value} IN ({', '.join(str(int(code)) for code in column.codes)})")
    elif column.lower is not None and column.upper is not None:
        low, high = double_sql(column.lower), double_sql(column.upper)
        value = f"least(greatest({value}::DOUBLE, {low}), {high})"
    return f"(CASE WHEN {' AND '.join(kept)} THEN {value}::DOUBLE END)"


def integer_sql(column: Column) -> str | None:
    """Return a bounded integer column as a BIGINT by the short way, or None where the long one is needed."""
    if column.kind is not Kind.INTEGER or column.codes or column.missing or column.step != 1:
        return None
    if column.lower is None or column.upper is None:
        return None
    raw = f"TRY_CAST({name_sql(column.name)} AS BIGINT)"
    return f"(CASE WHEN {raw} IS NOT NULL THEN least(greatest({raw}, {int(column.lower)}), {int(column.upper)}) END)"


def column_sql(column: Column) -> str:
    """Return a column read through its declaration."""
    quoted = name_sql(column.name)
    if column.kind in (Kind.INTEGER, Kind.DECIMAL) or column.has_number_codes:
        return _number_column(column)
    text = f"CAST({quoted} AS VARCHAR)"
    target = {Kind.BOOLEAN: f"TRY_CAST({quoted} AS BOOLEAN)", Kind.DATE: f"TRY_CAST({quoted} AS DATE)"}
    value = target.get(column.kind, text)
    kept = []
    if column.missing:
        kept.append(f"{text} NOT IN ({', '.join(text_sql(marker) for marker in column.missing)})")
    if column.codes:
        kept.append(f"{text} IN ({', '.join(text_sql(str(code)) for code in column.codes)})")
    if column.kind is Kind.DATE:
        kept.append(f"isfinite({value})")
        if column.lower is not None and column.upper is not None:
            low, high = (day_sql(day_of(end).isoformat()) for end in (column.lower, column.upper))
            value = f"least(greatest({value}, {low}), {high})"
    return f"(CASE WHEN {' AND '.join(kept)} THEN {value} END)" if kept else value


def day_sql(day: str) -> str:
    """Return an ISO date as a literal."""
    return f"DATE {text_sql(day)}"


def _truncated(span: str, value: str) -> str:
    """Return the beginning of a date's week, month, quarter or year, within the calendar so that none is refused."""
    inside = f"least(greatest({value}, {day_sql('0001-01-01')}), {day_sql('9999-12-31')})"
    first = f"CAST(date_trunc({text_sql(span)}, {inside}) AS DATE)"
    return f"(CASE WHEN {value} IS NOT NULL THEN greatest({first}, {day_sql('0001-01-01')}) END)"


class RowSql:
    """Writes row expressions; `names` gives each column that was read before, others are read from `table`."""

    def __init__(self, table: Table | None, names: Mapping[str, str] | None = None) -> None:
        self.table = table
        self.names = names or {}

    def expr(self, expr: Expr) -> str:
        """Return `expr` as SQL; numbers are DOUBLE throughout."""
        if expr.op == "case":
            parts = [self.expr(arg) for arg in expr.args]
            pairs = zip(parts[:-1:2], parts[1:-1:2], strict=True)
            whens = " ".join(f"WHEN {when} THEN {then}" for when, then in pairs)
            return f"(CASE {whens} ELSE {parts[-1]} END)"
        return (
            self._leaf(expr)
            if not expr.args
            else self._operation(expr, [self.expr(arg) for arg in expr.args])
        )

    def _leaf(self, expr: Expr) -> str:
        """Return a column or literal."""
        value = expr.value or ""
        write: dict[str, Callable[[], str]] = {
            "col": lambda: self.names.get(value) or column_sql(self._column(value)),
            "num": lambda: double_sql(Fraction(Decimal(value))),
            "text": lambda: text_sql(value),
            "date": lambda: day_sql(value),
            "bool": lambda: "TRUE" if value == "true" else "FALSE",
            "null": lambda: "NULL",
        }
        if expr.op not in write:
            raise EngineFault("A plan holds an operation that cannot be written.")
        return write[expr.op]()

    def _column(self, name: str) -> Column:
        """Return a declared column."""
        column = None if self.table is None else self.table.find(name)
        if column is None:
            raise EngineFault("A plan names an undeclared column.")
        return column

    def declared(self, expr: Expr) -> Column | None:
        """Return the declared column that `expr` reads straight from the file, or None."""
        return self._column(expr.value or "") if expr.op == "col" and self.table is not None else None

    def _operation(self, expr: Expr, args: list[str]) -> str:
        """Return an operation over operands that are already SQL."""
        if expr.op in _INFIX:
            return f"({args[0]} {_INFIX[expr.op]} {args[1]})"
        if expr.op in ("and", "or"):
            return "(" + f" {expr.op.upper()} ".join(args) + ")"
        if expr.op in _PARTS:
            return f"CAST({_PARTS[expr.op]}({args[0]}) AS DOUBLE)"
        if expr.op in ("greatest", "least", "coalesce", "abs", "floor", "ceil", "round", "sqrt", "ln"):
            return f"{expr.op}({', '.join(args)})"
        write = {
            "neg": lambda: f"(-{args[0]})",
            "not": lambda: f"(NOT {args[0]})",
            "in": lambda: f"({args[0]} IN ({', '.join(args[1:])}))",
            "like": lambda: f"({args[0]} LIKE {text_sql(expr.value or '')})",
            "isnull": lambda: f"({args[0]} IS NULL)",
            "number": lambda: f"TRY_CAST({args[0]} AS DOUBLE)",
            "trunc": lambda: _truncated(expr.value or "", args[0]),
        }
        if expr.op not in write:
            raise EngineFault("A plan holds an operation that cannot be written.")
        return write[expr.op]()

    def need(self, need: Need) -> str | None:
        """Return one row's exact integer for `need`, or None where the row itself is what is counted.

        A value that is not known counts 0, and has no bin.
        """
        if need.expr is None:
            return None
        if need.kind not in ("sum", "square", "bins"):
            return f"CASE WHEN {self.expr(need.expr)} IS NOT NULL THEN 1 ELSE 0 END"
        place = self._place(need, need.expr)
        if need.kind == "bins":
            return f"({place} - {need.low})"
        centred = f"({place} - {need.centre})"
        value = f"{centred} * {centred} - {need.shift}" if need.kind == "square" else centred
        # Sums of narrow numbers are added up in 64 bits, of wide ones in 128.
        return f"coalesce({value}, 0)" + ("::INTEGER" if need.peak < NARROW else "")

    def _place(self, need: Need, expr: Expr) -> str:
        """Return a row's value as a BIGINT on the need's grid and within its bounds, NULL where unknown."""
        column = self.declared(expr)
        short = None if column is None else integer_sql(column)
        if short is not None and need.step == 1:
            return short
        value = self.expr(expr)
        low, high = double_sql(Fraction(need.low)), double_sql(Fraction(need.high))
        scaled = f"({value}) / {double_sql(need.step)}" if need.step != 1 else f"({value})"
        clamped = f"least(greatest({scaled}, {low}), {high})"
        return f"(CASE WHEN isfinite({value}) THEN CAST(round({clamped}) AS BIGINT) END)"
