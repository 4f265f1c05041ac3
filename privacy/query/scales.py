"""The discrete Gaussian in numbers: how far its noise reaches, and where a threshold must lie."""

from __future__ import annotations

import math

from privacy.errors import QueryRejected
from privacy.loss import DELTA_UNIT

CONFIDENCE = 0.95
LEAST_DELTA = 1e-13  # for each group of a unit; the mechanism's own arithmetic loses digits below 1e-15


def accuracy(scale: float, alpha: float = 1 - CONFIDENCE) -> int:
    """Return the least whole a with P[|Z| ≥ a] ≤ α for a discrete Gaussian Z of that scale.

    Small scales are summed exactly; a large one differs from the continuous Gaussian by less than one.
    """
    if scale > 2_000:
        quantile = 1.959963984540054 if alpha == 1 - CONFIDENCE else upper_quantile(alpha / 2)
        return math.ceil(quantile * scale * (1 + 1e-6) + 1)
    reach = math.ceil(scale * 9) + 2
    masses = [math.exp(-(k * k) / (2 * scale * scale)) for k in range(reach + 1)]
    total = 2 * math.fsum(masses) - masses[0]
    outside = total
    for k, mass in enumerate(masses):
        if outside <= alpha * total:
            return k
        outside -= mass if k == 0 else 2 * mass
    return reach


def upper_quantile(tail: float) -> float:
    """Return z with P[N(0, 1) > z] ≤ tail, by bisection on the complementary error function."""
    low, high = 0.0, 60.0
    for _ in range(100):
        middle = (low + high) / 2
        if math.erfc(middle / math.sqrt(2)) / 2 > tail:
            low = middle
        else:
            high = middle
    return high


def threshold(scale: float, groups: int, delta: int) -> int:
    """Return T such that a unit's own groups, at most `groups` of count 1, show with probability ≤ δ.

    A discrete Gaussian's tail obeys P[Z ≥ k] ≤ P[N ≥ k − 1] (Canonne, Kamath, Steinke 2020, Prop. 25). T − 1 is
    what is charged for, so one more is added; two more and 3 % of δ cover the mechanism's cautious arithmetic.
    """
    share = delta / DELTA_UNIT / groups
    if share < LEAST_DELTA:
        raise QueryRejected(
            "delta_too_small",
            "δ",
            "The offered δ is below what the threshold mechanism can account for.",
            "Offer a δ of 1e-10 or more.",
        )
    return 4 + math.ceil(upper_quantile(0.97 * share) * scale)
