"""SQL text to Plan: one SELECT, one table, an allow-list of everything else.

The text is read once, here. What this module does not know it refuses, with a public code that names the
clause and the reason; nothing of the text is ever executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.check import check_plan
from privacy.query.normal import normal
from privacy.query.parse_expr import Translator, identifier
from privacy.query.parse_text import tree
from privacy.query.plan import Aggregate, Expr, Order, Output, Plan
from privacy.query.relation import Scan
from privacy.schema import Table

AGGREGATE_NODES = (exp.Count, exp.Sum, exp.Avg, exp.Filter, exp.CountIf)

_EMPTY_CLAUSES = {  # every other part of a SELECT must be absent
    "joins": refuse.join,
    "with_": refuse.with_clause,
    "distinct": refuse.distinct,
    "offset": refuse.offset,
    "qualify": refuse.window,
    "windows": refuse.window,
}
_READ_CLAUSES = {"expressions", "from_", "where", "group", "having", "order", "limit"}


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
    select = _select(parsed)
    alias = _source(select, table)
    parts = _Parts(table, Translator(table, alias))
    where = select.args.get("where")
    row_filter = None if where is None else normal(parts.rows.condition(where.this, "WHERE"))
    parts.keys = _keys(select, parts)
    post = _Post(parts)
    for index, item in enumerate(select.expressions):
        parts.outputs.append(post.output(item, index))
    having, order = select.args.get("having"), select.args.get("order")
    plan = Plan(
        table=table.name,
        source=Scan(table.name),
        where=row_filter,
        keys=tuple(parts.keys),
        outputs=tuple(parts.outputs),
        having=None if having is None else normal(post.expr(having.this, "HAVING")),
        order=() if order is None else tuple(post.order(term) for term in order.expressions),
        limit=_limit(select),
        aggregates=tuple(parts.aggregates),
    )
    check_plan(plan, table)
    return plan


def _select(node: exp.Expression) -> exp.Select:
    """Return the SELECT after refusing every other statement and every clause that is not read."""
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
        raise refuse.subquery("SELECT")
    if isinstance(node, exp.SetOperation):
        raise refuse.set_operation()
    if not isinstance(node, exp.Select):
        raise refuse.not_select()
    for name, value in node.args.items():
        if not value or name in _READ_CLAUSES:
            continue
        if name in _EMPTY_CLAUSES:
            raise _EMPTY_CLAUSES[name]()
        raise refuse.clause(name.strip("_").upper())
    return node


def _source(select: exp.Select, table: Table) -> str:
    """Return the alias under which the one table is read; refuse any other source."""
    source = select.args.get("from_")
    node = None if source is None else source.this
    if isinstance(node, exp.Subquery):
        raise refuse.subquery("FROM")
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise refuse.unknown_table(table.name)
    if node.args.get("joins"):
        raise refuse.join()
    alias = node.args.get("alias")
    extras = {name for name, value in node.args.items() if value} - {"this", "alias"}
    if extras or (alias is not None and alias.args.get("columns")):
        raise refuse.unknown_table(table.name) if extras & {"db", "catalog"} else refuse.clause("FROM")
    if node.this.name.lower() != table.name.lower():
        raise refuse.unknown_table(table.name)
    return str(node.this.name if alias is None else alias.name)


def _keys(select: exp.Select, parts: _Parts) -> list[Expr]:
    """Return the expressions of GROUP BY, each also by its alias or its position in the SELECT list."""
    group = select.args.get("group")
    if group is None:
        return []
    if any(value for name, value in group.args.items() if name != "expressions"):
        raise refuse.group_expression()
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    keys: list[Expr] = []
    for node in group.expressions:
        target = node.unnest()
        if isinstance(target, exp.Literal) and not target.is_string and target.name.isdigit():
            position = int(target.name)
            if not 1 <= position <= len(select.expressions):
                raise refuse.group_expression()
            target = select.expressions[position - 1].unalias()
        elif isinstance(target, exp.Column) and not parts.rows.knows(target) and not target.args.get("table"):
            target = aliases.get(identifier(target.this).lower(), target)
        if isinstance(target, (exp.Rollup, exp.Cube, exp.GroupingSets)):
            raise refuse.group_expression()
        key = normal(parts.rows.expr(target, "GROUP BY"))
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
        self.translate = Translator(parts.table, parts.rows.alias, leaf=self._leaf)

    def _leaf(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return a key, an aggregate or a named output for `node`; None lets the translator go on."""
        if isinstance(node, AGGREGATE_NODES):
            return self.parts.aggregate(self._aggregate(node, clause))
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

    def _named(self, node: exp.Column, clause: str) -> Expr | None:
        """Return the output that HAVING or ORDER BY calls by its alias."""
        if clause == "SELECT" or node.args.get("table"):
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
        return Output(named or self._default_name(expr, index), normal(expr))

    def _default_name(self, expr: Expr, index: int) -> str:
        """Return the name of an item that was given none."""
        base = f"column_{index + 1}"
        if expr.op == "key":
            key = self.parts.keys[int(expr.value or 0)]
            return (key.value or base) if key.op == "col" else base
        if expr.op == "agg":
            aggregate = self.parts.aggregates[int(expr.value or 0)]
            arg = aggregate.arg.value if aggregate.arg is not None and aggregate.arg.op == "col" else None
            base = f"{aggregate.fn}_{arg}" if arg else aggregate.fn
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

    def _aggregate(self, node: exp.Expression, clause: str) -> Aggregate:
        """Return one aggregate call with its argument and its FILTER."""
        rows = self.parts.rows
        if isinstance(node, exp.Filter):
            if not isinstance(node.this, AGGREGATE_NODES) or not isinstance(node.expression, exp.Where):
                raise refuse.unknown_function("FILTER", clause)
            inner = self._aggregate(node.this, clause)
            only = normal(rows.condition(node.expression.this, "FILTER"))
            return Aggregate(inner.fn, inner.arg, only)
        if isinstance(node, exp.CountIf):
            return Aggregate("count", None, normal(rows.condition(node.this, clause)))
        arg = node.this
        if isinstance(arg, exp.Distinct):
            return self._distinct(node, arg, clause)
        if isinstance(node, exp.Count):
            if node.expressions:
                raise refuse.unknown_function("COUNT of several columns", clause)
            if arg is None or isinstance(arg, (exp.Star, exp.Literal)):
                return Aggregate("count")
            counted = normal(rows.expr(arg, clause))
            return Aggregate("count", counted)
        fn = "sum" if isinstance(node, exp.Sum) else "mean"
        return Aggregate(fn, normal(rows.expr(arg, clause)))

    def _distinct(self, node: exp.Expression, distinct: exp.Distinct, clause: str) -> Aggregate:
        """Return COUNT(DISTINCT privacy unit), the only aggregate of distinct values."""
        unit = self.parts.table.unit
        args = distinct.expressions
        is_unit = (
            isinstance(node, exp.Count)
            and len(args) == 1
            and isinstance(args[0], exp.Column)
            and self.parts.rows.is_unit(args[0])
        )
        if not is_unit:
            raise refuse.count_distinct(unit.name, clause)
        return Aggregate("count") if unit.column is None else Aggregate("units")
