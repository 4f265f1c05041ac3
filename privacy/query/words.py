"""A plan in plain words, for the person who decides about it."""

from __future__ import annotations

from collections.abc import Callable

from privacy.query.check_aggregate import axis_of
from privacy.query.expr import RUNNING, Aggregate, Expr
from privacy.query.plan import Plan, columns_touched
from privacy.query.relation import Join, Relation, Scan, lies, made_of
from privacy.query.words_source import source_lines
from privacy.quoting import text_sql

_INFIX = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "eq": "=", "lt": "<", "le": "≤"}


def _case(parts: list[str]) -> str:
    """Return a CASE from its rendered operands: condition, value, …, otherwise."""
    pairs = zip(parts[:-1:2], parts[1:-1:2], strict=True)
    return "; ".join(f"if {when} then {then}" for when, then in pairs) + f"; otherwise {parts[-1]}"


def phrase(expr: Expr, plan: Plan, relation: Relation | None = None) -> str:
    """Return `expr` as a short readable formula; `relation`, by default the plan's source, holds its columns."""
    place = plan.source if relation is None else relation
    parts = [phrase(arg, plan, place) for arg in expr.args]
    value = expr.value or ""
    if expr.op == "agg":
        return aggregate_words(plan.aggregates[int(value)], plan)
    simple: dict[str, Callable[[], str]] = {
        "col": lambda: column_words(place, value, plan),
        "num": lambda: value,
        "bool": lambda: value,
        "date": lambda: value,
        "text": lambda: text_sql(value),
        "null": lambda: "unknown",
        "key": lambda: phrase(plan.keys[int(value)], plan),
        "neg": lambda: f"−{parts[0]}",
        "and": lambda: "(" + " and ".join(parts) + ")",
        "or": lambda: "(" + " or ".join(parts) + ")",
        "not": lambda: f"not ({parts[0]})",
        "in": lambda: f"{parts[0]} is one of {', '.join(parts[1:])}",
        "like": lambda: f"{parts[0]} matches {text_sql(value)}",
        "isnull": lambda: f"{parts[0]} is unknown",
        "case": lambda: "(" + _case(parts) + ")",
        "trunc": lambda: f"the beginning of the {value} of {parts[0]}",
    }
    if expr.op in _INFIX:
        return f"({parts[0]} {_INFIX[expr.op]} {parts[1]})"
    return simple[expr.op]() if expr.op in simple else f"{expr.op}({', '.join(parts)})"


def formula(expr: Expr, plan: Plan) -> str:
    """Return `expr` as it is named in a refusal: a column in quotes, anything else as a formula."""
    words = phrase(expr, plan)
    return f'"{words}"' if expr.op == "col" else words


def column_words(relation: Relation, name: str, plan: Plan) -> str:
    """Return what a column of a relation is: its name, another table's before it, or what it was made of."""
    place, own = lies(relation, name)
    if isinstance(place, Scan):
        return own if isinstance(relation, Scan) or place.table == plan.table else f"{place.table}.{own}"
    if isinstance(place, Join):
        return "a partner was found"
    made = made_of(place, own)
    if isinstance(made, Expr):
        return phrase(made, plan, place.source)
    return f"({aggregate_words(made, plan, place.source)} of one unit)"


def _along(aggregate: Aggregate, plan: Plan) -> str:
    """Return what a running count runs along."""
    if aggregate.fn not in RUNNING:
        return ""
    place, is_down = axis_of(aggregate)
    return f"{phrase(Expr('key', value=str(place)), plan)}{', downwards' if is_down else ''}"


def aggregate_words(aggregate: Aggregate, plan: Plan, relation: Relation | None = None) -> str:
    """Return one aggregate in plain words; `relation`, by default the plan's source, holds its columns."""
    arg = "" if aggregate.arg is None else phrase(aggregate.arg, plan, relation)
    known = f"the number of rows where {arg} is known" if arg else "the number of rows"
    words = {
        "count": known,
        "units": "the number of privacy units",
        "sum": f"the sum of {arg}",
        "mean": f"the mean of {arg}",
        "variance": f"the variance of {arg}",
        "variance_pop": f"the variance of {arg}, divided by the number of values",
        "stddev": f"the standard deviation of {arg}",
        "stddev_pop": f"the standard deviation of {arg}, divided by the number of values",
        "quantile": f"the value that a share of {aggregate.param} of {arg} lies below",
        "min": f"the least {arg}" if relation else f"a value near the least {arg}, not the least itself",
        "max": f"the largest {arg}"
        if relation
        else f"a value near the largest {arg}, not the largest itself",
        "distinct": f"the number of different {arg}",
        "running_units": f"the number of privacy units so far, along {_along(aggregate, plan)}",
        "running": f"{known} so far, along {_along(aggregate, plan)}",
    }[aggregate.fn]
    return (
        words
        if aggregate.filter is None
        else f"{words}, only where {phrase(aggregate.filter, plan, relation)}"
    )


def describe(plan: Plan) -> list[str]:
    """Return lines that say what the plan computes, from which rows, in which groups, from which columns."""
    lines = []
    for output in plan.outputs:
        if output.expr.op != "key":
            lines.append(f"Computes {phrase(output.expr, plan)}, named {output.name}.")
    lines += source_lines(plan)
    lines.append(
        "Reads every row." if plan.where is None else f"Reads only rows where {phrase(plan.where, plan)}."
    )
    lines.append(
        f"One group for each {' and '.join(phrase(key, plan) for key in plan.keys)}."
        if plan.keys
        else "One group: all rows read."
    )
    if plan.having is not None:
        lines.append(f"Shows only groups whose noisy figures satisfy {phrase(plan.having, plan)}.")
    for order in plan.order:
        direction = "largest first" if order.descending else "smallest first"
        lines.append(f"Sorted by {phrase(order.expr, plan)}, {direction}.")
    if plan.limit is not None:
        lines.append(f"Shows at most {plan.limit} lines.")
    lines.append("Columns read: " + (", ".join(columns_touched(plan)) or "none") + ".")
    return lines
