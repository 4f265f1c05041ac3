"""The SELECT of a sub-query: a projection of rows, or one row for each unit and value of its groupings."""

from __future__ import annotations

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse, refuse_source
from privacy.query.expr import Aggregate, Expr
from privacy.query.names import Name, Names, identifier
from privacy.query.normal import normal
from privacy.query.parse_expr import Translator

AGGREGATES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.CountIf, exp.Filter)
_FUNCTIONS = {exp.Count: "count", exp.Sum: "sum", exp.Avg: "mean", exp.Min: "min", exp.Max: "max"}


class Inner:
    """Reads the SELECT list, GROUP BY, HAVING and DISTINCT of one sub-query."""

    def __init__(self, names: Names, unit: str) -> None:
        self.names = names
        self.unit = unit
        self.rows = Translator(names)
        self.keys: list[Expr] = []
        self.aggregates: list[Aggregate] = []
        self.answer = Names(())
        self.over = Translator(names, leaf=self._leaf)

    def is_grouped(self, select: exp.Select) -> bool:
        """Say whether the sub-query makes groups."""
        if any(select.args.get(name) for name in ("group", "distinct", "having")):
            return True
        return any(item.find(*AGGREGATES) is not None for item in select.expressions)

    def projected(self, select: exp.Select) -> Names:
        """Return the names of the SELECT list's columns, each with its formula over the rows read."""
        columns: list[Name] = []
        for index, item in enumerate(select.expressions):
            node = item.unalias()
            if isinstance(node, exp.Star) or (
                isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
            ):
                columns += self._star(node)
                continue
            shown = _shown(item, index)
            if self.names.is_unit(node):
                columns.append(Name("", shown, None))
                if not self.names.knows(node):
                    continue
            columns.append(Name("", shown, normal(self.rows.expr(node, "SELECT"))))
        return Names(tuple(columns))

    def _star(self, node: exp.Expression) -> list[Name]:
        """Return every column, or those of one qualifier."""
        if any(value for name, value in node.args.items() if name not in ("this", "table")):
            raise refuse.clause("SELECT *")
        table = node.args.get("table")
        alias = None if table is None else identifier(table).lower()
        return [column for column in self.names.columns if alias in (None, column.alias.lower())]

    def grouped(self, select: exp.Select) -> Names:
        """Collect the keys beside the unit and the aggregates; return the names of the SELECT list's columns."""
        distinct = select.args.get("distinct")
        if distinct is not None:
            if distinct.args.get("on") or select.args.get("group"):
                raise refuse.clause("DISTINCT")
            nodes = [item.unalias() for item in select.expressions]
        else:
            nodes = self._group_nodes(select)
        if not any(self.names.is_unit(node) for node in nodes):
            raise (
                refuse_source.inner_distinct(self.unit)
                if distinct is not None
                else refuse_source.inner_group(self.unit)
            )
        for node in nodes:
            if self.names.is_unit(node):
                continue
            key = normal(self.rows.expr(node, "GROUP BY"))
            if key not in self.keys:
                self.keys.append(key)
        columns: list[Name] = []
        for index, item in enumerate(select.expressions):
            node = item.unalias()
            is_unit = self.names.is_unit(node)
            expr = None if is_unit else normal(self.formula(node, "SELECT"))
            columns.append(Name("", _shown(item, index), expr))
        self.answer = Names(tuple(columns))
        return self.answer

    def _group_nodes(self, select: exp.Select) -> list[exp.Expression]:
        """Return the expressions of GROUP BY, positions and aliases of the SELECT list resolved."""
        group = select.args.get("group")
        if group is None:
            return []
        if any(value for name, value in group.args.items() if name != "expressions"):
            raise refuse.group_expression()
        return [group_node(node, select, self.names) for node in group.expressions]

    def formula(self, node: exp.Expression, clause: str) -> Expr:
        """Return an expression over the grouped rows."""
        return self.over.expr(node, clause)

    def _leaf(self, node: exp.Expression, clause: str) -> Expr | None:
        """Return a key or an aggregate as a column of the grouped rows; None lets the translator go on."""
        if isinstance(node, AGGREGATES):
            aggregate = self._aggregate(node, clause)
            if aggregate not in self.aggregates:
                self.aggregates.append(aggregate)
            return Expr("col", value=f"agg.{self.aggregates.index(aggregate)}")
        if isinstance(node, (exp.AggFunc, exp.WithinGroup)):
            raise refuse_source.inner_function(str(node.key).upper().replace("_", " "), clause)
        if clause == "HAVING" and isinstance(node, exp.Column) and not self.names.knows(node):
            return self.answer.find(node, clause).expr
        if isinstance(node, exp.Literal) or node.find(*AGGREGATES) is not None:
            return None
        try:
            expr = normal(self.rows.expr(node, clause))
        except QueryRejected:
            if isinstance(node, exp.Column):
                raise
            return None
        if expr in self.keys:
            return Expr("col", value=f"key.{self.keys.index(expr)}")
        if isinstance(node, exp.Column):
            raise refuse.ungrouped_column(node.name, clause)
        return None

    def _aggregate(self, node: exp.Expression, clause: str) -> Aggregate:
        """Return one aggregate over the rows of a unit."""
        if isinstance(node, exp.Filter):
            if not isinstance(node.this, AGGREGATES) or not isinstance(node.expression, exp.Where):
                raise refuse.unknown_function("FILTER", clause)
            inner = self._aggregate(node.this, clause)
            return Aggregate(inner.fn, inner.arg, normal(self.rows.expr(node.expression.this, "FILTER")))
        if isinstance(node, exp.CountIf):
            return Aggregate("count", None, normal(self.rows.expr(node.this, clause)))
        if node.expressions:
            raise refuse.unknown_function("An aggregate of several columns", clause)
        fn, arg = _FUNCTIONS[type(node)], node.this
        if fn == "count" and (
            arg is None or isinstance(arg, (exp.Star, exp.Literal)) or self.names.is_unit(arg)
        ):
            return Aggregate("count")
        if isinstance(arg, exp.Distinct):
            if fn != "count" or len(arg.expressions) != 1:
                raise refuse.unknown_function(f"{fn.upper()} of DISTINCT values", clause)
            return Aggregate("distinct", normal(self.rows.expr(arg.expressions[0], clause)))
        return Aggregate(fn, normal(self.rows.expr(arg, clause)))


def group_node(node: exp.Expression, select: exp.Select, names: Names) -> exp.Expression:
    """Return the expression that one term of GROUP BY means: itself, or an item of the SELECT list."""
    target = node.unnest()
    if isinstance(target, (exp.Rollup, exp.Cube, exp.GroupingSets)):
        raise refuse.group_expression()
    if isinstance(target, exp.Literal) and not target.is_string and target.name.isdigit():
        position = int(target.name)
        if not 1 <= position <= len(select.expressions):
            raise refuse.group_expression()
        return select.expressions[position - 1].unalias()
    if not isinstance(target, exp.Column) or target.args.get("table"):
        return target
    if names.knows(target) or names.is_unit(target):
        return target
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    return aliases.get(identifier(target.this).lower(), target)


def _shown(item: exp.Expression, index: int) -> str:
    """Return the name of an item of the SELECT list."""
    node = item.unalias()
    if isinstance(item, exp.Alias):
        alias = item.args["alias"]
        return str(alias.name if alias.args.get("quoted") else alias.name.lower())
    return identifier(node.this) if isinstance(node, exp.Column) else f"column_{index + 1}"
