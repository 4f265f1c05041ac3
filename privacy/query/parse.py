"""SQL text to Plan: one SELECT, one table, an allow-list of everything else.

The text is read once, here. What this module does not know it refuses, with a public code that names the
clause and the reason; nothing of the text is ever executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.arrange import arranged
from privacy.query.check import check_plan
from privacy.query.names import identifier
from privacy.query.normal import normal
from privacy.query.parse_aggregate import AGGREGATE_NODES, aggregate_of, running_of
from privacy.query.parse_expr import Translator
from privacy.query.parse_inner import group_node
from privacy.query.parse_source import Sources, checked
from privacy.query.parse_text import tree
from privacy.query.plan import Aggregate, Expr, Order, Output, Plan
from privacy.schema import Table


@dataclass
class _Parts:
    """What a SELECT's clauses have been turned into so far."""

    table: Table
    rows: Translator
    keys: list[Expr] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)

    def key(self, expr: Expr) -> Expr | None:
        """Return the answer's column for the grouping expression `expr`, or None."""
        return Expr("key", value=str(self.keys.index(expr))) if expr in self.keys else None

    def aggregate(self, aggregate: Aggregate) -> Expr:
        """Return the answer's column for `aggregate`, sharing one noisy value between equal ones."""
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        return Expr("agg", value=str(self.aggregates.index(aggregate)))


def parse(sql: str, table: Table) -> Plan:
    """Return the plan of one SELECT over `table`; raise QueryRejected with a public code on anything else."""
    parsed = tree(sql)
    try:
        return _plan(parsed, table)
    except RecursionError:
        raise refuse.too_deep() from None


def _plan(parsed: exp.Expression, table: Table) -> Plan:
    """Return the checked plan of a syntax tree."""
    select = _outermost(parsed)
    source = Sources(table).read(select)
    parts = _Parts(table, Translator(source.names))
    parts.keys = _keys(select, parts)
    post = _Post(parts)
    for index, item in enumerate(select.expressions):
        parts.outputs.append(post.output(item, index))
    having, order = select.args.get("having"), select.args.get("order")
    plan = Plan(
        table=table.name,
        source=source.relation,
        keys=tuple(parts.keys),
        outputs=tuple(parts.outputs),
        having=None if having is None else normal(post.expr(having.this, "HAVING")),
        order=() if order is None else tuple(post.order(term) for term in order.expressions),
        limit=_limit(select),
        aggregates=tuple(parts.aggregates),
    )
    plan = arranged(plan)
    check_plan(plan, table)
    return plan


def _outermost(parsed: exp.Expression) -> exp.Select:
    """Return the outermost SELECT; refuse what would show exact values."""
    if isinstance(parsed, exp.Subquery):
        raise refuse.subquery("SELECT")
    select = checked(parsed)
    if select.args.get("distinct"):
        raise refuse.distinct()
    if select.args.get("offset"):
        raise refuse.offset()
    return select


def _keys(select: exp.Select, parts: _Parts) -> list[Expr]:
    """Return the expressions of GROUP BY, each also by its alias or its position in the SELECT list."""
    group = select.args.get("group")
    if group is None:
        return []
    if any(value for name, value in group.args.items() if name != "expressions"):
        raise refuse.group_expression()
    keys: list[Expr] = []
    for node in group.expressions:
        key = normal(parts.rows.expr(group_node(node, select, parts.rows.names), "GROUP BY"))
        if not any(part.op == "col" for part in key.walk()):
            raise refuse.group_expression()
        if key not in keys:
            keys.append(key)
    return keys


def _limit(select: exp.Select) -> int | None:
    """Return LIMIT's whole number."""
    node = select.args.get("limit")
    if node is None:
        return None
    value = node.args.get("expression")
    extras = {name for name, given in node.args.items() if given} - {"expression"}
    if not isinstance(node, exp.Limit) or extras or not isinstance(value, exp.Literal) or value.is_string:
        raise refuse.bad_limit()
    if not value.name.isdigit() or not 1 <= int(value.name) <= 10**6:
        raise refuse.bad_limit()
    return int(value.name)


class _Post:
    """Turns what stands above the noise: SELECT items, HAVING and ORDER BY."""

    def __init__(self, parts: _Parts) -> None:
        self.parts = parts
        self.translate = Translator(parts.rows.names, leaf=self._leaf)

    def _leaf(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return a key, an aggregate or a named output for `node`; None lets the translator go on."""
        if isinstance(node, AGGREGATE_NODES):
            return self.parts.aggregate(aggregate_of(node, clause, self.parts.rows, self.parts.table.unit))
        if isinstance(node, exp.Window):
            keys = len(self.parts.keys)
            return self.parts.aggregate(
                running_of(node, self.parts.rows, self.parts.table.unit, self._grouping, keys)
            )
        if isinstance(node, exp.Column):
            named = self._named(node, clause)
            if named is not None:
                return named
        return self._grouped(node, clause)

    def _grouped(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return the key that `node` spells out; refuse a column that is no part of one."""
        if isinstance(node, exp.Literal) or node.find(*AGGREGATE_NODES) is not None:
            return None
        try:
            expr = normal(self.parts.rows.expr(node, clause))
        except QueryRejected:
            if isinstance(node, exp.Column):
                raise
            return None
        key = self.parts.key(expr)
        if key is None and isinstance(node, exp.Column):
            raise refuse.ungrouped_column(node.name, clause)
        return key

    def _grouping(self, node: exp.Expression) -> Expr | None:
        """Return the grouping expression that a part of OVER spells out."""
        return self.expr(node, "OVER")

    def _named(self, node: exp.Column, clause: str) -> Expr | None:
        """Return the output that HAVING or ORDER BY calls by its alias."""
        if clause in ("SELECT", "OVER") or node.args.get("table"):
            return None
        name = identifier(node.this)
        return next((out.expr for out in self.parts.outputs if out.name.lower() == name.lower()), None)

    def expr(self, node: exp.Expression, clause: str) -> Expr:
        """Return `node` as an expression over the answer."""
        return self.translate.expr(node, clause)

    def output(self, item: exp.Expression, index: int) -> Output:
        """Return one SELECT item with its name."""
        if isinstance(item, exp.Star):
            raise refuse.select_star()
        named = item.alias if isinstance(item, exp.Alias) else ""
        if named:
            alias = item.args["alias"]
            named = alias.name if alias.args.get("quoted") else alias.name.lower()
        expr = self.expr(item.unalias(), "SELECT")
        return Output(named or self._default_name(item, expr, index), normal(expr))

    def _default_name(self, item: exp.Expression, expr: Expr, index: int) -> str:
        """Return the name of an item that was given none."""
        base = f"column_{index + 1}"
        if isinstance(item, exp.Column):
            return self.parts.rows.names.find(item, "SELECT").shown
        if expr.op == "agg":
            fn = self.parts.aggregates[int(expr.value or 0)].fn
            inner = next(iter(item.find_all(exp.Column)), None)
            is_plain = isinstance(item, AGGREGATE_NODES) and item.this is inner
            named = (
                None if inner is None or not is_plain else self.parts.rows.names.find(inner, "SELECT").shown
            )
            base = f"{fn}_{named}" if named else fn
        taken = {output.name.lower() for output in self.parts.outputs}
        return base if base.lower() not in taken else f"{base}_{index + 1}"

    def order(self, term: exp.Expression) -> Order:
        """Return one term of ORDER BY, an expression or a position in the SELECT list."""
        node = term.this
        if term.args.get("with_fill"):
            raise refuse.clause("ORDER BY")
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
            position = int(node.name)
            if not 1 <= position <= len(self.parts.outputs):
                raise refuse.clause("ORDER BY")
            return Order(self.parts.outputs[position - 1].expr, bool(term.args.get("desc")))
        return Order(normal(self.expr(node, "ORDER BY")), bool(term.args.get("desc")))
