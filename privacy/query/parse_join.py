"""JOIN … ON and USING: on the privacy unit between private tables, on the key with a public one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from sqlglot import exp

from privacy.query import refuse_source
from privacy.query.expr import Expr
from privacy.query.names import Names, identifier
from privacy.query.normal import conjunction, normal
from privacy.query.parse_expr import Translator
from privacy.query.relation import Join, Relation
from privacy.query.scope import is_public, key_name
from privacy.schema import Table


class Side(Protocol):
    """One side of a join."""

    @property
    def relation(self) -> Relation: ...

    @property
    def names(self) -> Names: ...


def joined(left: Side, right: Side, join: exp.Join, main: Table) -> tuple[Relation, Names]:
    """Return the relation of a join and the names of its columns; refuse every join that is not on unit or key."""
    is_left = _kind(join)
    if join.args.get("side") == "RIGHT" or (is_public(left.relation, main) and not is_left):
        left, right = right, left
    if is_public(left.relation, main):
        raise refuse_source.public_only()
    return _Joiner(left, right, main, is_left=is_left).build(join)


def _kind(join: exp.Join) -> bool:
    """Say whether a join keeps one side's rows without a partner; refuse all but inner, left and right ones."""
    side, kind = join.args.get("side") or "", join.args.get("kind") or ""
    extras = {name for name, value in join.args.items() if value} - {"this", "side", "kind", "on", "using"}
    if extras or side not in ("", "LEFT", "RIGHT") or kind not in ("", "INNER", "OUTER"):
        spoken = join.args.get("method") or (side if side == "FULL" else kind) or "This kind of"
        raise refuse_source.join_form(f"{spoken} JOIN")
    return bool(side)


class _Joiner:
    """Reads one join's condition."""

    def __init__(self, left: Side, right: Side, main: Table, *, is_left: bool) -> None:
        self.left, self.right = left.relation, right.relation
        self.own, self.other = left.names, right.names
        self.is_left = is_left
        self.key = key_name(self.right, main) if is_public(self.right, main) else None

    def build(self, join: exp.Join) -> tuple[Relation, Names]:
        """Return the relation and its names."""
        using = join.args.get("using") or ()
        pairs, rest = self._using(using) if using else self._on(join.args.get("on"))
        if len(pairs) != 1:
            raise refuse_source.join_condition()
        names = Names(
            self.own.on_side("l.").columns
            + self.other.on_side("r.", may_lack=self.is_left)
            .hiding({identifier(node).lower() for node in using})
            .columns
        )
        right, where = self.right, None
        for condition in rest:
            if self.is_left:  # ON chooses partners, so what reads only them chooses among them
                if not self._reads_only(condition, self.other):
                    raise refuse_source.join_condition()
                chosen = normal(Translator(self.other).expr(condition, "ON"))
                right = _where(right, chosen)
            else:
                where = conjunction(where, normal(Translator(names).expr(condition, "ON")))
        return Join(self.left, right, self.is_left, pairs[0], where), names

    def _using(self, using: list[exp.Expression]) -> tuple[list[Expr | None], list[exp.Expression]]:
        """Return what USING matches on."""
        if len(using) != 1:
            raise refuse_source.join_condition()
        name = exp.Column(this=using[0].copy())
        found = self._pair(name, name)
        return ([] if found is None else [found[0]]), []

    def _on(self, on: exp.Expression | None) -> tuple[list[Expr | None], list[exp.Expression]]:
        """Return what ON matches on, and its further conditions."""
        pairs: list[Expr | None] = []
        rest: list[exp.Expression] = []
        for condition in _conjuncts(on):
            found = None
            if isinstance(condition, exp.EQ) and not pairs:
                one, other = condition.this.unnest(), condition.expression.unnest()
                found = self._pair(one, other) or self._pair(other, one)
            if found is None:
                rest.append(condition)
            else:
                pairs += found
        return pairs, rest

    def _pair(self, own: exp.Expression, other: exp.Expression) -> list[Expr | None] | None:
        """Return [None] for a match of units, [the left value] for a look-up of the key, None for neither."""
        if self.key is None:
            return [None] if self.own.is_unit(own) and self.other.is_unit(other) else None
        if not isinstance(other, exp.Column) or not self.other.knows(other):
            return None
        if self.other.find(other, "ON").expr != Expr("col", value=self.key):
            return None
        if not self._reads_only(own, self.own):
            return None
        return [normal(Translator(self.own).expr(own, "ON"))]

    @staticmethod
    def _reads_only(node: exp.Expression, names: Names) -> bool:
        """Say whether every column in `node` belongs to one side."""
        return all(names.knows(column) for column in node.find_all(exp.Column))


def _where(relation: Relation, condition: Expr) -> Relation:
    """Return a relation with one more condition."""
    return replace(relation, where=conjunction(relation.where, condition))


def _conjuncts(node: exp.Expression | None) -> Iterator[exp.Expression]:
    """Yield the parts of a condition that must all hold."""
    if node is None:
        return
    if isinstance(node, exp.Paren):
        yield from _conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    else:
        yield node
