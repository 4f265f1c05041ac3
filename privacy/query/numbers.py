"""What numbers can be: of literals exactly, of arithmetic and functions by public bounds on what goes in.

Bounds are exact fractions; an end of None means unbounded. A divisor, a root or a logarithm is refused unless the
bounds prove that it is defined.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.intervals import (
    BOOL,
    DATE,
    NULL,
    NUMBER,
    TEXT,
    Typed,
    common_step,
    logarithm,
    negative,
    plus,
    root,
    whole,
)
from privacy.query.refuse import mismatch

MAX_SIZE = Fraction(10) ** 15
MAX_TEXT = 200
FINEST = Fraction(1, 10**6)


def literal(op: str, value: str, clause: str) -> Typed:
    """Return the type of a literal after checking that it is one."""
    if op == "num":
        return sized(number_literal(value, clause), clause)
    if op == "text":
        if len(value) > MAX_TEXT or (value and not value.isprintable()):
            mismatch(clause, f"A text may have at most {MAX_TEXT} printable characters.")
        return Typed(TEXT, codes=(value,))
    if op == "date":
        try:
            day = Fraction(date.fromisoformat(value).toordinal())
        except ValueError:
            mismatch(clause, "A date is written DATE 'YYYY-MM-DD'.")
        return Typed(DATE, day, day)
    if op == "bool" and value not in ("true", "false"):
        mismatch(clause, "A truth value is TRUE or FALSE.")
    return Typed(BOOL) if op == "bool" else Typed(NULL, is_nullable=True)


def number_literal(value: str, clause: str) -> Typed:
    """Return the type of a number, exact and on its own decimal grid."""
    try:
        exact = Decimal(value)
    except InvalidOperation:
        mismatch(clause, "A number is malformed.")
    exponent = exact.as_tuple().exponent
    if not exact.is_finite() or not isinstance(exponent, int) or abs(exact.adjusted()) > 18 or exponent < -18:
        mismatch(clause, "A number is zero or between 1e-18 and 1e15 in size, with at most 18 decimals.")
    number = Fraction(exact)
    codes = (int(number),) if number.denominator == 1 else ()
    return Typed(NUMBER, number, number, abs(number) or Fraction(1), codes=codes)


def sized(typed: Typed, clause: str) -> Typed:
    """Refuse numbers so large that a double would lose whole units, and drop a grid that is too fine."""
    if any(end is not None and abs(end) > MAX_SIZE for end in (typed.lower, typed.upper)):
        raise refuse.too_large(clause)
    step = typed.step
    return replace(typed, step=None) if step is not None and step < FINEST else typed


def arithmetic(op: str, left: Typed, right: Typed, clause: str) -> Typed:
    """Return bounds and grid of left op right."""
    if op == "div":
        return _quotient(left, right, clause)
    step = common_step([left.step, right.step])
    if op == "mul":
        step = None if left.step is None or right.step is None else left.step * right.step
    ends = (left.bounds, right.bounds)
    if op == "mul":
        if ends[0] is None or ends[1] is None:
            return Typed(NUMBER)
        products = [x * y for x in ends[0] for y in ends[1]]
        return Typed(NUMBER, min(products), max(products), step)
    if op == "sub":
        right = Typed(NUMBER, negative(right.upper), negative(right.lower))
    return Typed(NUMBER, plus(left.lower, right.lower), plus(left.upper, right.upper), step)


def _quotient(left: Typed, right: Typed, clause: str) -> Typed:
    """Return the bounds of a quotient whose divisor is proved away from zero."""
    divisor = right.bounds
    away = divisor is not None and (divisor[0] >= FINEST or divisor[1] <= -FINEST)
    if divisor is None or not away:
        raise QueryRejected(
            "may_divide_by_zero",
            clause,
            "The declared bounds do not keep this divisor away from zero.",
            "Divide by a number, or by GREATEST(column, 1).",
        )
    if left.bounds is None:
        return Typed(NUMBER)
    quotients = [x / y for x in left.bounds for y in divisor]
    return Typed(NUMBER, min(quotients), max(quotients))


def function(op: str, arg: Typed, clause: str) -> Typed:
    """Return bounds and grid of a function of one number."""
    low, high = arg.lower, arg.upper
    if op == "neg":
        return Typed(NUMBER, negative(high), negative(low), arg.step)
    if op == "abs":
        if low is None or high is None:
            return Typed(NUMBER, Fraction(0), None, arg.step)
        inside = Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))
        return Typed(NUMBER, inside, max(abs(low), abs(high)), arg.step)
    if op in ("floor", "ceil", "round"):
        return whole(arg)
    floor = Fraction(0) if op == "sqrt" else FINEST
    if low is None or high is None or low < floor:
        needed = "0 or more" if op == "sqrt" else "above 0"
        raise QueryRejected(
            "may_be_undefined",
            clause,
            f"The declared bounds do not keep the argument of {op.upper()} {needed}.",
            f"Write {op.upper()}(GREATEST(column, 1)).",
        )
    return root(low, high) if op == "sqrt" else logarithm(low, high)
