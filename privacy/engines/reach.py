"""How large and how small the numbers of a query can become, from its text and the declared columns alone.

Some engines raise an error where a product overflows or underflows a double, and an error that depends on the
rows tells about them. So what could reach beyond is refused before any row is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy.errors import QueryRejected

LARGEST, SMALLEST = 1e300, 1e-290
ROWS = 1e13  # no sum has more summands
COLUMN_LARGEST, COLUMN_SMALLEST = 1e100, 1e-100  # what a source lets in of a column without bounds
_TEXT_LARGEST, _TEXT_SMALLEST = 1e140, 1e-140  # what a number written as text can be


@dataclass(frozen=True)
class Reach:
    """An interval, and the least size of a number in it that is not zero."""

    low: float
    high: float
    least: float

    @property
    def size(self) -> float:
        """The greatest size of a number in it."""
        return max(abs(self.low), abs(self.high))

    def join(self, other: Reach) -> Reach:
        """Return what covers both."""
        return Reach(min(self.low, other.low), max(self.high, other.high), min(self.least, other.least))


NOTHING = Reach(0, 0, 1)
WHOLE = Reach(-(2.0**63), 2.0**63, 1)
COLUMN = Reach(-COLUMN_LARGEST, COLUMN_LARGEST, COLUMN_SMALLEST)


def _product(a: Reach, b: Reach) -> Reach:
    ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Reach(min(ends), max(ends), a.least * b.least)


def _sum(a: Reach, b: Reach) -> Reach:
    # Doubles are multiples of the smaller one's last binary place, and so is their sum (Sterbenz 1974).
    return Reach(a.low + b.low, a.high + b.high, min(a.least, b.least) * 2.0**-53)


def _quotient(a: Reach, b: Reach) -> Reach:
    most = a.size / b.least if b.least else math.inf
    return Reach(-most, most, a.least / max(b.size, b.least, 1e-300))


def _rounded(a: Reach) -> Reach:
    return Reach(a.low - 1, a.high + 1, 1)


def _negative(a: Reach) -> Reach:
    return Reach(-a.high, -a.low, a.least)


class Reaches:
    """Finds the reach of each expression of a parsed query; `columns` gives that of each declared column."""

    def __init__(self, tree: Any, columns: Mapping[str, Reach]) -> None:
        from sqlglot import exp

        self._exp = exp
        self._names = dict(columns)
        aliases = [node for node in tree.walk() if isinstance(node, exp.Alias)][::-1]
        for _ in range(3):  # names refer to names: as often as relations are nested, and no further
            for alias in aliases:
                found, known = self.of(alias.this), self._names.get(alias.alias)
                self._names[alias.alias] = found if known is None else known.join(found)

    def require(self, tree: Any) -> None:
        """Raise QueryRejected where an operation could leave what a double holds."""
        exp = self._exp
        for node in tree.walk():
            if isinstance(node, exp.Mul | exp.Div | exp.Add | exp.Sub):
                reach = self.of(node)
                if not (reach.size <= LARGEST and reach.least >= SMALLEST):
                    raise QueryRejected(
                        "engine_range",
                        "SELECT",
                        "A figure could become too large or too small for the engine that holds these data.",
                        "Declare bounds for the columns, or multiply and divide fewer of them.",
                    )

    def of(self, node: Any) -> Reach:
        """Return the reach of an expression; what is no number counts as a whole number."""
        exp = self._exp
        if isinstance(node, exp.Literal):
            return self._literal(node)
        if isinstance(node, exp.Column):
            return self._names.get(node.name, NOTHING)
        if isinstance(node, exp.Null):
            return NOTHING
        pairs: list[tuple[Any, Callable[[Reach, Reach], Reach]]] = [
            (exp.Mul, _product),
            (exp.Add, _sum),
            (exp.Sub, lambda a, b: _sum(a, _negative(b))),
            (exp.Div, _quotient),
        ]
        for kind, combine in pairs:
            if isinstance(node, kind):
                return combine(self.of(node.this), self.of(node.expression))
        return self._function(node)

    def _literal(self, node: Any) -> Reach:
        if node.is_string:
            return Reach(-_TEXT_LARGEST, _TEXT_LARGEST, _TEXT_SMALLEST)
        value = float(node.this)
        return Reach(value, value, abs(value) or 1)

    def _function(self, node: Any) -> Reach:
        exp = self._exp
        rules: list[tuple[Any, Callable[[Reach], Reach]]] = [
            (exp.Paren | exp.Max | exp.Min | exp.Alias, lambda inner: inner),
            (
                exp.Cast,
                lambda inner: inner if node.to.is_type("double") else _rounded(inner),
            ),  # TRY_CAST as well
            (exp.Neg, _negative),
            (exp.Abs, lambda inner: Reach(0, inner.size, inner.least)),
            (exp.Round | exp.Floor | exp.Ceil, _rounded),
            (exp.Sqrt, lambda inner: Reach(0, math.sqrt(inner.size) + 1, math.sqrt(inner.least))),
            (exp.Ln, lambda _: Reach(-800, 800, 1e-17)),
            (exp.Sum, lambda inner: _product(inner, Reach(0, ROWS, 1))),
        ]
        for kinds, rule in rules:
            if isinstance(node, kinds):
                return rule(self.of(node.this))
        return self._choice(node)

    def _choice(self, node: Any) -> Reach:
        """Return the reach of what gives back one of its arguments, clamps included."""
        exp = self._exp
        if isinstance(node, exp.Case):
            parts = [self.of(branch.args["true"]) for branch in node.args["ifs"]]
            default = node.args.get("default")
            return _join(parts + ([] if default is None else [self.of(default)]))
        if isinstance(node, exp.Coalesce | exp.Least | exp.Greatest):
            given = [node.this, *node.expressions]
            whole = _join([self.of(part) for part in given])
            # A constant is never missing, so the least of several is no more, and the greatest no less.
            fixed = [self.of(part) for part in given if _is_constant(part, exp)]
            if fixed and isinstance(node, exp.Least):
                return Reach(
                    whole.low, min(whole.high, *(part.high for part in fixed), math.inf), whole.least
                )
            if fixed and isinstance(node, exp.Greatest):
                return Reach(
                    max(whole.low, *(part.low for part in fixed), -math.inf), whole.high, whole.least
                )
            return whole
        return WHOLE


def _join(parts: list[Reach]) -> Reach:
    found = parts[0] if parts else NOTHING
    for part in parts[1:]:
        found = found.join(part)
    return found


def _is_constant(node: Any, exp: Any) -> bool:
    """Say whether an expression is a literal, whatever stands around it."""
    return not any(
        isinstance(part, exp.Column | exp.Null | exp.Func)
        for part in node.walk()
        if not isinstance(part, exp.Cast)
    )
