"""The plan: the only form in which a question travels after its text was read once.

Expressions are one small tree type over an allow-list of operations; everything is frozen, is written as
canonical JSON, and has one hash. `describe` says in plain words what a plan computes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from privacy.errors import QueryRejected

VERSION = 1
MAX_DEPTH = 60
MAX_NODES = 2_000

# Operations on one row. `value` names the column, the literal or the digits; `args` are the operands.
LEAVES = frozenset({"col", "num", "text", "date", "bool", "null"})
ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
COMPARISONS = frozenset({"eq", "lt", "le"})
FUNCTIONS = frozenset(
    {"abs", "floor", "ceil", "round", "sqrt", "ln", "greatest", "least", "coalesce", "number"}
    | {"year", "quarter", "month", "day", "weekday"}
)
OTHERS = frozenset({"neg", "and", "or", "not", "in", "like", "isnull", "case", "unit"})
# Operations on the answer alone, after the noise: `key` and `agg` point at a column of it.
POST_LEAVES = frozenset({"key", "agg"})
OPERATIONS = LEAVES | ARITHMETIC | COMPARISONS | FUNCTIONS | OTHERS | POST_LEAVES
AGGREGATES = ("count", "units", "sum", "mean")


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


def _optional(data: Any) -> Expr | None:
    """Read an expression that may be absent."""
    return None if data is None else expr_from_json(data)


def _json(expr: Expr | None) -> list[Any] | None:
    """Write an expression that may be absent."""
    return None if expr is None else expr.to_json()


@dataclass(frozen=True)
class Aggregate:
    """One aggregate over the kept rows of a group: `fn` of `arg`, over rows where `filter` holds.

    count with no argument counts rows, with one counts where it is known; units counts privacy units.
    """

    fn: str
    arg: Expr | None = None
    filter: Expr | None = None


@dataclass(frozen=True)
class Output:
    """One column of the answer: its name and its expression over keys, aggregates and numbers."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Order:
    """One term of ORDER BY, over the answer."""

    expr: Expr
    descending: bool = False


@dataclass(frozen=True)
class Plan:
    """One question over one table, in normal form."""

    table: str
    outputs: tuple[Output, ...]
    aggregates: tuple[Aggregate, ...]
    keys: tuple[str, ...] = ()
    where: Expr | None = None
    having: Expr | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    version: int = field(default=VERSION)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "version": self.version,
            "table": self.table,
            "keys": list(self.keys),
            "where": _json(self.where),
            "aggregates": [[a.fn, _json(a.arg), _json(a.filter)] for a in self.aggregates],
            "outputs": [[output.name, output.expr.to_json()] for output in self.outputs],
            "having": _json(self.having),
            "order": [[order.expr.to_json(), order.descending] for order in self.order],
            "limit": self.limit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read what `to_dict` wrote; raise QueryRejected `invalid_plan` on anything else."""
        try:
            plan = cls(
                version=data["version"],
                table=data["table"],
                keys=tuple(data["keys"]),
                where=_optional(data["where"]),
                aggregates=tuple(
                    Aggregate(fn, _optional(arg), _optional(only)) for fn, arg, only in data["aggregates"]
                ),
                outputs=tuple(Output(name, expr_from_json(expr)) for name, expr in data["outputs"]),
                having=_optional(data["having"]),
                order=tuple(Order(expr_from_json(expr), down) for expr, down in data["order"]),
                limit=data["limit"],
            )
        except (KeyError, TypeError, ValueError):
            raise invalid_plan() from None
        if plan.version != VERSION or set(data) != set(plan.to_dict()) or not _is_sane(plan):
            raise invalid_plan()
        return plan

    def canonical(self) -> bytes:
        """Return the one spelling of this plan that is hashed."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    def sha256(self) -> str:
        """Return the plan's hash as 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()


def _is_sane(plan: Plan) -> bool:
    """Say whether the plain fields of a plan that was read have their types."""
    texts = (plan.table, *plan.keys, *(output.name for output in plan.outputs))
    limit_ok = plan.limit is None or (type(plan.limit) is int and 1 <= plan.limit <= 10**6)
    return (
        all(isinstance(text, str) for text in texts)
        and all(aggregate.fn in AGGREGATES for aggregate in plan.aggregates)
        and all(isinstance(order.descending, bool) for order in plan.order)
        and bool(plan.outputs)
        and limit_ok
    )


def row_expressions(plan: Plan) -> Iterator[Expr]:
    """Yield every expression of the plan that reads private rows."""
    if plan.where is not None:
        yield plan.where
    for aggregate in plan.aggregates:
        yield from (expr for expr in (aggregate.arg, aggregate.filter) if expr is not None)


def columns_touched(plan: Plan) -> tuple[str, ...]:
    """Return the names of every private column the plan reads, sorted."""
    named = {node.value for expr in row_expressions(plan) for node in expr.walk() if node.op == "col"}
    return tuple(sorted({name for name in named if name is not None} | set(plan.keys)))


def describe(plan: Plan) -> list[str]:
    """Return plain-words lines about the plan, for the person who decides; see `privacy.query.words`."""
    from privacy.query import words  # beside its reader, not above it: words knows plans

    return words.describe(plan)
