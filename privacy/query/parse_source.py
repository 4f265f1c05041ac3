"""FROM, JOIN, WITH and sub-queries to relations: everything beneath the final aggregate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from privacy.query import refuse, refuse_source
from privacy.query.expr import Expr
from privacy.query.names import Names
from privacy.query.normal import conjunction, normal
from privacy.query.parse_expr import Translator
from privacy.query.parse_inner import Inner
from privacy.query.parse_join import joined
from privacy.query.relation import MAX_RELATIONS, Derived, Relation, Scan, within
from privacy.schema import Table

READ = {"expressions", "from_", "joins", "with_", "where", "group", "having", "order", "limit", "distinct"}
INNER_REFUSED = {"order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET"}


@dataclass(frozen=True)
class Read:
    """A relation and what its columns are called."""

    relation: Relation
    names: Names

    def where(self, condition: Expr) -> Read:
        """Return the same with only the rows where `condition` holds."""
        return replace(
            self, relation=replace(self.relation, where=conjunction(self.relation.where, condition))
        )


class Sources:
    """Reads the sources of one query over a dataset's tables; `known` are the WITH names in reach."""

    def __init__(self, main: Table, known: Mapping[str, Read] | None = None) -> None:
        self.main = main
        self.known = dict(known or {})

    def read(self, select: exp.Select) -> Read:
        """Return what a SELECT reads FROM, its WITH and WHERE applied."""
        inner = Sources(self.main, self.known)
        inner.learn(select.args.get("with_"))
        source = select.args.get("from_")
        if source is None:
            raise refuse.unknown_table(self.main.name)
        found = inner.item(source.this)
        for join in select.args.get("joins") or ():
            found = Read(*joined(found, inner.item(join.this), join, self.main))
            if sum(1 for _ in within(found.relation)) > MAX_RELATIONS:
                raise refuse_source.too_many_relations()
        where = select.args.get("where")
        if where is None:
            return found
        return found.where(normal(Translator(found.names).expr(where.this, "WHERE")))

    def learn(self, clause: exp.Expression | None) -> None:
        """Read the sub-queries of WITH, each in reach of those after it."""
        if clause is None:
            return
        if clause.args.get("recursive"):
            raise refuse_source.recursive()
        for part in clause.expressions:
            alias = part.args.get("alias")
            extras = {name for name, value in part.args.items() if value} - {"this", "alias", "materialized"}
            if alias is None or alias.args.get("columns") or extras:
                raise refuse.clause("WITH")
            self.known[alias.name.lower()] = self.sub_query(part.this)

    def item(self, node: exp.Expression) -> Read:
        """Return one item of FROM: a table, a WITH name or a sub-query, under its alias."""
        alias = node.args.get("alias")
        extras = {name for name, value in node.args.items() if value} - {"this", "alias"}
        if extras & {"db", "catalog"}:
            raise refuse.unknown_table(self.main.name)
        if "joins" in extras:
            raise refuse_source.join_form("A join in brackets")
        if extras or (alias is not None and alias.args.get("columns")):
            raise refuse.clause("FROM")
        if isinstance(node, exp.Subquery):
            found, name = self.sub_query(node.this), "" if alias is None else alias.name
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            found, name = self._named(node.this.name), node.this.name if alias is None else alias.name
        else:
            raise refuse.unknown_table(self.main.name)
        return replace(found, names=found.names.aliased(name))

    def _named(self, name: str) -> Read:
        """Return a WITH name's relation, or a declared table."""
        known = self.known.get(name.lower())
        if known is not None:
            return known
        table = self.main.find_table(name)
        if table is None:
            raise refuse.unknown_table(self.main.name)
        return Read(Scan(table.name), Names.of_table(table))

    def sub_query(self, select: exp.Expression) -> Read:
        """Return the relation of a SELECT whose rows carry the privacy unit."""
        if isinstance(select, exp.Subquery) and not select.args.get("alias"):
            return self.sub_query(select.this)
        if isinstance(select, exp.Table):
            raise refuse_source.join_form("A join in brackets")
        select = checked(select)
        for name, clause in INNER_REFUSED.items():
            if select.args.get(name):
                raise refuse_source.inner_clause(clause)
        source = self.read(select)
        inner = Inner(source.names, self.main.unit.name)
        if inner.is_grouped(select):
            names, having = inner.grouped(select), select.args.get("having")
            where = None if having is None else normal(inner.formula(having.this, "HAVING"))
            return Read(Derived(source.relation, tuple(inner.keys), tuple(inner.aggregates), where), names)
        return Read(source.relation, inner.projected(select))


def checked(node: exp.Expression) -> exp.Select:
    """Return the SELECT after refusing every other statement and every clause that is not read."""
    if isinstance(node, exp.SetOperation):
        raise refuse.set_operation()
    if not isinstance(node, exp.Select):
        raise refuse.not_select()
    for name, value in node.args.items():
        if not value or name in READ or name == "offset":
            continue
        raise refuse.window() if name in ("qualify", "windows") else refuse.clause(name.strip("_").upper())
    return node
