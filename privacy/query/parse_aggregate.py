"""Syntax-tree aggregate calls to ours: counts, sums, means, spreads, order statistics and running counts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.expr import Aggregate, Expr
from privacy.query.normal import normal
from privacy.query.parse_expr import Translator
from privacy.schema import decimal_text
from privacy.unit import PrivacyUnit

_ONE_ARGUMENT = {
    exp.Sum: "sum",
    exp.Avg: "mean",
    exp.Variance: "variance",
    exp.VariancePop: "variance_pop",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
    exp.StddevPop: "stddev_pop",
    exp.Min: "min",
    exp.Max: "max",
    exp.Median: "quantile",
}
_QUANTILES = (exp.PercentileCont, exp.PercentileDisc, exp.Quantile)
AGGREGATE_NODES = (exp.Count, exp.CountIf, exp.Filter, exp.WithinGroup, *_ONE_ARGUMENT, *_QUANTILES)
_HARMLESS = {"big_int", "typed", "safe"}
DECIMALS = 3  # of a quantile's share

KeyOf = Callable[[exp.Expression], Expr | None]


def aggregate_of(node: exp.Expression, clause: str, rows: Translator, unit: PrivacyUnit) -> Aggregate:
    """Return one aggregate call with its argument and its FILTER; raise QueryRejected on what is not answered."""
    if isinstance(node, exp.Filter):
        if not isinstance(node.this, AGGREGATE_NODES) or not isinstance(node.expression, exp.Where):
            raise refuse.unknown_function("FILTER", clause)
        inner = aggregate_of(node.this, clause, rows, unit)
        only = normal(rows.expr(node.expression.this, "FILTER"))
        return Aggregate(inner.fn, inner.arg, only, inner.param)
    if isinstance(node, exp.CountIf):
        return Aggregate("count", None, normal(rows.expr(node.this, clause)))
    if isinstance(node.this, exp.Distinct):
        return _distinct(node, node.this, clause, rows, unit)
    if isinstance(node, exp.Count):
        return _count(node, clause, rows)
    if isinstance(node, (exp.WithinGroup, *_QUANTILES)):
        return _quantile(node, clause, rows)
    _refuse_extras(node, clause, "this")
    param = "0.5" if isinstance(node, exp.Median) else None
    return Aggregate(_ONE_ARGUMENT[type(node)], normal(rows.expr(node.this, clause)), None, param)


def _refuse_extras(node: exp.Expression, clause: str, *allowed: str) -> None:
    """Refuse a call that carries any argument beside those that are read."""
    if {name for name, value in node.args.items() if value} - {*allowed} - _HARMLESS:
        raise refuse.unknown_function(f"{str(node.key).upper()} with so many arguments", clause)


def _count(node: exp.Count, clause: str, rows: Translator) -> Aggregate:
    """Return COUNT(*) or COUNT(expression)."""
    if node.expressions:
        raise refuse.unknown_function("COUNT of several columns", clause)
    if node.this is None or isinstance(node.this, (exp.Star, exp.Literal)):
        return Aggregate("count")
    return Aggregate("count", normal(rows.expr(node.this, clause)))


def _distinct(
    node: exp.Expression, distinct: exp.Distinct, clause: str, rows: Translator, unit: PrivacyUnit
) -> Aggregate:
    """Return COUNT(DISTINCT privacy unit), the only aggregate of distinct values."""
    args = distinct.expressions
    is_one_column = isinstance(node, exp.Count) and len(args) == 1 and isinstance(args[0], exp.Column)
    if not is_one_column or not rows.names.is_unit(args[0]):
        raise refuse.count_distinct(unit.name, clause)
    return Aggregate("count") if unit.column is None else Aggregate("units")


def _quantile(node: exp.Expression, clause: str, rows: Translator) -> Aggregate:
    """Return QUANTILE_CONT(x, p) and its kin, or PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY x)."""
    is_down = False
    if isinstance(node, exp.WithinGroup):
        call, order = node.this, node.expression
        terms = order.expressions if isinstance(order, exp.Order) else []
        if not isinstance(call, (exp.PercentileCont, exp.PercentileDisc)) or len(terms) != 1:
            raise refuse.unknown_function("WITHIN GROUP", clause)
        _refuse_extras(call, clause, "this")
        share, value, is_down = call.this, terms[0].this, bool(terms[0].args.get("desc"))
    else:
        name = "quantile" if isinstance(node, exp.Quantile) else "expression"
        _refuse_extras(node, clause, "this", name)
        share, value = node.args.get(name), node.this
    exact = _share(share, clause)
    fraction = 1 - exact if is_down else exact
    arg = normal(rows.expr(value, clause))
    if fraction in (0, 1):
        return Aggregate("max" if fraction else "min", arg)
    return Aggregate("quantile", arg, None, decimal_text(fraction))


def _share(node: exp.Expression | None, clause: str) -> Decimal:
    """Return a quantile's share, a literal from 0 to 1 with few decimals."""
    try:
        share = Decimal(node.name) if isinstance(node, exp.Literal) and not node.is_string else Decimal("NaN")
    except InvalidOperation:
        share = Decimal("NaN")
    if not share.is_finite() or not 0 <= share <= 1 or share != round(share, DECIMALS):
        raise QueryRejected(
            "bad_quantile",
            clause,
            f"A quantile's share is one number from 0 to 1 with at most {DECIMALS} decimals.",
            "Write QUANTILE_CONT(x, 0.9); ask for several quantiles one by one.",
        )
    return share


def running_of(node: exp.Window, rows: Translator, unit: PrivacyUnit, key_of: KeyOf, keys: int) -> Aggregate:
    """Return SUM(COUNT(*)) OVER (PARTITION BY other keys ORDER BY key), or that of units: no other window is answered.

    `key_of` returns the answer's column that an expression stands for, and `keys` says how many there are.
    """
    summed = node.this
    inner = summed.this if isinstance(summed, exp.Sum) else None
    order = node.args.get("order")
    terms = order.expressions if isinstance(order, exp.Order) else []
    is_count = isinstance(inner, exp.Count) or (
        isinstance(inner, exp.Filter) and isinstance(inner.this, exp.Count)
    )
    extras = {name for name, value in node.args.items() if value} - {"this", "partition_by", "order", "over"}
    if not is_count or inner is None or len(terms) != 1 or extras - {"spec"} or not _is_plain(node, terms[0]):
        raise refuse.window()
    counted = aggregate_of(inner, "SELECT", rows, unit)
    along = _key_index(terms[0].this, key_of)
    others = [_key_index(part, key_of) for part in node.args.get("partition_by") or ()]
    if counted.fn not in ("count", "units") or sorted([along, *others]) != list(range(keys)):
        raise refuse.window()
    is_down = bool(terms[0].args.get("desc"))
    fn = "running" if counted.fn == "count" else "running_units"
    return Aggregate(fn, counted.arg, counted.filter, f"{along} desc" if is_down else str(along))


def _is_plain(node: exp.Window, term: exp.Expression) -> bool:
    """Say whether a window runs from the first row to this one, unknown values last: nothing else is answered."""
    spec = node.args.get("spec")
    if isinstance(term, exp.Ordered) and term.args.get("nulls_first"):
        return False
    if spec is None:
        return True
    start, end = (str(spec.args.get(side) or "").upper() for side in ("start", "end"))
    return start == "UNBOUNDED" and end == "CURRENT ROW" and spec.args.get("exclude") is None


def _key_index(node: exp.Expression, key_of: KeyOf) -> int:
    """Return the position of a grouping column; refuse a window over anything else."""
    found = key_of(node)
    if found is None or found.op != "key":
        raise refuse.window()
    return int(found.value or 0)
