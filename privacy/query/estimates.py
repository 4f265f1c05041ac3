"""Aggregates from noisy integers, each with what its error follows from.

Each value carries its derivatives by the noisy integers it is made of, so one rule, the delta method, gives every
±: 1.96 √Σ(∂ᵢσᵢ)². An order statistic carries instead how many percentile points its rank may be off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from privacy.query.answer import Cell
from privacy.query.curves import curve_reach, read
from privacy.query.expr import SPREADS
from privacy.query.layout import Layout
from privacy.query.needs import Need, Use, Way
from privacy.query.plan import Plan
from privacy.query.price import Pricing
from privacy.query.scales import Z95, extreme_reach, rank_reach


@dataclass(frozen=True)
class Estimate:
    """A noisy value, its derivative by each noisy integer, and a public bound on its error where one is known.

    `points` is the error in rank of an order statistic; `is_ranked` holds also for formulas made of one, whose
    own error is not known.
    """

    value: Fraction | None
    slopes: dict[int, float] = field(default_factory=dict)
    widest: Fraction | None = None
    is_vague: bool = False  # the count beneath is within its own noise of zero
    points: float | None = None
    is_ranked: bool = False


@dataclass(frozen=True)
class Group:
    """One group of the answer: its key values, and the noisy integer of each need.

    `spreads` says of running counts by how much they err more than the noise on one sum; `curves` holds the
    running counts by value that quantiles are read from.
    """

    keys: tuple[Cell, ...]
    figures: tuple[int, ...]
    spreads: Mapping[int, float] = field(default_factory=dict)
    curves: Mapping[int, Sequence[float]] = field(default_factory=dict)


class Estimator:
    """Computes a plan's aggregates in one group at a time."""

    def __init__(self, plan: Plan, facts: Layout, pricing: Pricing) -> None:
        self.plan = plan
        self.facts = facts
        self.deviations = [measure.deviation for measure in pricing.measures]
        self.scales = [measure.scale for measure in pricing.measures]
        self.reaches = [float(measure.plus_minus_95 or 0) for measure in pricing.measures]

    def of(self, position: int, group: Group) -> Estimate:
        """Return the plan's aggregate at `position` from its noisy integers."""
        use, fn = self.facts.uses[position], self.plan.aggregates[position].fn
        need = self.facts.needs[use.total]
        if need.way is Way.RANK:
            return self._rank(need, use, group)
        if need.way is Way.CURVE:
            return self._read(need, use, group)
        if fn == "mean":
            return self._mean(need, use, group)
        if fn in SPREADS:
            return self._spread(fn, need, use, group)
        slope = float(need.step) * group.spreads.get(use.total, 1.0)
        return Estimate(group.figures[use.total] * need.step, {use.total: slope})

    def plus_minus(self, estimate: Estimate, known: str | None) -> str | None:
        """Return ± at 95 %: what was `known` beforehand, or by the delta method at most the widest there can be."""
        if estimate.is_ranked:
            return None if estimate.points is None else f"{estimate.points:.6g}"
        if known is not None:
            return known
        width = self.width(estimate.slopes)
        if estimate.widest is not None and (estimate.is_vague or width > estimate.widest):
            width = float(estimate.widest)
        return f"{width:.6g}"

    def width(self, slopes: Mapping[int, float]) -> float:
        """Return ± at 95 % by the delta method."""
        return Z95 * math.sqrt(sum((slope * self.deviations[i]) ** 2 for i, slope in slopes.items()))

    def _count(self, use: Use, group: Group) -> tuple[int, bool]:
        """Return the noisy count beneath a figure, at least 1, and whether it is within its own noise of zero."""
        place = use.count or 0
        noisy = group.figures[place]
        return max(1, noisy), noisy <= 2 * Z95 * self.deviations[place]

    def _centred(self, need: Need, use: Use, group: Group, count: int) -> Fraction:
        """Return the mean of the centred summands, held to their range."""
        low, high = Fraction(need.low - need.centre), Fraction(need.high - need.centre)
        return min(max(Fraction(group.figures[use.total], count), low), high)

    def _mean(self, need: Need, use: Use, group: Group) -> Estimate:
        """Return a mean: S / N around the middle of its range."""
        count, is_vague = self._count(use, group)
        inside = self._centred(need, use, group, count)
        slopes = {
            use.total: float(need.step / count),
            use.count or 0: float(-inside * need.step / count),
        }
        widest = (need.high - need.low) * need.step
        return Estimate((inside + need.centre) * need.step, slopes, widest, is_vague)

    def _spread(self, fn: str, need: Need, use: Use, group: Group) -> Estimate:
        """Return a variance, Q / N + shift − (S / N)², or its root; that of a sample is N / (N − 1) times as much."""
        count, is_vague = self._count(use, group)
        place = use.square or 0
        middle = self._centred(need, use, group, count)
        shift, most = self.facts.needs[place].shift, Fraction((need.high - need.low) ** 2, 4)
        mean_square = Fraction(group.figures[place], count)
        inside = min(max(mean_square + shift - middle**2, Fraction(0)), most)
        unit = need.step**2 * (1 if fn.endswith("_pop") else Fraction(max(2, count), max(2, count) - 1))
        slopes = {
            place: float(unit / count),
            use.total: float(-2 * middle * unit / count),
            use.count or 0: float((2 * middle**2 - mean_square) * unit / count),
        }
        variance = Estimate(inside * unit, slopes, most * need.step**2, is_vague)
        return self._root(variance) if fn.startswith("stddev") else variance

    def _root(self, variance: Estimate) -> Estimate:
        """Return a standard deviation; it errs by at most the root of its square's error."""
        value = math.sqrt(variance.value or 0)
        widest = min(math.sqrt(variance.widest or 0), math.sqrt(self.width(variance.slopes)))
        slopes = {index: slope / (2 * value) if value else 0.0 for index, slope in variance.slopes.items()}
        is_vague = variance.is_vague or value == 0
        return Estimate(Fraction(value), slopes, Fraction(widest), is_vague)

    def _rank(self, need: Need, use: Use, group: Group) -> Estimate:
        """Return the chosen value of an order statistic, with how many percentile points its rank may be off."""
        count, is_vague = self._count(use, group)
        share, scale = need.share or Fraction(0), self.scales[use.total]
        most = float(max(share, 1 - share))
        if share in (0, 1):
            places = extreme_reach(scale, need.candidates, count)
        else:
            shift = need.leverage * self.reaches[use.count or 0]
            places = rank_reach(scale, need.per_rank, need.candidates, (1 - most) * count, shift)
        points = 100 * (most if is_vague else min(places / count, most))
        return Estimate(group.figures[use.total] * need.step, {}, None, is_vague, points, is_ranked=True)

    def _read(self, need: Need, use: Use, group: Group) -> Estimate:
        """Return a quantile read from a curve; its rank errs as the curve does where it was read."""
        curve, share = group.curves[use.total], use.share or Fraction(0)
        place = read(curve, share)
        count, most = max(1.0, curve[-1]), float(max(share, 1 - share))
        reach = curve_reach(need, self.deviations[use.total], share, place)
        is_vague = curve[-1] <= 2 * reach
        points = 100 * (most if is_vague else min(reach / count, most))
        value = (need.low + place) * need.step
        return Estimate(value, {}, None, is_vague, points, is_ranked=True)


def combined(value: Fraction, parts: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """Return `value` with the chain rule applied to what it was made of."""
    slopes: dict[int, float] = {}
    for part, weight in zip(parts, weights, strict=True):
        for index, slope in part.slopes.items():
            slopes[index] = slopes.get(index, 0.0) + weight * slope
    return Estimate(value, slopes, is_ranked=any(part.is_ranked for part in parts))
