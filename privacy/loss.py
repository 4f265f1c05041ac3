"""Privacy loss in integers, and its translation to the ε that people read.

The currency is approximate zCDP (Bun and Steinke 2016): ρ and δ both add up under adaptive composition.
The ledger counts ρ in units of 1e-12 and δ in units of 1e-18; costs round up and limits round down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from privacy.errors import LossInvalid

RHO_UNIT = 10**12
DELTA_UNIT = 10**18
_MARGIN = 1e-12  # relative; covers the rounding of a few double operations many times over


@dataclass(frozen=True)
class Loss:
    """What one answer costs: `rho` in 1e-12, `delta` in 1e-18, both non-negative integers."""

    rho: int
    delta: int

    def __post_init__(self) -> None:
        """Refuse anything that is not a pair of non-negative integers."""
        for value in (self.rho, self.delta):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise LossInvalid("A loss is two non-negative integers: ρ in 1e-12 and δ in 1e-18.")

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of both answers together."""
        return Loss(self.rho + other.rho, self.delta + other.delta)

    def __sub__(self, other: Loss) -> Loss:
        """Return what is left; raise LossInvalid where `other` does not fit."""
        return Loss(self.rho - other.rho, self.delta - other.delta)

    def fits(self, other: Loss) -> bool:
        """Say whether this loss is within `other`, in both currencies."""
        return self.rho <= other.rho and self.delta <= other.delta

    @classmethod
    def zero(cls) -> Loss:
        """Return the loss of an answer that reads nothing private."""
        return cls(0, 0)

    def to_dict(self) -> dict[str, int]:
        """Return {"rho": …, "delta": …} in ledger units."""
        return {"rho": self.rho, "delta": self.delta}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Loss:
        """Read what `to_dict` wrote; raise LossInvalid on anything else."""
        rho, delta = data.get("rho"), data.get("delta")
        if set(data) != {"rho", "delta"} or not isinstance(rho, int) or not isinstance(delta, int):
            raise LossInvalid("A loss is written as exactly two integers, rho and delta.")
        return cls(rho, delta)


def _epsilon_at(order: float, rho: float, delta: float) -> float:
    """Return the ε that Rényi order `order` proves for ρ-zCDP at δ: Canonne, Kamath, Steinke 2020, Prop. 12.

    `order` is given as log(α − 1), so that both ends of the range are well conditioned.
    """
    gap = math.exp(order)
    alpha = 1 + gap
    tail = (math.log(delta) + math.log(alpha)) / gap
    return alpha * rho + math.log(gap / alpha) - tail


def epsilon_of(rho_units: int, delta: float) -> float:
    """Return the least ε, rounded up, for which ρ-zCDP implies (ε, δ)-DP; ρ in 1e-12 units, 0 < δ < 1.

    Every Rényi order gives a valid ε, and the bound is quasi-convex in the order, so a golden section finds
    the best one and a search that stops early is still safe.
    """
    if not isinstance(rho_units, int) or isinstance(rho_units, bool) or rho_units < 0:
        raise LossInvalid("ρ is a non-negative integer in units of 1e-12.")
    if not 0 < delta < 1:
        raise LossInvalid("δ must lie strictly between 0 and 1.")
    if rho_units == 0:
        return 0.0
    rho = rho_units / RHO_UNIT
    low, high = -20.0, 40.0
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = _epsilon_at(left, rho, delta), _epsilon_at(right, rho, delta)
    for _ in range(80):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = _epsilon_at(left, rho, delta)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = _epsilon_at(right, rho, delta)
    return max(0.0, min(at_left, at_right) * (1 + _MARGIN))


def rho_of(epsilon: float, delta: float) -> int:
    """Return the most ρ, in 1e-12 units and rounded down, that implies (ε, δ)-DP."""
    if not (math.isfinite(epsilon) and 0 < epsilon <= 1000):
        raise LossInvalid("ε must be a number above 0 and at most 1000.")
    low, high = 0, math.ceil(epsilon + 1) * RHO_UNIT  # ρ-zCDP at ρ > ε + 1 never gives (ε, δ) for δ < 1/2
    while high - low > 1:
        middle = (low + high) // 2
        if epsilon_of(middle, delta) <= epsilon:
            low = middle
        else:
            high = middle
    return low
