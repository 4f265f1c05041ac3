"""Public bounds of values: what an expression can be, and how bounds and grids pass through operations.

Bounds are exact fractions; an end of None is open. A grid is the step that every value is a multiple of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor, gcd, isqrt, lcm, log

MAX_VALUES = 1_000  # of a range; a list of codes may be longer
KEPT_GRID = 2**20  # steps across the range of an expression that has no grid of its own
NUMBER, TEXT, BOOL, DATE, NULL = "number", "text", "truth value", "date", "unknown"


@dataclass(frozen=True)
class Typed:
    """What an expression can be; `step` is the grid its values lie on, where one is known."""

    kind: str
    lower: Fraction | None = None
    upper: Fraction | None = None
    step: Fraction | None = None
    is_nullable: bool = False
    codes: tuple[str | int, ...] = ()

    @property
    def bounds(self) -> tuple[Fraction, Fraction] | None:
        """Return both bounds, or None where either end is open."""
        return None if self.lower is None or self.upper is None else (self.lower, self.upper)

    @property
    def codes_or_range(self) -> tuple[str | int | bool, ...] | None:
        """Return every value there can be, in order; None where they are not public or more than MAX_VALUES.

        Numbers must be whole; days are written as ISO dates.
        """
        if self.kind == BOOL:
            return (False, True)
        if self.codes:
            return self.codes
        if self.kind in (NULL, TEXT) or self.bounds is None:
            return None
        step = Fraction(1) if self.kind == DATE else self.step
        if step is None or step.denominator != 1:
            return None
        low, high = (self.bounds[0] / step).__ceil__(), (self.bounds[1] / step).__floor__()
        if high - low >= MAX_VALUES:
            return None
        numbers = [place * int(step) for place in range(low, high + 1)]
        return (
            tuple(date.fromordinal(day).isoformat() for day in numbers)
            if self.kind == DATE
            else tuple(numbers)
        )


def plus(left: Fraction | None, right: Fraction | None) -> Fraction | None:
    """Return the sum of two ends, open where either is."""
    return None if left is None or right is None else left + right


def negative(end: Fraction | None) -> Fraction | None:
    """Return the mirrored end."""
    return None if end is None else -end


def extreme(choose: Callable[[list[Fraction]], Fraction], ends: Sequence[Fraction | None]) -> Fraction | None:
    """Return the outermost end, open where any is."""
    known = [end for end in ends if end is not None]
    return choose(known) if len(known) == len(ends) else None


def common_step(steps: Sequence[Fraction | None]) -> Fraction | None:
    """Return the coarsest grid that holds every one of the grids, or None where one is unknown."""
    result = Fraction(0)
    for step in steps:
        if step is None:
            return None
        scale = lcm(result.denominator, step.denominator)
        result = Fraction(gcd(int(result * scale), int(step * scale)), scale)
    return result or None


def bounded_by(op: str, args: Sequence[Typed]) -> Typed:
    """Return the bounds of GREATEST or LEAST; an unknown argument is passed over by both."""
    lowers = [arg.lower for arg in args]
    uppers = [arg.upper for arg in args]
    sure_lowers = [arg.lower for arg in args if arg.lower is not None and not arg.is_nullable]
    sure_uppers = [arg.upper for arg in args if arg.upper is not None and not arg.is_nullable]
    if op == "greatest":
        upper = extreme(max, uppers)
        lower = max(sure_lowers) if sure_lowers else extreme(min, lowers)
    else:
        lower = extreme(min, lowers)
        upper = min(sure_uppers) if sure_uppers else extreme(max, uppers)
    return Typed(NUMBER, lower, upper, common_step([arg.step for arg in args]))


def whole(arg: Typed) -> Typed:
    """Return the bounds of a rounding to whole numbers."""
    lower = None if arg.lower is None else Fraction(arg.lower.__floor__())
    upper = None if arg.upper is None else Fraction(arg.upper.__ceil__())
    return Typed(NUMBER, lower, upper, Fraction(1))


def root(low: Fraction, high: Fraction) -> Typed:
    """Return outward bounds of a square root."""
    return Typed(
        NUMBER, Fraction(isqrt(int(low * 10**12)), 10**6), Fraction(isqrt(int(high * 10**12)) + 1, 10**6)
    )


def logarithm(low: Fraction, high: Fraction) -> Typed:
    """Return outward bounds of a natural logarithm, to six decimals."""
    return Typed(
        NUMBER,
        Fraction(floor(log(low) * 10**6) - 1, 10**6),
        Fraction(ceil(log(high) * 10**6) + 1, 10**6),
    )


def grid(width: Fraction) -> Fraction:
    """Return a power of ten that cuts `width` into about a million steps."""
    step = Fraction(1, 10**6)
    while width / step > KEPT_GRID:
        step *= 10
    return step
