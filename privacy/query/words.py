"""A plan in plain words, for the person who decides about it."""

from __future__ import annotations

from collections.abc import Callable

from privacy.query.plan import Aggregate, Expr, Plan, columns_touched

_INFIX = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "eq": "=", "lt": "<", "le": "≤"}


def _text(value: str) -> str:
    """Return `value` in quotes."""
    return "'" + value.replace("'", "''") + "'"


def _case(parts: list[str]) -> str:
    """Return a CASE from its rendered operands: condition, value, …, otherwise."""
    pairs = zip(parts[:-1:2], parts[1:-1:2], strict=True)
    return "; ".join(f"if {when} then {then}" for when, then in pairs) + f"; otherwise {parts[-1]}"


def phrase(expr: Expr, plan: Plan) -> str:
    """Return `expr` as a short readable formula."""
    parts = [phrase(arg, plan) for arg in expr.args]
    value = expr.value or ""
    if expr.op == "agg":
        return aggregate_words(plan.aggregates[int(value)], plan)
    simple: dict[str, Callable[[], str]] = {
        "col": lambda: value,
        "num": lambda: value,
        "bool": lambda: value,
        "date": lambda: value,
        "text": lambda: _text(value),
        "null": lambda: "unknown",
        "key": lambda: plan.keys[int(value)],
        "neg": lambda: f"−{parts[0]}",
        "and": lambda: "(" + " and ".join(parts) + ")",
        "or": lambda: "(" + " or ".join(parts) + ")",
        "not": lambda: f"not ({parts[0]})",
        "in": lambda: f"{parts[0]} is one of {', '.join(parts[1:])}",
        "like": lambda: f"{parts[0]} matches {_text(value)}",
        "isnull": lambda: f"{parts[0]} is unknown",
        "case": lambda: "(" + _case(parts) + ")",
    }
    if expr.op in _INFIX:
        return f"({parts[0]} {_INFIX[expr.op]} {parts[1]})"
    return simple[expr.op]() if expr.op in simple else f"{expr.op}({', '.join(parts)})"


def aggregate_words(aggregate: Aggregate, plan: Plan) -> str:
    """Return one aggregate in plain words."""
    arg = "" if aggregate.arg is None else phrase(aggregate.arg, plan)
    words = {
        "count": f"the number of rows where {arg} is known" if arg else "the number of rows",
        "units": "the number of privacy units",
        "sum": f"the sum of {arg}",
        "mean": f"the mean of {arg}",
    }[aggregate.fn]
    return words if aggregate.filter is None else f"{words}, only where {phrase(aggregate.filter, plan)}"


def describe(plan: Plan) -> list[str]:
    """Return lines that say what the plan computes, from which rows, in which groups, from which columns."""
    lines = []
    for output in plan.outputs:
        if output.expr.op != "key":
            lines.append(f"Computes {phrase(output.expr, plan)}, named {output.name}.")
    lines.append(
        "Reads every row." if plan.where is None else f"Reads only rows where {phrase(plan.where, plan)}."
    )
    lines.append(
        f"One group for each {' and '.join(plan.keys)}." if plan.keys else "One group: all rows read."
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
