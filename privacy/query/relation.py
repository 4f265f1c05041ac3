"""What a query reads: a table, one row for each group of a unit's rows, or two of those joined.

Every relation carries the privacy unit of its rows, unseen. Columns have names that follow from the structure
alone, so that no alias enters the hash: a Scan's are the declared ones, a Derived's are `key.0` and `agg.0`, and a
Join's are its sides' with `l.` or `r.` before them, and `matched` where a row may have found none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from privacy.query.expr import (
    Aggregate,
    Expr,
    aggregate_from_json,
    expr_from_json,
    invalid_plan,
    optional_expr,
    optional_json,
)

MATCHED = "matched"
MAX_RELATIONS = 40


@dataclass(frozen=True)
class Scan:
    """The rows of one declared table where `where` holds."""

    table: str
    where: Expr | None = None

    def to_json(self) -> list[Any]:
        """Return the relation as JSON values."""
        return ["scan", self.table, optional_json(self.where)]


@dataclass(frozen=True)
class Derived:
    """One row for each privacy unit and each value of `keys` in it; `where` reads the finished rows.

    The aggregates are exact, over the rows of one unit, and are never shown.
    """

    source: Relation
    keys: tuple[Expr, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    where: Expr | None = None

    def to_json(self) -> list[Any]:
        """Return the relation as JSON values."""
        keys = [key.to_json() for key in self.keys]
        aggregates = [aggregate.to_json() for aggregate in self.aggregates]
        return ["derived", self.source.to_json(), keys, aggregates, optional_json(self.where)]


@dataclass(frozen=True)
class Join:
    """Pairs of rows: of one privacy unit where `on` is None, else with the public row whose key equals `on`.

    `on` reads the left side; `is_left` keeps left rows that found no partner.
    """

    left: Relation
    right: Relation
    is_left: bool = False
    on: Expr | None = None
    where: Expr | None = None

    def to_json(self) -> list[Any]:
        """Return the relation as JSON values."""
        sides = [self.left.to_json(), self.right.to_json()]
        return ["join", *sides, self.is_left, optional_json(self.on), optional_json(self.where)]


Relation = Scan | Derived | Join


def relation_from_json(data: Any, depth: int = 0) -> Relation:
    """Read what `to_json` wrote; raise QueryRejected `invalid_plan` on anything else."""
    if depth > MAX_RELATIONS or not isinstance(data, list) or len(data) < 3:
        raise invalid_plan()
    kind, *fields = data
    if kind == "scan" and len(fields) == 2 and isinstance(fields[0], str):
        return Scan(fields[0], optional_expr(fields[1]))
    if kind == "derived" and len(fields) == 4:
        source, keys, aggregates, where = fields
        return Derived(
            relation_from_json(source, depth + 1),
            tuple(expr_from_json(key) for key in keys),
            tuple(aggregate_from_json(aggregate) for aggregate in aggregates),
            optional_expr(where),
        )
    if kind == "join" and len(fields) == 5 and isinstance(fields[2], bool):
        left, right, is_left, on, where = fields
        sides = (relation_from_json(left, depth + 1), relation_from_json(right, depth + 1))
        return Join(*sides, is_left, optional_expr(on), optional_expr(where))
    raise invalid_plan()


def within(relation: Relation) -> Iterator[Relation]:
    """Yield `relation` and every relation beneath it."""
    yield relation
    if isinstance(relation, Derived):
        yield from within(relation.source)
    if isinstance(relation, Join):
        yield from within(relation.left)
        yield from within(relation.right)


def expressions(relation: Relation) -> Iterator[tuple[Relation, Expr]]:
    """Yield the expressions of `relation` itself, each with the relation whose columns it reads."""
    if relation.where is not None:
        yield relation, relation.where
    if isinstance(relation, Join) and relation.on is not None:
        yield relation.left, relation.on
    if isinstance(relation, Derived):
        yield from ((relation.source, key) for key in relation.keys)
        for aggregate in relation.aggregates:
            yield from ((relation.source, expr) for expr in aggregate.parts())


def lies(relation: Relation, name: str) -> tuple[Scan | Derived | Join, str]:
    """Return the relation that makes column `name` of `relation`, beneath all joins, and its name there."""
    if isinstance(relation, Join) and name != MATCHED:
        side, _, rest = name.partition(".")
        if side not in ("l", "r") or not rest:
            raise invalid_plan()
        return lies(relation.left if side == "l" else relation.right, rest)
    return relation, name


def made_of(derived: Derived, name: str) -> Expr | Aggregate:
    """Return the key or aggregate that a Derived's column `name` stands for."""
    kind, _, place = name.partition(".")
    pool: tuple[Expr, ...] | tuple[Aggregate, ...] = derived.keys if kind == "key" else derived.aggregates
    if kind not in ("key", "agg") or not (place.isascii() and place.isdigit()) or int(place) >= len(pool):
        raise invalid_plan()
    return pool[int(place)]
