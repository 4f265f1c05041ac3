"""How Spark writes what differs: each conversion so that it cannot raise under ANSI mode, hashes, lists, dates.

A column is read as its declaration says, whatever its type there, as PostgreSQL's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from privacy.engines.reach import COLUMN_LARGEST, COLUMN_SMALLEST
from privacy.engines.translate import Dialect, Place, cast
from privacy.schema import Column, Kind
from privacy.unit import ROW_ID

WHOLE = frozenset({"tinyint", "smallint", "int", "bigint"})
_EXACT = 2**53
_INFINITY = "CAST('Infinity' AS DOUBLE)"
_NO_ESCAPE = "\x01"  # a sign that no pattern holds: without one a backslash would be special


def name_sql(name: str) -> str:
    """Return a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def column_sql(quoted: str, column: Column | None, found: str) -> str:
    """Return a column of type `found` as its declaration reads it; an undeclared one is a unit's."""
    if column is None:
        return f"CAST({quoted} AS BIGINT)" if found in WHOLE else f"CAST({quoted} AS STRING)"
    if column.kind is Kind.INTEGER or column.has_number_codes:
        return _whole(quoted, found)
    if column.kind is Kind.DECIMAL:
        return _decimal(quoted)
    if column.kind is Kind.DATE:
        return f"CAST({quoted} AS DATE)"
    return quoted if column.kind is Kind.BOOLEAN else f"CAST({quoted} AS STRING)"


def _whole(quoted: str, found: str) -> str:
    if found in WHOLE:
        held = f"LEAST(GREATEST(CAST({quoted} AS BIGINT), -{_EXACT}), {_EXACT})"
        return f"CASE WHEN NOT {quoted} IS NULL THEN {held} END"  # both leave missing values out of account
    value = f"CAST({quoted} AS DOUBLE)"
    # NaN is above infinity, so that one comparison leaves both out.
    kept = f"ABS({value}) < {_INFINITY} AND {value} % CAST(1 AS DOUBLE) = CAST(0 AS DOUBLE)"
    ends = [f"CAST({sign}{_EXACT} AS DOUBLE)" for sign in ("-", "")]
    return f"CASE WHEN {kept} THEN CAST(LEAST(GREATEST({value}, {ends[0]}), {ends[1]}) AS BIGINT) END"


def _decimal(quoted: str) -> str:
    value = f"CAST({quoted} AS DOUBLE)"
    least, most = (f"CAST({end!r} AS DOUBLE)" for end in (COLUMN_SMALLEST, COLUMN_LARGEST))
    small = f"WHEN ABS({value}) < {least} THEN CAST(0 AS DOUBLE)"
    return f"CASE {small} WHEN ABS({value}) < {_INFINITY} THEN LEAST(GREATEST({value}, -{most}), {most}) END"


class SparkDialect(Dialect):
    """Spark 4, with its ANSI mode on: what would raise there is written so that it cannot."""

    name = "spark"

    def source(self, place: Place, wanted: Sequence[str]) -> str:
        columns = [
            f"{column_sql(name_sql(name), place.table.find(name), place.types[name])} AS {name_sql(name)}"
            for name in wanted
        ]
        whole = f"{name_sql(place.relation.schema)}.{name_sql(place.relation.name)}"
        inner = f"SELECT {', '.join(columns) or '1 AS one'} FROM {whole}"
        order = f"STRUCT({', '.join(name_sql(name) for name in wanted) or '1'})"
        return f"SELECT *, {order} AS {name_sql(ROW_ID)} FROM ({inner}) AS held"

    def rewrite(self, node: Any, exp: Any) -> Any:
        rule = getattr(self, f"_{type(node).__name__.lower()}", None)
        return node if rule is None else rule(node, exp)

    def _cast(self, node: Any, exp: Any) -> Any:
        """Write the wide whole numbers that Spark lacks as decimals; the salt is only ever hashed, as text."""
        if node.to.this in (exp.DType.UBIGINT, exp.DType.UINT128):
            return exp.Literal.string(node.this.this)
        if node.to.this is exp.DType.INT128:
            return cast(node.this, "DECIMAL(38, 0)", self.name)
        return node

    def _anonymous(self, node: Any, exp: Any) -> Any:
        """Write a function that has another name here."""
        args, name = node.expressions, node.name.lower()
        if name == "isfinite":  # nothing else gets in from a source, and nothing else is made (`reach`)
            return exp.Paren(this=exp.Not(this=exp.Is(this=args[0], expression=exp.Null())))
        plain = {"strlen": "OCTET_LENGTH", "row": "STRUCT"}
        if name in plain:
            return exp.Anonymous(this=plain[name], expressions=args)
        if name == "list_position":
            found = exp.Anonymous(this="ARRAY_POSITION", expressions=_listed(args[0], args[1], exp))
            return exp.Nullif(this=found, expression=exp.Literal.number(0))
        if name == "list_contains":
            return exp.Anonymous(this="ARRAY_CONTAINS", expressions=_listed(args[0], args[1], exp))
        texts = [cast(arg, "STRING", self.name) for arg in args]
        return exp.Anonymous(this="XXHASH64", expressions=texts)  # `hash`, the last one on the list

    def _arraycontains(self, node: Any, exp: Any) -> Any:
        return exp.Anonymous(this="ARRAY_CONTAINS", expressions=_listed(node.this, node.expression, exp))

    def _sum(self, node: Any, exp: Any) -> Any:
        """Add decimals: a sum of whole numbers raises an error where it overflows."""
        return exp.Sum(this=cast(node.this, "DECIMAL(20, 0)", self.name))

    def _div(self, node: Any, exp: Any) -> Any:
        below = exp.Nullif(this=cast(node.expression, "DOUBLE", self.name), expression=exp.Literal.number(0))
        return exp.Div(this=cast(node.this, "DOUBLE", self.name), expression=below)

    def _sqrt(self, node: Any, exp: Any) -> Any:
        allowed = exp.GTE(this=node.this.copy(), expression=exp.Literal.number(0))
        return exp.Paren(this=exp.Case().when(allowed, node.copy()))

    def _ln(self, node: Any, exp: Any) -> Any:
        allowed = exp.GT(this=node.this.copy(), expression=exp.Literal.number(0))
        return exp.Paren(this=exp.Case().when(allowed, node.copy()))

    def _like(self, node: Any, exp: Any) -> Any:
        return exp.Escape(this=node.copy(), expression=exp.Literal.string(_NO_ESCAPE))

    def _dayofweek(self, node: Any, exp: Any) -> Any:
        """Count weekdays from 0, as DuckDB does."""
        counted = exp.Anonymous(this="DAYOFWEEK", expressions=[node.this])
        return exp.Paren(this=exp.Sub(this=counted, expression=exp.Literal.number(1)))

    def _timestamptrunc(self, node: Any, exp: Any) -> Any:
        return exp.Anonymous(this="TRUNC", expressions=[node.this, exp.Literal.string(node.unit.name)])

    _datetrunc = _timestamptrunc


def _listed(listed: Any, value: Any, exp: Any) -> list[Any]:
    """Return a list of literals and what is looked for in it, of one type."""
    first = listed.expressions[0] if listed.expressions else None
    kind = "BIGINT"
    if first is None or (isinstance(first, exp.Literal) and first.is_string):
        kind = "STRING"
    elif isinstance(first, exp.Cast) and first.to.is_type("date"):
        kind = "DATE"
    return [
        cast(listed.copy(), f"ARRAY<{kind}>", "spark"),
        cast(value, kind, "spark"),
    ]
