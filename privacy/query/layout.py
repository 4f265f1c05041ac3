"""What a plan measures on the private rows: exact integer aggregates, each with its sensitivity.

Bounding: one unit is counted in at most L0 groups with at most R rows each, and a summand is an integer of size
at most M on a public grid. Removing one unit moves the vector of a measure over all groups by at most
L2 = √L0 · R · M. Where L0 is 1 and only rows are counted, R rows of a unit are kept wherever they lie: their
vector then has L1, and so L2, at most R · M, and fewer rows are lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from privacy.errors import QueryRejected
from privacy.query.check import Key, check_plan, keys_of, unit_of
from privacy.query.check_aggregate import axis_of
from privacy.query.curves import worth_it
from privacy.query.expr import RANKED, RUNNING, Aggregate
from privacy.query.needs import CANDIDATES, EVEN, Builder, Need, Use, Way, units_need
from privacy.query.plan import Plan
from privacy.query.scope import Extent, columns_of, extent, has_one_row_a_group
from privacy.query.tree import Tree, best_tree
from privacy.schema import Table

OVERFLOW = 2**61
MAX_DRAWS = 100_000  # candidates times groups: each is one draw of noise
LEAST_CANDIDATES = 50
OPEN_CANDIDATES = 200  # where the number of groups is not known beforehand


class Shape(StrEnum):
    """How contributions are bounded."""

    DIRECT = "direct"  # every row is its own unit
    ROWS = "rows"  # R rows of a unit, wherever they lie
    GROUPS = "groups"  # R rows of a unit in each of L0 groups


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

    def squared(self, index: int) -> Fraction:
        """Return the L2² of need `index`, exactly: noise of scale σ on it costs ρ = L2² / 2σ².

        Of a curve over values, the worst is that all rows of a unit in a group have one value. For choices it is
        what stands in that place: of scores that a unit moves by d in each of L0 groups, L0 d²; of k groups by
        counts that a unit only raises, by d, k d² / 4.
        """
        need = self.needs[index]
        row = self._row(need)
        if need.way is Way.TREE and need.tree is not None:
            return Fraction(need.tree.squared(self.groups) * row**2)
        if need.way is Way.CURVE and need.tree is not None:
            return Fraction(self.groups * need.tree.squared(1) * row**2)
        if need.way is Way.TOP:
            return Fraction(need.most * row**2, 4)
        return Fraction(self.groups * row**2)

    def absolute(self, index: int) -> int:
        """Return the L1 of need `index`, exactly: noise of scale b on it costs ε = L1 / b.

        For choices of a best score, moved either way, twice the sum of what a unit moves it by.
        """
        need = self.needs[index]
        row = self._row(need)
        if need.way is Way.TREE and need.tree is not None:
            return need.tree.absolute(self.groups) * row
        if need.way is Way.CURVE and need.tree is not None:
            return self.groups * need.tree.absolute(1) * row
        if need.way is Way.TOP:
            return need.most * row
        return (2 if need.way is Way.RANK else 1) * self.groups * row

    def moves(self, index: int) -> int:
        """Return by how much a unit moves one score that need `index` is chosen by."""
        return self._row(self.needs[index])

    def _row(self, need: Need) -> int:
        """Return how far one unit can move the figure of one group: its rows times a row's largest summand."""
        return (1 if need.kind == "units" else self.rows) * need.peak

    def counter(self, index: int) -> int:
        """Return the need that counts the values which the order statistic `index` is chosen from."""
        return next(use.count for use in self.uses if use.total == index and use.count is not None)

    def leaves(self, need: Need) -> tuple[int, ...]:
        """Return the places of a tree's key values in the order of their values, unknown ones last."""
        key = self.keys[need.axis]
        known = range(len(key.codes or ()))
        ordered = sorted(known, key=lambda place: key.values[place], reverse=need.is_down)  # type: ignore[arg-type,return-value]
        return (*ordered, *([key.size - 1] if key.has_unknown else []))

    def series(self, need: Need) -> list[list[int]]:
        """Return the cells of each running series of a tree, in its order; cells count with the last key fastest."""
        after = math.prod(key.size for key in self.keys[need.axis + 1 :])
        size = self.keys[need.axis].size
        ordered = self.leaves(need)
        starts = (
            block * size * after + rest
            for block in range(self.cells // (size * after))
            for rest in range(after)
        )
        return [[start + place * after for place in ordered] for start in starts]


def layout(plan: Plan, table: Table, *, is_pure: bool = False) -> Layout:
    """Return what `plan` measures on `table`; raise QueryRejected where it may not.

    `is_pure` says that it is to be paid in pure ε, for which other trees and choices are best.
    """
    check_plan(plan, table)
    keys = keys_of(plan, table)
    is_open = any(key.codes is None for key in keys)
    unit, held = unit_of(plan, table), extent(plan.source, table)
    groups, rows = _groups(keys, held.groups, is_open=is_open), held.rows
    if has_one_row_a_group(plan.source, plan.keys):
        rows = 1
    if held.held is not None:  # a unit with few rows at all reaches neither bound
        groups, rows = min(groups, held.held), min(rows, held.held)
    top = None if is_open else _top(plan, keys, groups, is_pure=is_pure)
    cells = 0 if is_open else math.prod(key.size for key in keys)
    builder = Builder(
        columns_of(plan.source, table), _candidates(plan, cells, is_open=is_open), is_pure=is_pure
    )
    if top is None:
        trees = [_tree(aggregate, keys, groups, is_pure=is_pure) for aggregate in plan.aggregates]
        asked = list(zip(plan.aggregates, trees, strict=True))
        uses = tuple(builder.use(each, tree) for each, tree in asked)
        if curves := worth_it(builder.needs, is_pure=is_pure):
            builder = builder.again(curves)
            uses = tuple(builder.use(each, tree) for each, tree in asked)
    else:
        uses = (Use(builder.need(_choice(builder, plan.aggregates[0], top), EVEN)),)
        groups = cells  # a choice costs the same however many groups a unit is in, so none is left out
    selector = None
    if is_open:
        selector = builder.need(Need("rows" if unit is None else "units"), EVEN)
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


def _candidates(plan: Plan, cells: int, *, is_open: bool) -> int:
    """Return from how many values an order statistic may be chosen, so that all its draws are affordable."""
    if is_open or not any(aggregate.fn in RANKED for aggregate in plan.aggregates):
        return OPEN_CANDIDATES
    if cells * LEAST_CANDIDATES > MAX_DRAWS:
        raise QueryRejected(
            "too_many_cells",
            "GROUP BY",
            f"Quantiles, MIN and MAX are answered in at most {MAX_DRAWS // LEAST_CANDIDATES} groups.",
            "Group by fewer columns, or by ones with shorter code lists.",
        )
    return min(CANDIDATES, MAX_DRAWS // cells)


def _tree(aggregate: Aggregate, keys: tuple[Key, ...], groups: int, *, is_pure: bool) -> Tree | None:
    """Return the tree of a running count, from public sizes."""
    if aggregate.fn not in RUNNING:
        return None
    size = keys[axis_of(aggregate)[0]].size
    return best_tree(size, min(groups, size), is_pure=is_pure)


def _top(plan: Plan, keys: tuple[Key, ...], groups: int, *, is_pure: bool) -> int | None:
    """Return k where a plan asks for the names of the k largest groups and nothing else, and choosing is better.

    Choosing k at ρ takes Gumbel noise of deviation .64 √k R / √2ρ, counting Gaussian noise of √L0 R / √2ρ;
    choosing k at ε takes exponential noise of deviation k R / ε, counting Laplace noise of √2 L0 R / ε.
    """
    limit, order = plan.limit, plan.order
    is_names = bool(keys) and {output.expr.op for output in plan.outputs} == {"key"}
    if (
        limit is None
        or not is_names
        or plan.having is not None
        or len(order) != 1
        or len(plan.aggregates) != 1
    ):
        return None
    if (
        not order[0].descending
        or order[0].expr.op != "agg"
        or plan.aggregates[0].fn not in ("count", "units")
    ):
        return None
    is_better = limit < math.sqrt(2) * groups if is_pure else 0.41 * limit < groups
    return limit if is_better and limit < math.prod(key.size for key in keys) else None


def _choice(builder: Builder, aggregate: Aggregate, most: int) -> Need:
    """Return the need of a choice of the `most` largest groups."""
    need = units_need(aggregate) if aggregate.fn == "units" else builder.counted(aggregate)
    return replace(need, way=Way.TOP, most=most)


def _groups(keys: tuple[Key, ...], most: int, *, is_open: bool) -> int:
    """Return L0: the declared bound, or the number of public groups where that is smaller."""
    cells = 1
    for key in keys:
        cells *= key.size if key.codes is not None else 1
    return most if is_open else max(1, min(most, cells))


def _check_overflow(result: Layout, held: Extent) -> None:
    """Refuse sums that could leave 62 bits, from public numbers alone."""
    for need in result.needs:
        groups = 1 if need.way is Way.TOP else result.groups
        size = max(1, need.peak, need.per_rank)
        if held.units * groups * result.rows * size >= OVERFLOW:
            raise QueryRejected(
                "overflow",
                "SELECT",
                "This sum could exceed 2^61 grid steps for the declared size of the dataset.",
                "Use a coarser expression, such as x / 1000, or narrower bounds.",
            )
