"""Expressions and aggregates: one small tree type over an allow-list of operations.

Everything is frozen and is written as JSON; expressions read the columns of one relation, or the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from privacy.errors import QueryRejected

MAX_DEPTH = 60
MAX_NODES = 2_000

# Operations on one row. `value` names the column, the literal or the digits; `args` are the operands.
LEAVES = frozenset({"col", "num", "text", "date", "bool", "null"})
ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
COMPARISONS = frozenset({"eq", "lt", "le"})
FUNCTIONS = frozenset(
    {"abs", "floor", "ceil", "round", "sqrt", "ln", "greatest", "least", "coalesce", "number"}
    | {"year", "quarter", "month", "day", "weekday", "trunc"}
)
OTHERS = frozenset({"neg", "and", "or", "not", "in", "like", "isnull", "case", "unit"})
# Operations on the answer alone, after the noise: `key` and `agg` point at a column of it.
POST_LEAVES = frozenset({"key", "agg"})
OPERATIONS = LEAVES | ARITHMETIC | COMPARISONS | FUNCTIONS | OTHERS | POST_LEAVES
SPREADS = ("variance", "variance_pop", "stddev", "stddev_pop")
RANKED = ("quantile", "min", "max")
RUNNING = ("running", "running_units")
AGGREGATES = ("count", "units", "sum", "mean", *SPREADS, *RANKED, *RUNNING)


def invalid_plan() -> QueryRejected:
    """Return the refusal of a plan that no parser of ours wrote."""
    return QueryRejected(
        "invalid_plan", "plan", "This is not a plan of this version.", "Parse the query again."
    )


@dataclass(frozen=True)
class Expr:
    """One operation, its operands, and the name or literal it carries."""

    op: str
    args: tuple[Expr, ...] = ()
    value: str | None = None

    def to_json(self) -> list[Any]:
        """Return [op, value, operands…]."""
        return [self.op, self.value, *(arg.to_json() for arg in self.args)]

    def walk(self) -> Iterator[Expr]:
        """Yield this node and every node beneath it."""
        yield self
        for arg in self.args:
            yield from arg.walk()

    def sort_key(self) -> str:
        """Return a text that orders equal trees equally."""
        return json.dumps(self.to_json(), ensure_ascii=True)


def expr_from_json(data: Any, depth: int = 0) -> Expr:
    """Read what `Expr.to_json` wrote; refuse unknown operations and trees that are too deep."""
    if depth > MAX_DEPTH or not isinstance(data, list) or len(data) < 2:
        raise invalid_plan()
    op, value, *args = data
    if op not in OPERATIONS or not (value is None or isinstance(value, str)) or len(args) > MAX_NODES:
        raise invalid_plan()
    return Expr(op, tuple(expr_from_json(arg, depth + 1) for arg in args), value)


def optional_expr(data: Any) -> Expr | None:
    """Read an expression that may be absent."""
    return None if data is None else expr_from_json(data)


def optional_json(expr: Expr | None) -> list[Any] | None:
    """Write an expression that may be absent."""
    return None if expr is None else expr.to_json()


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over the kept rows of a group: `fn` of `arg`, over rows where `filter` holds.

    count with no argument counts rows, with one counts where it is known; units counts privacy units. `param` is
    a quantile's share as decimal text, or what a running count runs along: a key's index, and " desc" if downwards.
    """

    fn: str
    arg: Expr | None = None
    filter: Expr | None = None
    param: str | None = None

    def to_json(self) -> list[Any]:
        """Return [fn, argument, filter, parameter]."""
        return [self.fn, optional_json(self.arg), optional_json(self.filter), self.param]

    def parts(self) -> Iterator[Expr]:
        """Yield the expressions that the aggregate reads rows with."""
        yield from (expr for expr in (self.arg, self.filter) if expr is not None)


def aggregate_from_json(data: Any) -> Aggregate:
    """Read what `Aggregate.to_json` wrote; the caller says which functions it knows."""
    fn, arg, only, param = data
    if not isinstance(param, str | None):
        raise invalid_plan()
    return Aggregate(fn, optional_expr(arg), optional_expr(only), param)
