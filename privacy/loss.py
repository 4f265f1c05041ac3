"""Privacy loss in integers, and its translation to the ε that people read.

There are three currencies, and each adds up under adaptive composition: ρ and δ of approximate zCDP (Bun and
Steinke 2016), and beside them the pure ε of mechanisms such as Laplace's. The ledger counts ρ and pure ε in
units of 1e-12 and δ in units of 1e-18; costs round up and limits round down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from privacy.errors import LossInvalid

RHO_UNIT = 10**12
DELTA_UNIT = 10**18
PURE_UNIT = 10**12
CURRENCIES = ("rho", "delta", "pure")
_MARGIN = 1e-12  # relative; covers the rounding of a few double operations many times over


@dataclass(frozen=True)
class Loss:
    """What one answer costs: `rho` and `pure` in 1e-12, `delta` in 1e-18, all non-negative integers."""

    rho: int
    delta: int
    pure: int = 0

    def __post_init__(self) -> None:
        """Refuse anything that is not three non-negative integers."""
        for value in (self.rho, self.delta, self.pure):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise LossInvalid("A loss is non-negative integers: ρ and pure ε in 1e-12, δ in 1e-18.")

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of both answers together."""
        return Loss(self.rho + other.rho, self.delta + other.delta, self.pure + other.pure)

    def __sub__(self, other: Loss) -> Loss:
        """Return what is left; raise LossInvalid where `other` does not fit."""
        return Loss(self.rho - other.rho, self.delta - other.delta, self.pure - other.pure)

    def fits(self, other: Loss) -> bool:
        """Say whether this loss is within `other`, in every currency."""
        return self.rho <= other.rho and self.delta <= other.delta and self.pure <= other.pure

    @classmethod
    def zero(cls) -> Loss:
        """Return the loss of an answer that reads nothing private."""
        return cls(0, 0)

    def to_dict(self) -> dict[str, int]:
        """Return {"rho": …, "delta": …, "pure": …} in ledger units."""
        return {"rho": self.rho, "delta": self.delta, "pure": self.pure}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Loss:
        """Read what `to_dict` wrote; raise LossInvalid on anything else."""
        if set(data) != set(CURRENCIES):
            raise LossInvalid("A loss is written as exactly three integers: rho, delta and pure.")
        rho, delta, pure = (_whole(data[currency]) for currency in CURRENCIES)
        return cls(rho, delta, pure)


def _whole(value: object) -> int:
    """Return an integer as it is; raise LossInvalid for anything else."""
    if not isinstance(value, int):
        raise LossInvalid("A loss is written as exactly three integers: rho, delta and pure.")
    return value


def pure_of(epsilon: Decimal, *, is_cost: bool) -> int:
    """Return a pure ε, from 0 to 1000, in ledger units: a cost rounds up, a limit rounds down."""
    if not (isinstance(epsilon, Decimal) and epsilon.is_finite() and 0 <= epsilon <= 1000):
        raise LossInvalid("A pure ε must be a number from 0 to 1000.")
    return int((epsilon * PURE_UNIT).to_integral_value(ROUND_CEILING if is_cost else ROUND_FLOOR))


def comparable_rho(loss: Loss) -> int:
    """Return the ρ, in 1e-12 units and rounded up, that this loss amounts to as zCDP.

    ε-DP implies ε²/2-zCDP (Bun and Steinke 2016, Prop. 1.4). For rules that compare losses, never for the
    ledger: a pure ε is charged to its own account, where it adds up as ε.
    """
    return loss.rho - (-(loss.pure**2) * RHO_UNIT // (2 * PURE_UNIT**2))


def total_epsilon(loss: Loss, delta: float) -> float:
    """Return the ε of everything together, Σ pure ε + ε(ρ, δ), rounded up; `delta` is what converts ρ.

    A pure loss adds at most its ε to the privacy loss on every outcome, so the tail that zCDP bounds moves by
    that much and no more, in whatever order the answers were asked.
    """
    if loss.pure == 0:
        return epsilon_of(loss.rho, delta)
    return (loss.pure / PURE_UNIT + epsilon_of(loss.rho, delta)) * (1 + _MARGIN)


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
