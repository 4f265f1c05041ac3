"""One normal form for what a plan reads, so that two spellings of one question share one hash.

Conditions sink to the table or grouping whose columns they read, which also keeps more rows where a join draws
some; the sides of an inner join of private tables, and what a grouping computes, stand in one order; what nothing
reads is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

from privacy.query.expr import Aggregate, Expr
from privacy.query.names import renamed
from privacy.query.normal import conjunction, conjuncts, normal
from privacy.query.plan import Plan, row_expressions
from privacy.query.relation import MATCHED, Derived, Join, Relation, Scan, made_of

Rename = Callable[[str], str]
Settled = tuple[Relation, Rename]


def arranged(plan: Plan) -> Plan:
    """Return `plan` with its source in normal form and the outermost condition in `where`."""
    used = _read(row_expressions(replace(plan, where=None)))
    source, rename = _settled(plan.source, conjuncts(plan.where), used)
    return replace(
        plan,
        source=replace(source, where=None),
        where=source.where,
        keys=tuple(_moved(key, rename) for key in plan.keys),
        aggregates=tuple(_aggregate(aggregate, rename) for aggregate in plan.aggregates),
    )


def _read(exprs: Iterable[Expr]) -> set[str]:
    """Return the names of the columns that expressions read."""
    return {node.value or "" for expr in exprs for node in expr.walk() if node.op == "col"}


def _moved(expr: Expr, rename: Rename) -> Expr:
    """Return `expr` with its columns renamed, in normal form."""
    return normal(renamed(expr, lambda name: Expr("col", value=rename(name))))


def _aggregate(aggregate: Aggregate, rename: Rename) -> Aggregate:
    """Return an aggregate with its columns renamed."""
    arg, only = aggregate.arg, aggregate.filter
    return replace(
        aggregate,
        arg=None if arg is None else _moved(arg, rename),
        filter=None if only is None else _moved(only, rename),
    )


def _settled(relation: Relation, more: tuple[Expr, ...], used: set[str]) -> Settled:
    """Return a relation in normal form, with the conditions `more` too, and what its columns are called now."""
    if isinstance(relation, Scan):
        return Scan(relation.table, conjunction(relation.where, *more)), lambda name: name
    conditions = (*conjuncts(relation.where), *more)
    if isinstance(relation, Derived):
        return _settled_group(relation, conditions, used)
    return _settled_join(relation, conditions, used)


def _settled_group(derived: Derived, conditions: tuple[Expr, ...], used: set[str]) -> Settled:
    """Return a grouping whose conditions on keys are its source's, with keys and aggregates in one order."""
    down = [c for c in conditions if (names := _read([c])) and all(name.startswith("key.") for name in names)]
    kept = [condition for condition in conditions if condition not in down]
    used = used | _read(kept)
    needed = [a for i, a in enumerate(derived.aggregates) if f"agg.{i}" in used]
    beneath = _read([*derived.keys, *(part for aggregate in needed for part in aggregate.parts())])
    sunk = tuple(normal(renamed(condition, lambda name: _key(derived, name))) for condition in down)
    source, rename = _settled(derived.source, sunk, beneath)
    keys = [_moved(key, rename) for key in derived.keys]
    aggregates = [_aggregate(aggregate, rename) for aggregate in derived.aggregates]
    ordered = sorted(set(keys), key=Expr.sort_key)
    chosen = {_aggregate(aggregate, rename) for aggregate in needed}
    figures = sorted(chosen, key=lambda aggregate: json.dumps(aggregate.to_json()))

    def name_now(name: str) -> str:
        place = int(name.partition(".")[2])
        if name.startswith("key."):
            return f"key.{ordered.index(keys[place])}"
        return f"agg.{figures.index(aggregates[place])}"

    where = conjunction(*(_moved(condition, name_now) for condition in kept))
    return Derived(source, tuple(ordered), tuple(figures), where), name_now


def _key(derived: Derived, name: str) -> Expr:
    """Return the formula of a grouping's key."""
    made = made_of(derived, name)
    return made if isinstance(made, Expr) else Expr("null")


def _settled_join(join: Join, conditions: tuple[Expr, ...], used: set[str]) -> Settled:
    """Return a join whose conditions on one side are that side's, and whose private sides stand in one order."""
    left_only = [c for c in conditions if (names := _read([c])) and all(n.startswith("l.") for n in names)]
    right_only = [c for c in conditions if (names := _read([c])) and all(n.startswith("r.") for n in names)]
    if join.is_left:
        right_only = []
    kept = [c for c in conditions if c not in left_only and c not in right_only]
    used = used | _read(kept)
    on = () if join.on is None else (join.on,)
    left, of_left = _settled(join.left, _inside(left_only), _within(used, "l.") | _read(on))
    right, of_right = _settled(join.right, _inside(right_only), _within(used, "r."))
    is_swapped = not on and not join.is_left and _text(right) < _text(left)
    sides = {"l.": ("r." if is_swapped else "l.", of_left), "r.": ("l." if is_swapped else "r.", of_right)}

    def name_now(name: str) -> str:
        if name == MATCHED:
            return name
        prefix, rename = sides[name[:2]]
        return prefix + rename(name[2:])

    where = conjunction(*(_moved(condition, name_now) for condition in kept))
    first, second = (right, left) if is_swapped else (left, right)
    moved_on = None if join.on is None else _moved(join.on, of_left)
    return Join(first, second, join.is_left, moved_on, where), name_now


def _within(names: set[str], prefix: str) -> set[str]:
    """Return the names of one side, as that side calls them."""
    return {name[2:] for name in names if name.startswith(prefix)}


def _inside(conditions: list[Expr]) -> tuple[Expr, ...]:
    """Return conditions on one side of a join, as that side reads them."""
    return tuple(normal(renamed(c, lambda name: Expr("col", value=name[2:]))) for c in conditions)


def _text(relation: Relation) -> str:
    """Return a text that orders equal relations equally."""
    return json.dumps(relation.to_json())
