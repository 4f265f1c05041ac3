"""What a plan measures on the private rows: exact integer aggregates, each with its sensitivity.

Bounding: one unit is counted in at most L0 groups with at most R rows each, and a summand is an integer of size
at most M on a public grid. Removing one unit moves the vector of a measure over all groups by at most
L2 = √L0 · R · M. Where L0 is 1 and only rows are counted, R rows of a unit are kept wherever they lie: their
vector then has L1, and so L2, at most R · M, and fewer rows are lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from privacy.errors import QueryRejected
from privacy.query.check import Key, check_plan, keys_of, require_bounds, unit_of
from privacy.query.expr import Aggregate, Expr, invalid_plan
from privacy.query.intervals import Typed, grid
from privacy.query.plan import Plan
from privacy.query.scope import Columns, Extent, columns_of, extent, has_one_row_a_group
from privacy.query.types import Checker
from privacy.schema import Table

OVERFLOW = 2**61


class Shape(StrEnum):
    """How contributions are bounded."""

    DIRECT = "direct"  # every row is its own unit
    ROWS = "rows"  # R rows of a unit, wherever they lie
    GROUPS = "groups"  # R rows of a unit in each of L0 groups


@dataclass(frozen=True)
class Need:
    """One exact integer per group: `kind` is rows, count, sum or units; `peak` is a row's largest size M.

    A summand is round(value / step) − centre, clamped to low … high before centring.
    """

    kind: str
    expr: Expr | None = None
    low: int = 0
    high: int = 1
    centre: int = 0
    step: Fraction = Fraction(1)

    @property
    def peak(self) -> int:
        """Return the largest size of one row's summand; a constant is priced as if it could differ by a step."""
        if self.kind != "sum":
            return 1
        return max(1, abs(self.low - self.centre), abs(self.high - self.centre))


@dataclass(frozen=True)
class Use:
    """Where one aggregate of the plan finds its figures: indexes into the needs."""

    total: int
    count: int | None = None


@dataclass(frozen=True)
class Layout:
    """Everything about a plan's measurement that follows from public inputs."""

    keys: tuple[Key, ...]
    shape: Shape
    groups: int
    rows: int
    needs: tuple[Need, ...]
    weights: tuple[int, ...]
    uses: tuple[Use, ...]
    selector: int | None  # the need that chooses unknown keys

    @property
    def has_unknown_keys(self) -> bool:
        """Say whether group names are themselves private."""
        return any(key.codes is None for key in self.keys)

    @property
    def cells(self) -> int:
        """Return the number of public groups; with unknown keys, 0."""
        if self.has_unknown_keys:
            return 0
        cells = 1
        for key in self.keys:
            cells *= key.size
        return cells

    def squared(self, index: int) -> int:
        """Return L2², exactly, of need `index`."""
        need = self.needs[index]
        rows = 1 if need.kind == "units" else self.rows
        return self.groups * (rows * need.peak) ** 2


class _Builder:
    """Collects needs, sharing equal ones, and how much of the loss each deserves."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.needs: list[Need] = []
        self.weights: list[int] = []

    def need(self, need: Need, weight: int) -> int:
        """Return the index of `need`, whose weight is the largest anybody asked for."""
        if need not in self.needs:
            self.needs.append(need)
            self.weights.append(0)
        index = self.needs.index(need)
        self.weights[index] = max(self.weights[index], weight)
        return index

    def use(self, aggregate: Aggregate) -> Use:
        """Return the figures that `aggregate` needs."""
        arg = aggregate.arg
        if aggregate.fn == "units":
            chosen = None if aggregate.filter is None else _only(aggregate.filter, Expr("num", value="1"))
            return Use(self.need(Need("units", chosen), 1))
        if aggregate.fn == "count":
            return Use(self.count(arg, aggregate.filter, 1))
        if arg is None:
            raise invalid_plan()
        typed = Checker(self.columns, "SELECT").number(arg)
        value = arg if aggregate.filter is None else _only(aggregate.filter, arg)
        if aggregate.fn == "sum":
            return Use(self.need(_sum(value, typed, is_centred=False), 1))
        count = self.count(arg, aggregate.filter, 1)
        return Use(self.need(_sum(value, typed, is_centred=True), 2), count)

    def count(self, arg: Expr | None, only: Expr | None, weight: int) -> int:
        """Return the count of rows, or of those where `arg` is known; one count serves whoever needs it."""
        is_known = arg is None or not Checker(self.columns, "SELECT").check(arg).is_nullable
        if is_known and only is None:
            return self.need(Need("rows"), weight)
        counted = Expr("num", value="1") if arg is None or is_known else arg
        return self.need(Need("count", counted if only is None else _only(only, counted)), weight)


def _only(condition: Expr, value: Expr) -> Expr:
    """Return `value` where `condition` holds and unknown elsewhere."""
    return Expr("case", (condition, value, Expr("null")))


def _sum(expr: Expr, typed: Typed, *, is_centred: bool) -> Need:
    """Return the summand of `expr` on its grid, centred at the middle of its range for a mean."""
    require_bounds(typed)
    lower, upper = typed.bounds or (Fraction(0), Fraction(0))
    step = typed.step or grid(upper - lower)
    low, high = (lower / step).__floor__(), (upper / step).__ceil__()
    return Need("sum", expr, low, high, (low + high) // 2 if is_centred else 0, step)


def layout(plan: Plan, table: Table) -> Layout:
    """Return what `plan` measures on `table`; raise QueryRejected where it may not."""
    check_plan(plan, table)
    keys = keys_of(plan, table)
    builder = _Builder(columns_of(plan.source, table))
    uses = tuple(builder.use(aggregate) for aggregate in plan.aggregates)
    unit, held = unit_of(plan, table), extent(plan.source, table)
    is_open = any(key.codes is None for key in keys)
    selector = None
    if is_open:
        selector = builder.need(Need("rows" if unit is None else "units"), 1)
    groups = _groups(keys, held.groups, is_open=is_open)
    rows = held.rows
    if has_one_row_a_group(plan.source, plan.keys):
        rows = 1
    if held.held is not None:  # a unit with few rows at all reaches neither bound
        groups, rows = min(groups, held.held), min(rows, held.held)
    needs = tuple(builder.needs)
    if unit is None:
        shape = Shape.DIRECT
    elif groups == 1 and not any(need.kind == "units" for need in needs):
        shape = Shape.ROWS
    else:
        shape = Shape.GROUPS
    result = Layout(keys, shape, groups, rows, needs, tuple(builder.weights), uses, selector)
    _check_overflow(result, held)
    return result


def _groups(keys: tuple[Key, ...], most: int, *, is_open: bool) -> int:
    """Return L0: the declared bound, or the number of public groups where that is smaller."""
    cells = 1
    for key in keys:
        cells *= key.size if key.codes is not None else 1
    return most if is_open else max(1, min(most, cells))


def _check_overflow(result: Layout, held: Extent) -> None:
    """Refuse sums that could leave 62 bits, from public numbers alone."""
    for need in result.needs:
        if held.units * result.groups * result.rows * max(1, need.peak) >= OVERFLOW:
            raise QueryRejected(
                "overflow",
                "SELECT",
                "This sum could exceed 2^61 grid steps for the declared size of the dataset.",
                "Use a coarser expression, such as x / 1000, or narrower bounds.",
            )
