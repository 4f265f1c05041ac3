"""What a plan costs and how accurate its answer will be, from public inputs alone.

A plan is paid in ρ, or in pure ε; see `measures` for the noise of each and `outputs` for what it does to the
answer's columns. Unknown group names are chosen by a threshold T on a noisy count of units; T − 1 is what δ is
charged for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Any

from privacy.errors import QueryRejected
from privacy.loss import DELTA_UNIT, RHO_UNIT, Loss
from privacy.query.layout import Layout, layout
from privacy.query.measures import Measure, measure_of
from privacy.query.needs import Way
from privacy.query.outputs import OutputPrice, expected_error, output_price
from privacy.query.plan import Plan
from privacy.query.scope import extent, work
from privacy.schema import Table

__all__ = ["Measure", "OutputPrice", "Pricing", "best", "expected_error", "price"]

MAX_RHO = 1_000 * RHO_UNIT
MAX_OPEN_KEYS = 2_000_000
DEFAULT_TICK = Decimal("0.25")


@dataclass(frozen=True)
class Pricing:
    """The loss of a plan, its measures, what its columns' errors will be, and when its answer is due."""

    loss: Loss
    measures: tuple[Measure, ...]
    outputs: tuple[OutputPrice, ...]
    deadline_seconds: Decimal
    cells: int

    def to_dict(self) -> dict[str, Any]:
        """Return the pricing as JSON values."""
        return {
            "loss": self.loss.to_dict(),
            "measures": [measure.to_dict() for measure in self.measures],
            "outputs": [output.to_dict() for output in self.outputs],
            "deadline_seconds": str(self.deadline_seconds),
            "cells": self.cells,
        }


def price(
    plan: Plan,
    table: Table,
    *,
    rho: int = 0,
    delta: int = 0,
    pure: int = 0,
    tick: Decimal = DEFAULT_TICK,
    declared_rows: int | None = None,
) -> Pricing:
    """Return what `plan` costs when the caller pays `rho` or else `pure`, and at most `delta`, in ledger units.

    All of ρ or of pure ε is used; δ is used only where group names are unknown. Raises QueryRejected.
    """
    facts = layout(plan, table, is_pure=pure != 0)
    _check_offer(rho, delta, pure, facts)
    shares = _split(pure or rho, facts.weights)
    losses = [Loss(0, 0, share) if pure else Loss(share, 0) for share in shares]
    used_delta = delta if facts.has_unknown_keys else 0
    measures = tuple(measure_of(facts, index, share, used_delta) for index, share in enumerate(losses))
    outputs = tuple(output_price(plan, facts, measures, index) for index in range(len(plan.outputs)))
    deadline = _deadline(plan, facts, measures, table, tick, declared_rows)
    total = sum(losses, Loss(0, used_delta))
    return Pricing(total, measures, outputs, deadline, facts.cells)


def best(
    plan: Plan,
    table: Table,
    *,
    rho: int = 0,
    delta: int = 0,
    pure: int = 0,
    tick: Decimal = DEFAULT_TICK,
    declared_rows: int | None = None,
) -> Pricing:
    """Return the pricing that errs less of those that are offered: in ρ (with δ), or in pure ε.

    An offer of 0 is none. Of equals, and where pure ε cannot pay, ρ is taken. The loss says which it is. Raises
    the refusal of ρ where neither can pay.
    """
    options = {"tick": tick, "declared_rows": declared_rows}
    if not pure:
        return price(plan, table, rho=rho, delta=delta, **options)  # type: ignore[arg-type]
    if not rho:
        return price(plan, table, pure=pure, **options)  # type: ignore[arg-type]
    try:
        in_pure = price(plan, table, pure=pure, **options)  # type: ignore[arg-type]
    except QueryRejected:
        return price(plan, table, rho=rho, delta=delta, **options)  # type: ignore[arg-type]
    try:
        in_rho = price(plan, table, rho=rho, delta=delta, **options)  # type: ignore[arg-type]
    except QueryRejected:
        return in_pure
    return in_rho if _spread(in_rho) <= _spread(in_pure) else in_pure


def _spread(pricing: Pricing) -> float:
    """Return the mean logarithm of a pricing's noise: of two ways to pay for one plan, the smaller errs less."""
    return math.fsum(math.log(measure.error) for measure in pricing.measures) / len(pricing.measures)


def _check_offer(rho: int, delta: int, pure: int, facts: Layout) -> None:
    """Refuse an offer that no noise could be drawn for."""
    for offered in (rho, pure):
        if not isinstance(offered, int) or isinstance(offered, bool) or offered < 0:
            raise QueryRejected(
                "rho_not_positive", "ρ", "The offered loss must be above 0.", "Offer a larger ε."
            )
    if rho == pure == 0:
        raise QueryRejected("rho_not_positive", "ρ", "The offered loss must be above 0.", "Offer a larger ε.")
    if rho and pure:
        raise QueryRejected(
            "two_currencies", "ε", "An answer is paid in ρ or in pure ε, not in both.", "Offer one of them."
        )
    if max(rho, pure) > MAX_RHO:
        raise QueryRejected("rho_too_large", "ρ", "So large a loss protects nobody.", "Offer a smaller ε.")
    if not isinstance(delta, int) or isinstance(delta, bool) or not 0 <= delta < DELTA_UNIT:
        raise QueryRejected(
            "delta_invalid", "δ", "δ must be at least 0 and below 1.", "Offer a δ such as 1e-7."
        )
    if facts.has_unknown_keys and pure:
        raise QueryRejected(
            "pure_unknown_keys",
            "GROUP BY",
            "Group names that are not public cannot be shown under pure ε.",
            "Pay in ρ and δ, or group by a column with a code list.",
        )
    if facts.has_unknown_keys and delta == 0:
        raise QueryRejected(
            "delta_needed",
            "GROUP BY",
            "Showing group names that are not public costs some δ, and none is offered.",
            "Offer a δ, or group by a column with a code list.",
        )


def _split(offer: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return whole shares of `offer` by weight; what does not divide goes to the first."""
    total = sum(weights)
    shares = [offer * weight // total for weight in weights]
    shares[0] += offer - sum(shares)
    if min(shares) == 0:
        raise QueryRejected(
            "rho_too_small", "ρ", "The offered loss is too small to split.", "Offer a larger ε."
        )
    return tuple(shares)


def _deadline(
    plan: Plan,
    facts: Layout,
    measures: tuple[Measure, ...],
    table: Table,
    tick: Decimal,
    declared_rows: int | None,
) -> Decimal:
    """Return the seconds after which the answer is published, whatever the rows hold; a multiple of `tick`.

    Several times what the work takes on two cores: an over-run burns the loss.
    """
    tick = Decimal(tick)
    if not tick.is_finite() or tick <= 0:
        raise QueryRejected("tick_invalid", "tick", "The publication tick must be above 0.", "Use 0.25 s.")
    held = extent(plan.source, table)
    rows = work(plan.source, table, declared_rows)
    cells = facts.cells
    if facts.has_unknown_keys:
        cells = held.units * held.groups
        if cells > MAX_OPEN_KEYS:
            raise QueryRejected(
                "too_many_keys",
                "GROUP BY",
                "So large a dataset could hold too many unknown group names.",
                "Group by a column with a code list.",
            )
    ranked = sum(need.kind == "bins" for need in facts.needs)
    seconds = Fraction(2 + ranked, 10) + Fraction(rows, 10**6) * (1 + Fraction(len(facts.needs), 4))
    seconds += Fraction(rows * ranked, 10**6)
    seconds += Fraction(_draws(facts, measures, cells), 10_000)
    ticks = (Decimal(seconds.numerator) / Decimal(seconds.denominator) / tick).to_integral_value(
        ROUND_CEILING
    )
    return ticks * tick


def _draws(facts: Layout, measures: tuple[Measure, ...], cells: int) -> int:
    """Return how many draws of noise an answer over `cells` groups takes at most, by public numbers.

    Unknown groups are ranked in only where they are shown, for which each needs about as many units as the
    threshold; twice as many are allowed for.
    """
    cut = next((measure.threshold for measure in measures if measure.threshold), None)
    shown = cells if cut is None else 1 + 2 * cells // cut
    draws = 0
    for need in facts.needs:
        if need.way is Way.RANK:
            draws += shown * need.candidates
        elif need.way is Way.CURVE and need.tree is not None:
            draws += shown * need.tree.size
        elif need.way is Way.TREE and need.tree is not None:
            draws += cells // facts.keys[need.axis].size * need.tree.size
        else:
            draws += cells
    return draws
