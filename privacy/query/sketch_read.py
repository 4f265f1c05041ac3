"""SQL back to the form that would have written it, or the reason why there is none.

The reader knows only the shapes that `sketch.write` makes. Whatever it found is written again and parsed, and
unless that gives the very same plan the form is refused: a form never shows another question than the SQL asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query.parse import parse
from privacy.query.parse_text import tree
from privacy.query.sketch import (
    DATE_STEPS,
    LIMITS,
    Condition,
    Figure,
    Group,
    Having,
    Join,
    Sketch,
    SketchInvalid,
    listed,
)
from privacy.query.sketch_write import step_name, write
from privacy.schema import Table

_COMPARED = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_SIMPLE = {
    exp.Sum: "sum",
    exp.Avg: "mean",
    exp.Variance: "variance",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
    exp.Min: "min",
    exp.Max: "max",
    exp.Median: "quantile",
}


class BeyondForm(Exception):
    """The form has no field for something in the SQL; the text names it."""


def read(sql: str, table: Table) -> Sketch:
    """Return the sketch whose SQL asks the same as `sql`; raise BeyondForm, or QueryRejected as `parse` does."""
    plan = parse(sql, table)
    select = tree(sql)
    if not isinstance(select, exp.Select):
        raise BeyondForm("The form writes a plain SELECT only.")
    found = _sketch(select, table)
    try:
        same = parse(write(found, table), table).sha256() == plan.sha256()
    except (SketchInvalid, QueryRejected):
        same = False
    if not same:
        raise BeyondForm("The form would not write exactly the same question.")
    return found


def _sketch(select: exp.Select, table: Table) -> Sketch:
    """Return what a SELECT says, part by part."""
    for clause, word in (("with_", "WITH"), ("distinct", "DISTINCT")):
        if select.args.get(clause):
            raise BeyondForm(f"The form has no {word}.")
    called = _tables(select, table)
    joins = tuple(_join(join, table) for join in select.args.get("joins") or ())
    _qualify(select, table, called)
    groups: list[Group] = []
    figures: list[Figure] = []
    conditions: list[Condition] = []
    for item in select.expressions:
        group = None if figures else _group(item.unalias())
        if group is None:
            conditions += _only(item.unalias(), len(figures))
            figures.append(_figure(item))
        elif group.step and item.alias != step_name(group.column.rpartition(".")[2], group.step):
            raise BeyondForm("The form names a group in steps after its column.")
        else:
            groups.append(group)
    where = select.args.get("where")
    if where is not None:
        conditions[:0] = _conditions(where.this)
    found = Sketch(tuple(figures), tuple(conditions), tuple(groups), joins=joins)
    having = select.args.get("having")
    if having is not None:
        found = replace(found, having=tuple(_having(having.this, select, found)))
    order, descending = _order(select, found)
    limit = select.args.get("limit")
    most = int(limit.expression.name) if limit is not None else None
    return replace(found, order=order, descending=descending, limit=most)


def _tables(select: exp.Select, table: Table) -> dict[str, Table]:
    """Return the declared tables of FROM and its joins by the names that the query calls them."""
    called: dict[str, Table] = {}
    for node in (select.args["from_"].this, *(join.this for join in select.args.get("joins") or ())):
        found = table.find_table(node.name) if isinstance(node, exp.Table) else None
        if found is None:
            raise BeyondForm("The form asks tables, not other queries.")
        called[node.alias_or_name.lower()] = found
    return called


def _join(join: exp.Join, table: Table) -> Join:
    """Return one join: on the privacy unit, or of a public table by a column of the main one."""
    other = table.find_table(join.this.name)
    side = str(join.args.get("side") or "")
    if other is None or side not in ("", "LEFT"):
        raise BeyondForm("The form joins tables by JOIN and LEFT JOIN.")
    if not other.is_public:
        return Join(other.name, "", side == "LEFT")
    on, using = join.args.get("on"), join.args.get("using")
    names = [column.name for column in on.find_all(exp.Column)] if on is not None else [using[0].name] * 2
    key = str(other.key).lower()
    mine = [name for name in names if name.lower() != key] or [names[0]]
    return Join(other.name, mine[0], side == "LEFT")


def _qualify(select: exp.Select, table: Table, called: dict[str, Table]) -> None:
    """Call every column in the tree as a sketch does: the main table's by name, another's as “table.column”."""
    for node in list(select.find_all(exp.Column)):
        owners = [called[node.table.lower()]] if node.table.lower() in called else list(called.values())
        owner = next((each for each in owners if each.find(node.name) is not None), None)
        if owner is not None:
            held = owner.find(node.name)
            name = node.name if held is None else held.name
            node.set(
                "this", exp.to_identifier(name if owner is table else f"{owner.name}.{name}", quoted=True)
            )
            node.set("table", None)


def _column(node: exp.Expression | None) -> str:
    """Return a bare column's name."""
    if not isinstance(node, exp.Column):
        raise BeyondForm("The form computes with columns as they are, not with formulas.")
    return str(node.name)


def _group(node: exp.Expression) -> Group | None:
    """Return a grouping column, in steps or not; None where the item is no group."""
    if isinstance(node, exp.Column):
        return Group(str(node.name))
    if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
        unit = node.args["unit"].name.lower()
        return Group(_column(_bare(node.this)), unit) if unit in DATE_STEPS else None
    if isinstance(node, exp.Mul) and isinstance(node.this, exp.Floor):
        divided, width = node.this.this, node.expression
        if isinstance(divided, exp.Div) and isinstance(width, exp.Literal) and divided.expression == width:
            return Group(_column(divided.this), str(width.name))
    return None


def _bare(node: exp.Expression) -> exp.Expression:
    """Return a column without the conversion that a dialect puts around it."""
    return node.this if isinstance(node, exp.Cast) and isinstance(node.this, exp.Column) else node


def _figure(item: exp.Expression) -> Figure:
    """Return one aggregate as a figure with its name."""
    node, name = item.unalias(), ""
    if isinstance(node, exp.Filter):
        node = node.this
    if isinstance(item, exp.Alias):
        alias = item.args["alias"]
        name = str(alias.name if alias.args.get("quoted") else alias.name.lower())
    if isinstance(node, exp.Count):
        if isinstance(node.this, exp.Distinct):
            return Figure("units", name=name)
        return Figure(
            "count", "" if isinstance(node.this, (exp.Star, exp.Literal)) else _column(node.this), name=name
        )
    if isinstance(node, exp.Window):
        if node.find(exp.Distinct):
            raise BeyondForm("The form has no field for running counts of privacy units.")
        return Figure("running", name=name)
    if isinstance(node, (exp.Quantile, exp.PercentileCont)):
        return Figure(
            "quantile", _column(node.this), str((node.args.get("quantile") or node.expression).name), name
        )
    fn = _SIMPLE.get(type(node))
    if fn is None:
        raise BeyondForm("The form has no field for one of the figures.")
    return Figure(fn, _column(node.this), name=name)


def _conditions(node: exp.Expression) -> Iterator[Condition]:
    """Yield the conditions that AND holds together."""
    if isinstance(node, exp.Paren):
        yield from _conditions(node.this)
    elif isinstance(node, exp.And):
        yield from _conditions(node.this)
        yield from _conditions(node.expression)
    elif isinstance(node, exp.Or):
        yield from _either(node)
    elif isinstance(node, exp.Between):
        yield Condition(_column(node.this), ">=", _value(node.args["low"]))
        yield Condition(_column(node.this), "<=", _value(node.args["high"]))
    elif type(node) in _COMPARED:
        yield Condition(_column(node.this), _COMPARED[type(node)], _value(node.expression))
    elif isinstance(node, exp.In) and node.args.get("query") is None:
        yield Condition(_column(node.this), "in", listed([_value(value) for value in node.expressions]))
    elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        yield Condition(_column(node.this), "unknown")
    elif isinstance(node, exp.Not) and isinstance(node.this, exp.Is):
        yield Condition(_column(node.this.this), "known")
    else:
        raise BeyondForm("The form compares a column with a value, by AND, and by OR within brackets.")


def _either(node: exp.Or) -> Iterator[Condition]:
    """Yield the conditions that OR holds together, each but the first joined with the one before."""
    parts = [part.unnest() for part in node.flatten(unnest=False)]
    for place, part in enumerate(parts):
        found = list(_conditions(part))
        if len(found) != 1:
            raise BeyondForm("The form joins single conditions by OR.")
        yield replace(found[0], is_or=place > 0)


def _only(node: exp.Expression, place: int) -> list[Condition]:
    """Return the conditions of a figure's FILTER."""
    inner = node.this.this if isinstance(node, exp.Window) else node
    if not isinstance(inner, exp.Filter):
        return []
    return [replace(condition, of=place) for condition in _conditions(inner.expression.this)]


def _having(node: exp.Expression, select: exp.Select, found: Sketch) -> Iterator[Having]:
    """Yield which lines of the answer are shown: comparisons of its figures with numbers, held together by AND."""
    if isinstance(node, exp.Paren):
        yield from _having(node.this, select, found)
    elif isinstance(node, exp.And):
        yield from _having(node.this, select, found)
        yield from _having(node.expression, select, found)
    else:
        op, place = _COMPARED.get(type(node), ""), _place(node.this, select, found)
        if op not in LIMITS or place is None or place < len(found.groups):
            raise BeyondForm("The form shows the lines whose figures are above or below a number.")
        yield Having(place - len(found.groups), op, _value(node.expression))


def _value(node: exp.Expression) -> str:
    """Return a literal as it would be typed."""
    if isinstance(node, exp.Boolean):
        return "yes" if node.this else "no"
    if isinstance(node, exp.Cast):
        return _value(node.this)
    if isinstance(node, exp.Neg):
        return f"-{_value(node.this)}"
    if not isinstance(node, exp.Literal):
        raise BeyondForm("The form compares a column with a value, not with a formula.")
    return str(node.this)


def _order(select: exp.Select, found: Sketch) -> tuple[int | None, bool]:
    """Return which column of the answer sorts it, counted from 0, and the direction."""
    order = select.args.get("order")
    if order is None:
        return None, False
    if len(order.expressions) != 1:
        raise BeyondForm("The form sorts by one column.")
    term = order.expressions[0]
    node = term.this
    if isinstance(node, exp.Literal) and not node.is_string:
        return int(node.name) - 1, bool(term.args.get("desc"))
    place = _place(node, select, found)
    if place is None:
        raise BeyondForm("The form sorts by a column of the answer.")
    return place, bool(term.args.get("desc"))


def _place(node: exp.Expression, select: exp.Select, found: Sketch) -> int | None:
    """Return which column of the answer an expression spells out or names; None for none."""
    written = node.sql(dialect="duckdb", identify=True).lower()
    for place, item in enumerate(select.expressions):
        names = {item.unalias().sql(dialect="duckdb", identify=True).lower()}
        if isinstance(item, exp.Alias):
            names.add(f'"{item.alias.lower()}"')
        elif place >= len(found.groups):
            names.add(f'"{_default(found.figures[place - len(found.groups)])}"')
        if written in names:
            return place
    return None


def _default(figure: Figure) -> str:
    """Return the name that the parser gives a figure without one."""
    return f"{figure.fn}_{figure.column.rpartition('.')[2]}".lower() if figure.column else figure.fn
