"""What a plan costs and how accurate its answer will be, from public inputs alone.

The engine measures with exactly these scales. Noise is the discrete Gaussian of Canonne, Kamath and Steinke
(2020): a vector with sensitivity L2 and scale σ costs ρ = L2² / 2σ². Unknown group names are chosen by a
threshold T on a noisy count of units; T − 1 is what δ is charged for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Any

from privacy.errors import QueryRejected
from privacy.loss import DELTA_UNIT, RHO_UNIT, Loss
from privacy.query.layout import OVERFLOW, Layout, Need, Use, layout
from privacy.query.plan import Plan
from privacy.query.scales import accuracy, threshold
from privacy.query.scope import extent, work
from privacy.schema import Table, decimal_text

MAX_RHO = 1_000 * RHO_UNIT
MAX_OPEN_KEYS = 2_000_000
DEFAULT_TICK = Decimal("0.25")
_MARGIN = 1 + 1e-12  # scales are rounded up by more than any rounding of doubles


@dataclass(frozen=True)
class Measure:
    """One noisy vector: its L2 sensitivity in grid steps, its ρ, its noise scale, ± at 95 % in its own unit."""

    name: str
    mechanism: str
    sensitivity: float
    rho: int
    scale: float
    plus_minus_95: Decimal | None
    note: str = ""
    threshold: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON values."""
        return {
            "name": self.name,
            "mechanism": self.mechanism,
            "sensitivity": self.sensitivity,
            "rho": self.rho,
            "scale": self.scale,
            "plus_minus_95": None if self.plus_minus_95 is None else decimal_text(self.plus_minus_95),
            "note": self.note,
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class OutputPrice:
    """What is known beforehand about one column of the answer; a mean's error depends on how many it covers.

    For a mean, `sum_scale` and `half_range` are in the mean's own unit and `count_scale` is in rows.
    """

    name: str
    kind: str
    plus_minus_95: Decimal | None
    note: str = ""
    sum_scale: float = 0.0
    count_scale: float = 0.0
    half_range: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return name, kind, ± and note as JSON values."""
        plus_minus = None if self.plus_minus_95 is None else decimal_text(self.plus_minus_95)
        return {"name": self.name, "kind": self.kind, "plus_minus_95": plus_minus, "note": self.note}


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
    rho: int,
    delta: int = 0,
    tick: Decimal = DEFAULT_TICK,
    declared_rows: int | None = None,
) -> Pricing:
    """Return what `plan` costs when the caller pays at most `rho` and `delta`, in ledger units.

    All of ρ is used; δ is used only where group names are unknown. Raises QueryRejected.
    """
    facts = layout(plan, table)
    _check_offer(rho, delta, facts)
    shares = _split(rho, facts.weights)
    used_delta = delta if facts.has_unknown_keys else 0
    measures = tuple(_measure(facts, index, share, used_delta) for index, share in enumerate(shares))
    outputs = tuple(_output(plan, facts, measures, index) for index in range(len(plan.outputs)))
    deadline = _deadline(plan, facts, table, tick, declared_rows)
    return Pricing(Loss(sum(shares), used_delta), measures, outputs, deadline, facts.cells)


def _check_offer(rho: int, delta: int, facts: Layout) -> None:
    """Refuse an offer that no noise could be drawn for."""
    if not isinstance(rho, int) or isinstance(rho, bool) or rho <= 0:
        raise QueryRejected("rho_not_positive", "ρ", "The offered loss must be above 0.", "Offer a larger ε.")
    if rho > MAX_RHO:
        raise QueryRejected("rho_too_large", "ρ", "So large a loss protects nobody.", "Offer a smaller ε.")
    if not isinstance(delta, int) or isinstance(delta, bool) or not 0 <= delta < DELTA_UNIT:
        raise QueryRejected(
            "delta_invalid", "δ", "δ must be at least 0 and below 1.", "Offer a δ such as 1e-7."
        )
    if facts.has_unknown_keys and delta == 0:
        raise QueryRejected(
            "delta_needed",
            "GROUP BY",
            "Showing group names that are not public costs some δ, and none is offered.",
            "Offer a δ, or group by a column with a code list.",
        )


def _split(rho: int, weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return whole shares of `rho` by weight; what does not divide goes to the first."""
    total = sum(weights)
    shares = [rho * weight // total for weight in weights]
    shares[0] += rho - sum(shares)
    if min(shares) == 0:
        raise QueryRejected(
            "rho_too_small", "ρ", "The offered loss is too small to split.", "Offer a larger ε."
        )
    return tuple(shares)


def _measure(facts: Layout, index: int, rho: int, delta: int) -> Measure:
    """Return the noise of one need at its share of the loss."""
    need = facts.needs[index]
    squared = facts.squared(index)
    scale = math.sqrt(squared * RHO_UNIT / (2 * rho)) * _MARGIN
    if scale * 64 >= OVERFLOW:
        raise QueryRejected(
            "rho_too_small", "ρ", "The offered loss would drown every figure in noise.", "Offer a larger ε."
        )
    is_selector = index == facts.selector
    width = Decimal(accuracy(scale)) * Decimal(need.step.numerator) / Decimal(need.step.denominator)
    names = {"rows": "rows", "count": "known values", "units": "privacy units", "sum": "sum"}
    return Measure(
        name=names[need.kind],
        mechanism="discrete Gaussian with threshold" if is_selector else "discrete Gaussian",
        sensitivity=math.nextafter(math.sqrt(squared), math.inf),
        rho=rho,
        scale=scale,
        plus_minus_95=width,
        note="also chooses which group names are shown" if is_selector else "",
        threshold=threshold(scale, facts.groups, delta) if is_selector else None,
    )


def _output(plan: Plan, facts: Layout, measures: tuple[Measure, ...], index: int) -> OutputPrice:
    """Return what is known beforehand about one column of the answer."""
    output = plan.outputs[index]
    if output.expr.op == "key":
        return OutputPrice(output.name, "key", None)
    if output.expr.op != "agg":
        return OutputPrice(output.name, "formula", None, "The error depends on the figures it is made of.")
    position = int(output.expr.value or 0)
    use, fn = facts.uses[position], plan.aggregates[position].fn
    if fn != "mean":
        kind = {"count": "count", "units": "units", "sum": "sum"}[fn]
        return OutputPrice(output.name, kind, measures[use.total].plus_minus_95)
    return _mean_price(output.name, facts.needs[use.total], use, measures)


def _mean_price(name: str, need: Need, use: Use, measures: tuple[Measure, ...]) -> OutputPrice:
    """Return the parts of a mean's error."""
    step = float(need.step)
    return OutputPrice(
        name,
        "mean",
        None,
        "The error falls as the number of values grows.",
        sum_scale=measures[use.total].scale * step,
        count_scale=measures[use.count or 0].scale,
        half_range=need.peak * step,
    )


def expected_error(pricing: Pricing, n: int) -> dict[str, Decimal | None]:
    """Return ± at 95 % per column for groups of `n` values, a number that the asker supposes.

    A mean is S/N around the middle of its range, so by the delta method its variance is at most
    (σ_S² + h² σ_N²) / n² with h half the range; no mean errs by more than its range. Clamping is not included.
    """
    errors: dict[str, Decimal | None] = {}
    for output in pricing.outputs:
        if output.kind != "mean":
            errors[output.name] = output.plus_minus_95
            continue
        spread = math.hypot(output.sum_scale, output.half_range * output.count_scale)
        worst = min(1.96 * spread / max(n, 1), 2 * output.half_range)
        errors[output.name] = Decimal(f"{worst:.6g}")
    return errors


def _deadline(plan: Plan, facts: Layout, table: Table, tick: Decimal, declared_rows: int | None) -> Decimal:
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
    seconds = Fraction(3, 10) + Fraction(rows, 10**6) * (1 + Fraction(len(facts.needs), 4))
    seconds += Fraction(cells * len(facts.needs), 10_000)
    ticks = (Decimal(seconds.numerator) / Decimal(seconds.denominator) / tick).to_integral_value(
        ROUND_CEILING
    )
    return ticks * tick
