"""Noisy choices: which of many public candidates scores best, without saying how well.

The mechanisms are OpenDP's report-noisy-max: Gumbel noise under zCDP (the exponential mechanism) and exponential
noise under pure ε (permute and flip). Facts of OpenDP 0.16 that shape this module (each has a test): with scores
that one unit moves by at most d, k choices at scale s cost ρ = k · d² / 2s² or ε = k · 2d / s; where all its moves
have one sign they cost a quarter and a half of that; a scale of 0 releases the true best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from privacy.errors import EngineFault, LossExceeded
from privacy.loss import Loss
from privacy.noise import check_loss, check_pure, check_scale, clamped, opendp


@dataclass(frozen=True)
class NoisyChoice:
    """The positions of the `most` best scores, chosen with noise; `cost` is the map of one whole release."""

    measurement: Any
    cost: float
    scale: float
    most: int

    def release(self, scores: Sequence[int]) -> list[int]:
        """Return the chosen positions, best first; raise EngineFault without OpenDP's words."""
        if len(scores) < self.most:
            raise EngineFault("There are fewer candidates than choices.")
        try:
            chosen = self.measurement([clamped(score) for score in scores])
        except Exception:
            raise EngineFault("The noise could not be drawn.") from None
        return [int(place) for place in chosen]

    def certificate(self) -> str:
        """Return the measurement as OpenDP's own JSON."""
        return str(opendp().serialize(self.measurement))


def noisy_choice(
    *,
    sensitivity: int,
    scale: float,
    reserved: Loss,
    most: int = 1,
    groups: int = 1,
    is_monotonic: bool = False,
    is_pure: bool = False,
) -> NoisyChoice:
    """Build a choice of the `most` best scores, each of which one unit moves by at most `sensitivity`.

    It is released once in every group, of which a unit lies in at most `groups`: that many times its map must be
    within `reserved`. `is_monotonic` holds where a unit moves all scores the same way. Raises LossExceeded.
    """
    check_scale(scale)
    if not all(isinstance(whole, int) and whole >= 1 for whole in (sensitivity, most, groups)):
        raise LossExceeded("A choice needs a whole sensitivity, number of choices and number of groups.")
    dp = opendp()
    space = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    metric = dp.metrics.linf_distance(T="i64", monotonic=is_monotonic)
    measure = dp.measures.max_divergence() if is_pure else dp.measures.zero_concentrated_divergence()
    measurement = dp.measurements.make_noisy_top_k(space, metric, measure, k=most, scale=scale)
    try:
        cost = float(measurement.map(sensitivity))
    except Exception:
        raise LossExceeded("The mechanism's privacy map is not a finite positive loss.") from None
    if is_pure:
        check_pure(cost, reserved, times=groups)
    else:
        check_loss(cost, 0.0, reserved, times=groups)
    return NoisyChoice(measurement, cost, scale, most)
