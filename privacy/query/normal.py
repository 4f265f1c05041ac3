"""One normal form for expressions, so that two spellings of one question share one hash."""

from __future__ import annotations

from decimal import Decimal

from privacy.query.plan import Expr
from privacy.schema import decimal_text


def normal(expr: Expr) -> Expr:
    """Return `expr` with chains of AND and OR flat, sorted and without repeats, and operands in one order."""
    args = tuple(normal(arg) for arg in expr.args)
    if expr.op in ("and", "or"):
        flat = [part for arg in args for part in (arg.args if arg.op == expr.op else (arg,))]
        unique = {part.sort_key(): part for part in flat}
        ordered = tuple(unique[key] for key in sorted(unique))
        return ordered[0] if len(ordered) == 1 else Expr(expr.op, ordered)
    if expr.op in ("eq", "add", "mul"):
        return Expr(expr.op, tuple(sorted(args, key=Expr.sort_key)), expr.value)
    if expr.op == "not" and args[0].op == "not":
        return args[0].args[0]
    if expr.op == "neg" and args[0].op == "num" and args[0].value:
        return Expr("num", value=decimal_text(-Decimal(args[0].value)))
    if expr.op == "in":
        values = {value.sort_key(): value for value in args[1:]}
        ordered = tuple(values[key] for key in sorted(values))
        if len(ordered) == 1:
            return normal(Expr("eq", (args[0], *ordered)))
        return Expr("in", (args[0], *ordered))
    return Expr(expr.op, args, expr.value)
