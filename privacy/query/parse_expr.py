"""Syntax-tree expressions to ours: an allow-list, node by node and argument by argument."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.dates import SPANS
from privacy.query.expr import Expr
from privacy.query.names import Names

Leaf = Callable[[exp.Expression, str], Expr | None]

_BINARY = {
    exp.Add: "add",
    exp.Sub: "sub",
    exp.Mul: "mul",
    exp.Div: "div",
    exp.EQ: "eq",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.And: "and",
    exp.Or: "or",
}
_SWAPPED = {exp.GT: "lt", exp.GTE: "le"}
_UNARY = {
    exp.Neg: "neg",
    exp.Not: "not",
    exp.Abs: "abs",
    exp.Floor: "floor",
    exp.Ceil: "ceil",
    exp.Sqrt: "sqrt",
    exp.Ln: "ln",
    exp.Year: "year",
    exp.Quarter: "quarter",
    exp.Month: "month",
    exp.Day: "day",
    exp.DayOfMonth: "day",
    exp.DayOfWeek: "weekday",
}
_MANY = {exp.Greatest: "greatest", exp.Least: "least", exp.Coalesce: "coalesce"}
_PARTS = {"YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "DAY": "day", "DOW": "weekday"}
_HARMLESS = {  # arguments of allowed nodes that change nothing we compute
    "ignore_nulls",
    "big_int",
    "typed",
    "safe",
    "nested",
    "quoted",
    "is_string",
}
_ORDER_STATISTICS = (exp.Mode, exp.ApproxQuantile)
_SPREADS = (exp.Corr, exp.CovarSamp, exp.CovarPop)
_TO_NUMBER = {"INT", "BIGINT", "SMALLINT", "TINYINT", "DOUBLE", "FLOAT", "DECIMAL"}


def _is_over_answer(node: exp.Expression) -> bool:
    """Say whether `node` is an aggregate call."""
    return isinstance(node, (exp.AggFunc, exp.Filter, exp.CountIf, exp.WithinGroup))


class Translator:
    """Translates expressions of one query; `leaf`, if given, is asked first about every node."""

    def __init__(self, names: Names, leaf: Leaf | None = None) -> None:
        self.names = names
        self.leaf = leaf

    def condition(self, node: exp.Expression, clause: str) -> Expr:
        """Return a condition on one row."""
        return self.expr(node, clause)

    def expr(self, node: exp.Expression, clause: str) -> Expr:
        """Return `node` in our operations; refuse what is not on the list."""
        if self.leaf is not None:
            found = self.leaf(node, clause)
            if found is not None:
                return found
        self._refuse_known(node, clause)
        if isinstance(node, exp.Paren):
            return self.expr(node.this, clause)
        if isinstance(node, exp.Column):
            return self.names.find(node, clause).expr or Expr("null")
        for translate in (self._literal, self._operator, self._function, self._special):
            result = translate(node, clause)
            if result is not None:
                return result
        raise refuse.unknown_function(_spoken(node), clause)

    def _refuse_known(self, node: exp.Expression, clause: str) -> None:
        """Refuse, each with its own reason, what people are most likely to try."""
        if isinstance(node, exp.Window):
            raise refuse.window()
        if isinstance(node, (exp.Select, exp.Subquery, exp.Exists, exp.Any, exp.All)):
            raise refuse.subquery(clause)
        if isinstance(node, exp.Star):
            raise refuse.select_star()
        if isinstance(node, _ORDER_STATISTICS):
            raise refuse.min_max(_spoken(node), clause)
        if isinstance(node, _SPREADS):
            raise refuse.spread(_spoken(node), clause)
        if self.leaf is None and _is_over_answer(node):
            raise refuse.nested_aggregate(clause)

    def _only(self, node: exp.Expression, clause: str, *allowed: str) -> None:
        """Refuse a node that carries any argument beside those that are read."""
        extras = {name for name, value in node.args.items() if value} - set(allowed) - _HARMLESS
        if extras:
            raise refuse.unknown_function(f"{_spoken(node)} with {', '.join(sorted(extras))}", clause)

    def _literal(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return a literal."""
        if isinstance(node, exp.Literal):
            if node.is_string:
                return Expr("text", value=node.this)
            return Expr("num", value=plain_number(node.this, clause))
        if isinstance(node, exp.Boolean):
            return Expr("bool", value="true" if node.this else "false")
        return Expr("null") if isinstance(node, exp.Null) else None

    def _operator(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return an infix or prefix operator, or one of the simple functions of the same shape."""
        kind = type(node)
        if kind in _BINARY or kind in _SWAPPED or kind is exp.NEQ:
            self._only(node, clause, "this", "expression")
            left, right = self.expr(node.this, clause), self.expr(node.expression, clause)
            if kind in _SWAPPED:
                return Expr(_SWAPPED[kind], (right, left))
            if kind is exp.NEQ:
                return Expr("not", (Expr("eq", (left, right)),))
            return Expr(_BINARY[kind], (left, right))
        if kind in _UNARY:
            self._only(node, clause, "this")
            return Expr(_UNARY[kind], (self.expr(node.this, clause),))
        if kind in _MANY:
            self._only(node, clause, "this", "expressions")
            args = (node.this, *node.expressions)
            return Expr(_MANY[kind], tuple(self.expr(arg, clause) for arg in args))
        return None

    def _function(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return BETWEEN, IN, IF, LIKE, IS and CASE."""
        if isinstance(node, exp.Between):
            self._only(node, clause, "this", "low", "high")
            middle = self.expr(node.this, clause)
            low, high = self.expr(node.args["low"], clause), self.expr(node.args["high"], clause)
            return Expr("and", (Expr("le", (low, middle)), Expr("le", (middle, high))))
        if isinstance(node, exp.In):
            if node.args.get("query") is not None:
                raise refuse.subquery(clause)
            self._only(node, clause, "this", "expressions")
            return Expr("in", tuple(self.expr(arg, clause) for arg in (node.this, *node.expressions)))
        if isinstance(node, exp.Nullif):
            self._only(node, clause, "this", "expression")
            value, other = self.expr(node.this, clause), self.expr(node.expression, clause)
            return Expr("case", (Expr("eq", (value, other)), Expr("null"), value))
        if isinstance(node, exp.If):
            self._only(node, clause, "this", "true", "false")
            parts = (node.this, node.args["true"], node.args.get("false") or exp.Null())
            return Expr("case", tuple(self.expr(part, clause) for part in parts))
        own = {exp.Like: self._like, exp.Is: self._is, exp.Case: self._case}.get(type(node))
        return None if own is None else own(node, clause)

    def _like(self, node: exp.Expression, clause: str) -> Expr:
        """Return LIKE with a literal pattern."""
        self._only(node, clause, "this", "expression")
        pattern = node.expression
        if not isinstance(pattern, exp.Literal) or not pattern.is_string:
            raise refuse.unknown_function("LIKE without a literal pattern", clause)
        return Expr("like", (self.expr(node.this, clause),), pattern.this)

    def _is(self, node: exp.Expression, clause: str) -> Expr:
        """Return IS NULL, IS TRUE and IS FALSE."""
        self._only(node, clause, "this", "expression")
        operand, right = self.expr(node.this, clause), node.expression
        if isinstance(right, exp.Null):
            return Expr("isnull", (operand,))
        if isinstance(right, exp.Boolean):
            return _known_truth(operand if right.this else Expr("not", (operand,)))
        raise refuse.unknown_function("IS with a value", clause)

    def _case(self, node: exp.Expression, clause: str) -> Expr:
        """Return CASE with conditions, also where it was written with an operand."""
        self._only(node, clause, "this", "ifs", "default")
        operand = None if node.this is None else self.expr(node.this, clause)
        parts: list[Expr] = []
        for branch in node.args["ifs"]:
            when = self.expr(branch.this, clause)
            parts.append(when if operand is None else Expr("eq", (operand, when)))
            parts.append(self.expr(branch.args["true"], clause))
        default = node.args.get("default")
        parts.append(Expr("null") if default is None else self.expr(default, clause))
        return Expr("case", tuple(parts))

    def _special(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return ROUND, POWER by 2 to 4, EXTRACT, DATE literals and conversions to numbers."""
        if isinstance(node, exp.Round):
            self._only(node, clause, "this")
            return Expr("round", (self.expr(node.this, clause),))
        if isinstance(node, exp.Pow):
            power = node.expression.name if isinstance(node.expression, exp.Literal) else ""
            if power not in ("2", "3", "4"):
                raise refuse.unknown_function("POWER other than 2, 3 or 4", clause)
            base = self.expr(node.this, clause)
            result = base
            for _ in range(int(power) - 1):
                result = Expr("mul", (result, base))
            return result
        if isinstance(node, exp.Extract):
            part = _PARTS.get(node.this.name.upper())
            if part is None:
                raise refuse.unknown_function("EXTRACT of that part", clause)
            return Expr(part, (self.expr(node.expression, clause),))
        if isinstance(node, (exp.Cast, exp.TryCast)):
            return self._cast(node, clause)
        if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
            span = node.args["unit"].name.lower() if node.args.get("unit") is not None else ""
            if span not in SPANS:
                raise refuse.unknown_function("DATE_TRUNC to that part", clause)
            return Expr("trunc", (self.expr(node.this, clause),), span)
        return None

    def _cast(self, node: exp.Expression, clause: str) -> Expr:
        """Return a DATE literal, or a conversion to a number."""
        self._only(node, clause, "this", "to")
        target = node.args["to"].this.name if hasattr(node.args["to"].this, "name") else ""
        if target == "DATE" and isinstance(node.this, exp.Literal) and node.this.is_string:
            return Expr("date", value=node.this.this)
        if target in _TO_NUMBER and not node.args["to"].expressions:
            inner = Expr("number", (self.expr(node.this, clause),))
            whole = target.endswith("INT")
            return Expr("round", (inner,)) if whole else inner
        raise refuse.unknown_function("CAST to that type", clause)


def _known_truth(condition: Expr) -> Expr:
    """Return `condition` with unknown counted as false."""
    true, false = Expr("bool", value="true"), Expr("bool", value="false")
    return Expr("case", (condition, true, false))


def plain_number(text: str, clause: str) -> str:
    """Return the one spelling of a number literal."""
    from decimal import Decimal, InvalidOperation

    from privacy.schema import decimal_text

    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 40 or len(text) > 60:
        raise QueryRejected(
            "type_mismatch", clause, "A number is malformed.", "Write a plain decimal number."
        )
    return decimal_text(number)


def _spoken(node: exp.Expression) -> str:
    """Return what a person would call this node: its function or keyword, never its operands."""
    if isinstance(node, exp.Anonymous):
        return str(node.this)[:60].upper()
    return str(node.key).upper().replace("_", " ")
