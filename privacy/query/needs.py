"""What one aggregate needs: exact integers by group, on public grids, and in which way each is released."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from privacy.query.check_aggregate import axis_of, require_bounds, share_of
from privacy.query.expr import RANKED, RUNNING, SPREADS, Aggregate, Expr, invalid_plan
from privacy.query.intervals import Typed, grid
from privacy.query.scope import Columns
from privacy.query.tree import Tree
from privacy.query.types import Checker

SQUARED_GRID = 2**16  # steps across the range of a value that is squared
CANDIDATES = 4_000  # steps across the range of a value that is ranked
EVEN = 64  # the weight of one ordinary figure


class Way(StrEnum):
    """How a need's exact integers become noisy."""

    VECTOR = "vector"  # noise on the integer of each group
    TREE = "tree"  # noise on sums over spans of groups
    RANK = "rank"  # a choice among the steps of a histogram, in each group
    CURVE = "curve"  # noise on sums over spans of a histogram, in each group
    TOP = "top"  # a choice among the groups


@dataclass(frozen=True)
class Need:
    """One exact integer per group: `kind` is rows, count, sum, square or units; `bins` is a histogram instead.

    A summand is round(value / step) − centre, clamped to low … high before centring; a square is that squared,
    less `shift`; a bin is round(value / step) − low.
    """

    kind: str
    expr: Expr | None = None
    low: int = 0
    high: int = 1
    centre: int = 0
    step: Fraction = Fraction(1)
    shift: int = 0
    way: Way = Way.VECTOR
    share: Fraction | None = None  # of a quantile; 0 is the smallest value and 1 the largest
    axis: int = 0  # the key that a tree runs along
    is_down: bool = False
    tree: Tree | None = None
    most: int = 1  # how many groups a choice among groups shows

    @property
    def peak(self) -> int:
        """Return the largest size of one row's summand; a constant is priced as if it could differ by a step."""
        reach = max(abs(self.low - self.centre), abs(self.high - self.centre))
        if self.kind == "square":
            return max(1, self.shift, reach**2 - self.shift)
        return max(1, reach) if self.kind == "sum" else 1

    @property
    def candidates(self) -> int:
        """Return how many values a ranked answer is chosen from."""
        return self.high - self.low + 1

    @property
    def per_rank(self) -> int:
        """Return by how much a score falls for each value that a candidate is off: see `ranks`."""
        return 1 if self.share is None or self.share in (0, 1) else 2

    @property
    def leverage(self) -> float:
        """Return by how many places a quantile is aimed amiss for each row that its count is off: see `ranks`."""
        return 0.0 if self.per_rank == 1 or self.share is None else abs(float(self.share) - 0.5)


@dataclass(frozen=True)
class Use:
    """Where one aggregate of the plan finds its figures: indexes into the needs.

    `share` is that of a quantile which is read from a curve.
    """

    total: int
    count: int | None = None
    square: int | None = None
    share: Fraction | None = None


class Builder:
    """Collects needs, sharing equal ones, and how much of the loss each deserves."""

    def __init__(self, columns: Columns, candidates: int = CANDIDATES, *, is_pure: bool = False) -> None:
        self.columns = columns
        self.candidates = candidates
        self.is_pure = is_pure
        self.curves: dict[Need, tuple[Tree, int]] = {}
        self.needs: list[Need] = []
        self.weights: list[int] = []

    def again(self, curves: Mapping[Need, tuple[Tree, int]]) -> Builder:
        """Return a builder that begins anew and reads the quantiles of those histograms from curves."""
        fresh = Builder(self.columns, self.candidates, is_pure=self.is_pure)
        fresh.curves = dict(curves)
        return fresh

    def need(self, need: Need, weight: int) -> int:
        """Return the index of `need`, whose weight is the largest anybody asked for."""
        if need not in self.needs:
            self.needs.append(need)
            self.weights.append(0)
        index = self.needs.index(need)
        self.weights[index] = max(self.weights[index], weight)
        return index

    def use(self, aggregate: Aggregate, tree: Tree | None = None) -> Use:
        """Return the figures that `aggregate` needs; a running count is given its tree."""
        fn, arg = aggregate.fn, aggregate.arg
        if fn == "units":
            return Use(self.need(units_need(aggregate), EVEN))
        if fn == "count":
            return Use(self.need(self.counted(aggregate), EVEN))
        if fn in RUNNING:
            axis, is_down = axis_of(aggregate)
            counted = self.counted(aggregate) if fn == "running" else units_need(aggregate)
            along = {"way": Way.TREE, "axis": axis, "is_down": is_down, "tree": tree}
            return Use(self.need(Need(counted.kind, counted.expr, **along), 2 * EVEN))  # type: ignore[arg-type]
        if arg is None:
            raise invalid_plan()
        typed = Checker(self.columns, "SELECT").number(arg)
        value = arg if aggregate.filter is None else only(aggregate.filter, arg)
        if fn == "sum":
            return Use(self.need(_sum(value, typed, is_centred=False), EVEN))
        if fn == "mean":
            count = self.need(self.counted(aggregate), EVEN)
            return Use(self.need(_sum(value, typed, is_centred=True), 2 * EVEN), count)
        return self._spread(aggregate, value, typed) if fn in SPREADS else self._rank(aggregate, value, typed)

    def _spread(self, aggregate: Aggregate, value: Expr, typed: Typed) -> Use:
        """Return count, sum and sum of squares, each around its middle."""
        count = self.need(self.counted(aggregate), EVEN)
        total = _sum(value, typed, is_centred=True, most=SQUARED_GRID)
        reach = max(total.high - total.centre, total.centre - total.low)
        square = Need("square", value, total.low, total.high, total.centre, total.step, reach**2 // 2)
        return Use(self.need(total, EVEN), count, self.need(square, EVEN))

    def _rank(self, aggregate: Aggregate, value: Expr, typed: Typed) -> Use:
        """Return a histogram to choose from, and a count to aim and to state the error by: see `_for_count`."""
        if aggregate.fn not in RANKED:
            raise invalid_plan()
        share = (
            {"min": Fraction(0), "max": Fraction(1)}.get(aggregate.fn) if aggregate.param is None else None
        )
        share = share_of(aggregate) if share is None else share
        steps = _sum(value, typed, is_centred=False, most=self.candidates)
        ranked = Need("bins", value, steps.low, steps.high, 0, steps.step, 0, Way.RANK, share)
        shared = replace(ranked, way=Way.CURVE, share=None)
        if shared in self.curves and share not in (0, 1):
            tree, number = self.curves[shared]
            return Use(self.need(replace(shared, tree=tree), number * EVEN), share=share)
        weight = _for_count(ranked, is_pure=self.is_pure)
        return Use(self.need(ranked, EVEN), self.need(self.counted(aggregate), weight))

    def counted(self, aggregate: Aggregate) -> Need:
        """Return the count of rows, or of those where the argument is known; one serves whoever needs it."""
        arg, condition = aggregate.arg, aggregate.filter
        is_known = arg is None or not Checker(self.columns, "SELECT").check(arg).is_nullable
        if is_known and condition is None:
            return Need("rows")
        value = Expr("num", value="1") if arg is None or is_known else arg
        return Need("count", value if condition is None else only(condition, value))


def units_need(aggregate: Aggregate) -> Need:
    """Return the count of privacy units, or of those with a row where the filter holds."""
    one = Expr("num", value="1")
    return Need("units", None if aggregate.filter is None else only(aggregate.filter, one))


def only(condition: Expr, value: Expr) -> Expr:
    """Return `value` where `condition` holds and unknown elsewhere."""
    return Expr("case", (condition, value, Expr("null")))


def _for_count(ranked: Need, *, is_pure: bool) -> int:
    """Return the weight of the count that aims an order statistic, where its choice weighs EVEN.

    Where noise of deviation s costs the whole, a choice for its part a errs by a variance of s² / 2a under zCDP,
    and its aim by (p − ½)² s² / (1 − a): least together where the count weighs √2 |p − ½| times as much. Under
    pure ε both parts are squared, and ³√(p − ½)² is best. Some of it is always kept, to state the error by.
    """
    best = ranked.leverage ** (2 / 3) if is_pure else math.sqrt(2) * ranked.leverage
    return max(EVEN // 8 if is_pure else 1, round(EVEN * best))


def _sum(expr: Expr, typed: Typed, *, is_centred: bool, most: int | None = None) -> Need:
    """Return the summand of `expr` on its grid, coarse enough for at most `most` steps.

    It is centred at the middle of its range where it is to be divided by a count.
    """
    require_bounds(typed)
    lower, upper = typed.bounds or (Fraction(0), Fraction(0))
    step = typed.step or grid(upper - lower)
    if most is not None:
        step = _coarse(step, lower, upper, most)
    low, high = (lower / step).__floor__(), (upper / step).__ceil__()
    return Need("sum", expr, low, high, (low + high) // 2 if is_centred else 0, step)


def _coarse(step: Fraction, lower: Fraction, upper: Fraction, most: int) -> Fraction:
    """Return `step` times 1, 2, 5, 10, 20, … so that lower … upper holds fewer than `most` steps."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            wide = step * factor * power
            if (upper / wide).__ceil__() - (lower / wide).__floor__() < most:
                return wide
        power *= 10
