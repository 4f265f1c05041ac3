"""How PostgreSQL writes what differs: each conversion as a CASE that cannot raise, hashes, lists, rounding, dates.

A column is read as its declaration says, whatever its type there: NaN and infinity as missing, whole numbers up
to 2^53, other numbers up to 1e100 and down to 1e-100, texts compared byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from privacy.engines.reach import COLUMN_LARGEST, COLUMN_SMALLEST
from privacy.engines.translate import Dialect, Place, cast
from privacy.quoting import name_sql
from privacy.schema import Column, Kind
from privacy.unit import ROW_ID

_EXACT = 2**53
_WHOLE = {"int2", "int4", "int8"}
# A number as text, short enough that no conversion of it can overflow or underflow.
_NUMBER = r"^\s*[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?\s*$"


def column_sql(quoted: str, column: Column | None, found: str) -> str:
    """Return a column of type `found` as its declaration reads it; an undeclared one is a unit's."""
    if column is None:
        return f"CAST({quoted} AS BIGINT)" if found in _WHOLE else _text(quoted)
    if column.kind is Kind.INTEGER or column.has_number_codes:
        return _whole(quoted, found)
    if column.kind is Kind.DECIMAL:
        return _decimal(quoted, found)
    if column.kind is Kind.DATE:
        return f"CASE WHEN ISFINITE({quoted}) THEN CAST({quoted} AS DATE) END"
    return quoted if column.kind is Kind.BOOLEAN else _text(quoted)


def _text(quoted: str) -> str:
    return f'CAST({quoted} AS TEXT) COLLATE "C"'


def _wide(quoted: str, found: str) -> tuple[str, str]:
    """Return a number in its widest type, and that type."""
    kind = "DECIMAL" if found == "numeric" else "DOUBLE PRECISION"
    return (quoted if found == "numeric" else f"CAST({quoted} AS DOUBLE PRECISION)"), kind


def _whole(quoted: str, found: str) -> str:
    if found in _WHOLE:
        held = f"LEAST(GREATEST(CAST({quoted} AS BIGINT), {-_EXACT}), {_EXACT})"
        return f"CASE WHEN NOT {quoted} IS NULL THEN {held} END"  # both leave missing values out of account
    value, kind = _wide(quoted, found)
    # NaN is above infinity, so that one comparison leaves both out.
    kept = f"ABS({value}) < CAST('Infinity' AS {kind}) AND {value} = FLOOR({value})"
    return f"CASE WHEN {kept} THEN CAST(LEAST(GREATEST({value}, {-_EXACT}), {_EXACT}) AS BIGINT) END"


def _decimal(quoted: str, found: str) -> str:
    if found in _WHOLE:
        return f"CAST({quoted} AS DOUBLE PRECISION)"
    value, kind = _wide(quoted, found)
    least, most = (f"CAST('{end!r}' AS {kind})" for end in (COLUMN_SMALLEST, COLUMN_LARGEST))
    clamped = f"CAST(LEAST(GREATEST({value}, -{most}), {most}) AS DOUBLE PRECISION)"
    small = f"WHEN ABS({value}) < {least} THEN CAST(0 AS DOUBLE PRECISION)"
    return f"CASE {small} WHEN ABS({value}) < CAST('Infinity' AS {kind}) THEN {clamped} END"


class PostgreSqlDialect(Dialect):
    """PostgreSQL from version 14 on."""

    name = "postgres"

    def source(self, place: Place, wanted: Sequence[str]) -> str:
        columns = [
            f"{column_sql(name_sql(name), place.table.find(name), place.types[name])} AS {name_sql(name)}"
            for name in wanted
        ]
        whole = f"{name_sql(place.relation.schema)}.{name_sql(place.relation.name)}"
        inner = f"SELECT {', '.join(columns) or '1 AS one'} FROM {whole}"
        order = f"ROW({', '.join(name_sql(name) for name in wanted) or '1'})"
        return f"SELECT *, {order} AS {name_sql(ROW_ID)} FROM ({inner}) AS held"

    def rewrite(self, node: Any, exp: Any) -> Any:
        kind = type(node).__name__
        rule = getattr(self, f"_{kind.lower()}", None)
        return node if rule is None else rule(node, exp)

    def _cast(self, node: Any, exp: Any) -> Any:
        """Write a conversion between types that are already known to fit; the salt is only ever hashed, as text."""
        to = node.to.this
        if to in (exp.DType.UBIGINT, exp.DType.UINT128):
            return exp.Literal.string(node.this.this)
        if to is exp.DType.INT128:
            return cast(node.this, "DECIMAL(38, 0)", self.name)
        return node

    def _trycast(self, node: Any, exp: Any) -> Any:
        """Write a conversion that gives NULL where it cannot be made, by what is converted."""
        value, to = node.this, node.to
        if to.is_type("double") and _is_text(value, exp):
            written = exp.RegexpLike(this=value.copy(), expression=exp.Literal.string(_NUMBER))
            return exp.Paren(this=exp.Case().when(written, cast(value, "DOUBLE PRECISION", self.name)))
        if to.is_type("bigint"):
            ends = [f"CAST({sign}{_LIMIT!r} AS DOUBLE PRECISION)" for sign in ("-", "")]
            low, high = (exp.maybe_parse(end, dialect="postgres") for end in ends)
            above = exp.Greatest(
                this=cast(value, "DOUBLE PRECISION", self.name), expressions=[low], ignore_nulls=True
            )
            inside = exp.Least(this=above, expressions=[high], ignore_nulls=True)
            kept = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
            return exp.Paren(this=exp.Case().when(kept, cast(inside, "BIGINT", self.name)))
        return exp.cast(value, to)

    def _anonymous(self, node: Any, exp: Any) -> Any:
        """Write a function that has another name here."""
        args, name = node.expressions, node.name.lower()
        if name == "isfinite":  # nothing else gets in from a source, and nothing else is made (`reach`)
            return exp.Paren(this=exp.Not(this=exp.Is(this=args[0], expression=exp.Null())))
        if name == "strlen":
            return exp.Anonymous(this="OCTET_LENGTH", expressions=args)
        if name == "list_position":
            return exp.Anonymous(
                this="ARRAY_POSITION", expressions=[_list(args[0], exp), _member(args[0], args[1], exp)]
            )
        if name == "list_contains":
            return self._contains(args[0], args[1], exp)
        if name == "hash":
            parts = [cast(arg, "TEXT", self.name) for arg in args]
            separated: Any = parts[0]
            for part in parts[1:]:
                separated = exp.DPipe(
                    this=exp.DPipe(this=separated, expression=exp.Literal.string("|")), expression=part
                )
            # The salt is in the text, too; as a seed it spreads even short ones.
            return exp.Anonymous(
                this="HASHTEXTEXTENDED", expressions=[_plain(separated, exp), exp.Literal.number(0)]
            )
        return node

    def _arraycontains(self, node: Any, exp: Any) -> Any:
        return self._contains(node.this, node.expression, exp)

    def _contains(self, listed: Any, value: Any, exp: Any) -> Any:
        return exp.Paren(
            this=exp.EQ(this=_member(listed, value, exp), expression=exp.Any(this=_list(listed, exp)))
        )

    def _round(self, node: Any, exp: Any) -> Any:
        """Round halves away from zero; a double's own ROUND goes to the even neighbour here."""
        zero = exp.Literal.number(0)
        half = exp.Case().when(exp.LT(this=node.this.copy(), expression=zero), "-0.5").else_("0.5")
        moved = exp.Add(this=exp.Paren(this=node.this), expression=exp.Paren(this=half))
        return exp.Anonymous(this="TRUNC", expressions=[moved])

    def _div(self, node: Any, exp: Any) -> Any:
        """Divide doubles; nothing divided by zero is missing."""
        below = exp.Nullif(
            this=cast(node.expression, "DOUBLE PRECISION", self.name), expression=exp.Literal.number(0)
        )
        return exp.Div(this=cast(node.this, "DOUBLE PRECISION", self.name), expression=below)

    def _sqrt(self, node: Any, exp: Any) -> Any:
        return _above(node, exp.GTE, exp)

    def _ln(self, node: Any, exp: Any) -> Any:
        return _above(node, exp.GT, exp)

    def _like(self, node: Any, exp: Any) -> Any:
        """Match without an escape sign, which is a backslash here unless it is taken away."""
        return exp.Escape(this=node.copy(), expression=exp.Literal.string(""))

    def _dayofweek(self, node: Any, exp: Any) -> Any:
        return exp.Extract(this=exp.Var(this="DOW"), expression=node.this)

    def _timestamptrunc(self, node: Any, exp: Any) -> Any:
        plain = cast(node.this, "TIMESTAMP", self.name)
        return exp.Anonymous(
            this="DATE_TRUNC", expressions=[exp.Literal.string(node.unit.name.lower()), plain]
        )

    _datetrunc = _timestamptrunc


_LIMIT = 2.0**62


def _above(node: Any, relation: Any, exp: Any) -> Any:
    """Return a function where its argument allows it, and NULL elsewhere."""
    allowed = relation(this=node.this.copy(), expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Case().when(allowed, node.copy()))


def _kind(listed: Any) -> str:
    """Return the type of a list of literals."""
    first = listed.expressions[0] if listed.expressions else None
    if first is None or (type(first).__name__ == "Literal" and first.is_string):
        return "TEXT"
    return "DATE" if type(first).__name__ == "Cast" and first.to.is_type("date") else "BIGINT"


def _list(listed: Any, exp: Any) -> Any:
    return cast(listed.copy(), f"{_kind(listed)}[]", "postgres")


def _member(listed: Any, value: Any, exp: Any) -> Any:
    return cast(value, _kind(listed), "postgres")


def _plain(value: Any, exp: Any) -> Any:
    """Return a text compared byte by byte, which hashes need to be the same everywhere."""
    return exp.Collate(this=exp.Paren(this=value), expression=exp.to_identifier("C", quoted=True))


def _is_text(value: Any, exp: Any) -> bool:
    """Say whether an expression is text: a literal, a conversion to text, or a choice among such."""
    while isinstance(value, exp.Paren):
        value = value.this
    if isinstance(value, exp.Case):
        return any(_is_text(branch.args["true"], exp) for branch in value.args["ifs"])
    if isinstance(value, exp.Cast):
        return bool(value.to.is_type("text") or value.to.is_type("varchar"))
    if isinstance(value, exp.Coalesce):
        return any(_is_text(part, exp) for part in [value.this, *value.expressions])
    return isinstance(value, exp.Literal) and bool(value.is_string)
