"""One normal form for expressions, so that two spellings of one question share one hash."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from privacy.query.expr import Expr
from privacy.schema import decimal_text


def normal(expr: Expr) -> Expr:
    """Return `expr` with chains of AND and OR flat, sorted and without repeats, and operands in one order."""
    args = tuple(normal(arg) for arg in expr.args)
    if expr.op in ("and", "or"):
        flat = [part for arg in args for part in (arg.args if arg.op == expr.op else (arg,))]
        ordered = _distinct(flat)
        return ordered[0] if len(ordered) == 1 else Expr(expr.op, ordered)
    if expr.op in ("eq", "add", "mul"):
        return Expr(expr.op, tuple(sorted(args, key=Expr.sort_key)))
    if expr.op == "in":
        values = _distinct(args[1:])
        return normal(Expr("eq", (args[0], *values))) if len(values) == 1 else Expr("in", (args[0], *values))
    return _negation(expr, args) if expr.op in ("not", "neg") else Expr(expr.op, args, expr.value)


def conjunction(*conditions: Expr | None) -> Expr | None:
    """Return the condition that all of those given hold, in normal form."""
    given = tuple(condition for condition in conditions if condition is not None)
    return normal(Expr("and", given)) if given else None


def conjuncts(condition: Expr | None) -> tuple[Expr, ...]:
    """Return the parts of a condition that must all hold."""
    if condition is None:
        return ()
    return condition.args if condition.op == "and" else (condition,)


def _distinct(parts: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return `parts` sorted and without repeats."""
    unique = {part.sort_key(): part for part in parts}
    return tuple(unique[key] for key in sorted(unique))


def _negation(expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """Return NOT and minus without what cancels."""
    inner = args[0]
    if expr.op == "not" and inner.op == "not":
        return inner.args[0]
    if expr.op == "neg" and inner.op == "num" and inner.value:
        return Expr("num", value=decimal_text(-Decimal(inner.value)))
    return Expr(expr.op, args)
