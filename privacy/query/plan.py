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

from privacy.query.expr import (
    AGGREGATES,
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    LEAVES,
    MAX_NODES,
    Aggregate,
    Expr,
    aggregate_from_json,
    expr_from_json,
    invalid_plan,
    optional_expr,
    optional_json,
)
from privacy.query.relation import Relation, Scan, expressions, lies, relation_from_json, within

__all__ = [
    "AGGREGATES",
    "ARITHMETIC",
    "COMPARISONS",
    "FUNCTIONS",
    "LEAVES",
    "MAX_NODES",
    "Aggregate",
    "Expr",
    "Order",
    "Output",
    "Plan",
    "columns_touched",
    "describe",
    "expr_from_json",
    "invalid_plan",
    "row_expressions",
]

VERSION = 2


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
    """One question over one source, in normal form; `table` names the dataset's main table.

    `where` reads the source's columns, and so do the keys and the aggregates.
    """

    table: str
    outputs: tuple[Output, ...]
    aggregates: tuple[Aggregate, ...]
    source: Relation
    keys: tuple[Expr, ...] = ()
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
            "source": self.source.to_json(),
            "keys": [key.to_json() for key in self.keys],
            "where": optional_json(self.where),
            "aggregates": [aggregate.to_json() for aggregate in self.aggregates],
            "outputs": [[output.name, output.expr.to_json()] for output in self.outputs],
            "having": optional_json(self.having),
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
                source=relation_from_json(data["source"]),
                keys=tuple(expr_from_json(key) for key in data["keys"]),
                where=optional_expr(data["where"]),
                aggregates=tuple(aggregate_from_json(aggregate) for aggregate in data["aggregates"]),
                outputs=tuple(Output(name, expr_from_json(expr)) for name, expr in data["outputs"]),
                having=optional_expr(data["having"]),
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
    texts = (plan.table, *(output.name for output in plan.outputs))
    limit_ok = plan.limit is None or (type(plan.limit) is int and 1 <= plan.limit <= 10**6)
    return (
        all(isinstance(text, str) for text in texts)
        and all(aggregate.fn in AGGREGATES for aggregate in plan.aggregates)
        and all(isinstance(order.descending, bool) for order in plan.order)
        and bool(plan.outputs)
        and limit_ok
    )


def row_expressions(plan: Plan) -> Iterator[Expr]:
    """Yield every expression of the plan that reads the rows of its source."""
    if plan.where is not None:
        yield plan.where
    yield from plan.keys
    for aggregate in plan.aggregates:
        yield from aggregate.parts()


def columns_touched(plan: Plan) -> tuple[str, ...]:
    """Return the names of every column the plan reads, sorted; another table's as "table.column"."""
    read = [(plan.source, expr) for expr in row_expressions(plan)]
    for relation in within(plan.source):
        read += expressions(relation)
    return tuple(sorted(set().union(*(_columns(expr, relation, plan.table) for relation, expr in read))))


def _columns(expr: Expr, relation: Relation, main: str) -> set[str]:
    """Return the declared columns that `expr` reads straight from a table beneath joins."""
    found = set()
    for node in expr.walk():
        if node.op == "col":
            place, name = lies(relation, node.value or "")
            if isinstance(place, Scan):
                found.add(name if place.table == main else f"{place.table}.{name}")
    return found


def describe(plan: Plan) -> list[str]:
    """Return plain-words lines about the plan, for the person who decides; see `privacy.query.words`."""
    from privacy.query import words  # beside its reader, not above it: words knows plans

    return words.describe(plan)
