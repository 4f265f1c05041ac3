"""What is known beforehand about each column of an answer, and its error once a group size is supposed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from privacy.query.curves import curve_reach
from privacy.query.expr import RANKED, RUNNING, SPREADS
from privacy.query.layout import Layout
from privacy.query.measures import Measure
from privacy.query.needs import Need, Use
from privacy.query.plan import Plan
from privacy.query.scales import Z95, extreme_reach, rank_reach
from privacy.schema import decimal_text

if TYPE_CHECKING:
    from privacy.query.price import Pricing


@dataclass(frozen=True)
class OutputPrice:
    """What is known beforehand about one column; some errors depend on how many values a group holds.

    For means and spreads the scales are standard deviations: `sum_scale` and `half_range` in the mean's own unit,
    `square_scale` in its square, `count_scale` in rows. A ranked column errs by `places`, or by `places_at_most`
    where the group is small.
    """

    name: str
    kind: str
    plus_minus_95: Decimal | None
    note: str = ""
    sum_scale: float = 0.0
    count_scale: float = 0.0
    half_range: float = 0.0
    square_scale: float = 0.0
    places: float = 0.0
    places_at_most: float = 0.0
    share: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return name, kind, ± and note as JSON values."""
        plus_minus = None if self.plus_minus_95 is None else decimal_text(self.plus_minus_95)
        return {"name": self.name, "kind": self.kind, "plus_minus_95": plus_minus, "note": self.note}


def output_price(plan: Plan, facts: Layout, measures: tuple[Measure, ...], index: int) -> OutputPrice:
    """Return what is known beforehand about one column of the answer."""
    output = plan.outputs[index]
    if output.expr.op == "key":
        return OutputPrice(output.name, "key", None)
    if output.expr.op != "agg":
        return OutputPrice(output.name, "formula", None, "The error depends on the figures it is made of.")
    position = int(output.expr.value or 0)
    use, fn = facts.uses[position], plan.aggregates[position].fn
    if use.share is not None:
        return _curved(output.name, facts.needs[use.total], measures[use.total], use.share)
    if fn in RANKED:
        return _ranked(output.name, facts.needs[use.total], measures[use.total], measures[use.count or 0])
    if fn in ("mean", *SPREADS):
        kind = "mean" if fn == "mean" else fn.removesuffix("_pop")
        return _averaged(output.name, kind, facts.needs[use.total], use, measures)
    kind = "running" if fn in RUNNING else fn
    return OutputPrice(output.name, kind, measures[use.total].plus_minus_95)


def _averaged(name: str, kind: str, need: Need, use: Use, measures: tuple[Measure, ...]) -> OutputPrice:
    """Return the parts of the error of a mean, a variance or a standard deviation."""
    step = float(need.step)
    reach = max(need.high - need.centre, need.centre - need.low)
    return OutputPrice(
        name,
        kind,
        None,
        "The error falls as the number of values grows.",
        sum_scale=measures[use.total].deviation * step,
        count_scale=measures[use.count or 0].deviation,
        half_range=reach * step,
        square_scale=0.0 if use.square is None else measures[use.square].deviation * step**2,
    )


def _ranked(name: str, need: Need, measure: Measure, counted: Measure) -> OutputPrice:
    """Return how many places a quantile, MIN or MAX may be off, on a grid that is said."""
    note = _in_points(need)
    if measure.rank is not None:
        end = "smallest" if need.share == 0 else "largest"
        near = extreme_reach(measure.scale, need.candidates, math.inf)
        far = extreme_reach(measure.scale, need.candidates, None)
        note += (
            f" The value at about place {measure.rank} from the {end} is shown, for no single value may be."
        )
        return OutputPrice(name, "quantile", None, note, places=near, places_at_most=far, share=1.0)
    share = float(need.share or 0)
    shift = need.leverage * float(counted.plus_minus_95 or 0)
    near = rank_reach(measure.scale, need.per_rank, 1, math.inf, shift)
    far = rank_reach(measure.scale, need.per_rank, need.candidates, None, shift)
    return OutputPrice(
        name, "quantile", None, note, places=near, places_at_most=far, share=max(share, 1 - share)
    )


def _curved(name: str, need: Need, measure: Measure, share: Fraction) -> OutputPrice:
    """Return how many places a quantile may be off that is read from a curve."""
    note = _in_points(need) + " It is read from one curve of running counts with others of its column."
    places = curve_reach(need, measure.deviation, share)
    most = float(max(share, 1 - share))
    return OutputPrice(name, "quantile", None, note, places=places, places_at_most=places, share=most)


def _in_points(need: Need) -> str:
    """Return what ± counts, and on which grid."""
    step = decimal_text(Decimal(need.step.numerator) / Decimal(need.step.denominator))
    return f"± is in percentile points of rank among the values. Values are taken in steps of {step}."


def expected_error(pricing: Pricing, n: int) -> dict[str, Decimal | None]:
    """Return ± at 95 % per column for groups of `n` values, a number that the asker supposes.

    By the delta method at the worst place in the declared range, so it is an upper estimate: no mean, variance
    or rank errs by more than its range. Clamping is not included. A rank's error is in percentile points.
    """
    errors: dict[str, Decimal | None] = {}
    for output in pricing.outputs:
        worst = _supposed(output, max(n, 1))
        errors[output.name] = output.plus_minus_95 if worst is None else Decimal(f"{worst:.6g}")
    return errors


def _supposed(output: OutputPrice, n: int) -> float | None:
    """Return one column's error for `n` values, or None where it does not depend on them.

    A mean is S / N around the middle of its range: its variance is at most (σ_S² + h² σ_N²) / n², h half the
    range. A variance is Q / N + h² / 2 − (S / N)²: at most (σ_Q² + 4 h² σ_S² + (3 h² / 2)² σ_N²) / n². The error
    of a square root is at most the root of the error.
    """
    half = output.half_range
    if output.kind == "mean":
        return min(Z95 * math.hypot(output.sum_scale, half * output.count_scale) / n, 2 * half)
    if output.kind in SPREADS:
        parts = (output.square_scale, 2 * half * output.sum_scale, 1.5 * half**2 * output.count_scale)
        error = min(Z95 * math.hypot(*parts) / n, half**2)
        return math.sqrt(error) if output.kind == "stddev" else error
    if output.kind != "quantile":
        return None
    small = n * (1 - output.share if output.share < 1 else 1) < 3 * output.places_at_most
    return 100 * min((output.places_at_most if small else output.places) / n, output.share)
