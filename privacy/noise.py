"""Every draw of noise there is: the one caller of OpenDP's mechanisms.

Facts of OpenDP 0.16 that shape this module (each has a test): a scale of 0 or 1e-320 is accepted and releases
exact values, so the privacy map is checked before a mechanism can be invoked; the threshold mechanism
understates δ, so T is released with and T − 1 is charged for; an exception's text may hold a true value, so
none is passed on; the prelude costs seconds and 200 MB, so submodules are imported, and only when needed.
"""

from __future__ import annotations

import functools
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from privacy.errors import EngineFault, LossExceeded
from privacy.loss import DELTA_UNIT, PURE_UNIT, RHO_UNIT, Loss

LIMIT = 2**62  # results saturate at 2^63; clamping is 1-Lipschitz, so it costs nothing


@functools.cache
def opendp() -> SimpleNamespace:
    """Return the OpenDP modules that are used, loaded on first need."""
    from opendp import accuracy, domains, measurements, measures, metrics
    from opendp.mod import __version__ as version
    from opendp.mod import enable_features, serialize

    enable_features("contrib")  # the Gaussian threshold mechanism lives there
    return SimpleNamespace(
        accuracy=accuracy,
        domains=domains,
        measurements=measurements,
        measures=measures,
        metrics=metrics,
        serialize=serialize,
        version=f"opendp {version}",
    )


def load() -> None:
    """Load OpenDP now, and bind what building a mechanism needs; a fork server does so for its children."""
    gaussian_vector(sensitivity=1.0, scale=1.0, reserved=Loss(RHO_UNIT, 0)).certificate()


def fresh_salt() -> int:
    """Return 62 random bits that order the rows of one run; drawn by the caller after its charge committed."""
    return secrets.randbits(62)


def accuracy_of(scale: float, alpha: float = 0.05) -> float:
    """Return OpenDP's a with P[|Z| ≥ a] ≤ α for a discrete Gaussian of that scale."""
    return float(opendp().accuracy.discrete_gaussian_scale_to_accuracy(scale, alpha))


def check_scale(scale: float) -> None:
    """Refuse a scale that gives no noise or no meaning."""
    if not isinstance(scale, float) or not math.isfinite(scale) or scale <= 0:
        raise LossExceeded("The noise scale must be a finite number above 0.")


def check_loss(rho: float, delta: float, reserved: Loss, *, times: int = 1) -> None:
    """Refuse a privacy map, drawn `times` over, outside 0 < map ≤ reserved < ∞, compared exactly."""
    if not (math.isfinite(rho) and math.isfinite(delta) and rho > 0 and delta >= 0):
        raise LossExceeded("The mechanism's privacy map is not a finite positive loss.")
    if Fraction(rho) * times > Fraction(reserved.rho, RHO_UNIT) or Fraction(delta) > Fraction(
        reserved.delta, DELTA_UNIT
    ):
        raise LossExceeded("The mechanism's privacy map exceeds the reserved loss.")


def check_pure(epsilon: float, reserved: Loss, *, times: int = 1) -> None:
    """Refuse a pure privacy map, drawn `times` over, outside 0 < map ≤ reserved < ∞, compared exactly."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise LossExceeded("The mechanism's privacy map is not a finite positive loss.")
    if Fraction(epsilon) * times > Fraction(reserved.pure, PURE_UNIT):
        raise LossExceeded("The mechanism's privacy map exceeds the reserved loss.")


def clamped(value: int) -> int:
    """Return `value` within ±2^62."""
    return max(-LIMIT, min(LIMIT, int(value)))


@dataclass(frozen=True)
class _Vector:
    """Discrete noise on integer vectors, already checked against its reserved loss."""

    measurement: Any

    def release(self, values: Sequence[int]) -> list[int]:
        """Return `values` with independent noise, one draw each; raise EngineFault without OpenDP's words."""
        if not values:
            return []
        try:
            return [int(value) for value in self.measurement([clamped(value) for value in values])]
        except Exception:
            raise EngineFault("The noise could not be drawn.") from None

    def certificate(self) -> str:
        """Return the measurement as OpenDP's own JSON."""
        return str(opendp().serialize(self.measurement))


@dataclass(frozen=True)
class GaussianVector(_Vector):
    """A discrete Gaussian on integer vectors; `rho` is its own map."""

    rho: float
    scale: float


@dataclass(frozen=True)
class LaplaceVector(_Vector):
    """A discrete Laplace on integer vectors; `epsilon` is its own map, a pure ε."""

    epsilon: float
    scale: float


def gaussian_vector(*, sensitivity: float, scale: float, reserved: Loss) -> GaussianVector:
    """Build a discrete Gaussian for vectors of L2 `sensitivity`; raise LossExceeded unless ρ is within `reserved`."""
    check_scale(scale)
    dp = opendp()
    space = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    measurement = dp.measurements.make_gaussian(space, dp.metrics.l2_distance(T="f64"), scale=scale)
    rho = float(measurement.map(float(sensitivity)))
    check_loss(rho, 0.0, reserved)
    return GaussianVector(measurement, rho, scale)


def laplace_vector(*, sensitivity: float, scale: float, reserved: Loss) -> LaplaceVector:
    """Build a discrete Laplace for vectors of L1 `sensitivity`; raise LossExceeded unless ε is within `reserved`."""
    check_scale(scale)
    dp = opendp()
    space = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    measurement = dp.measurements.make_laplace(space, dp.metrics.l1_distance(T="f64"), scale=scale)
    epsilon = float(measurement.map(float(sensitivity)))
    check_pure(epsilon, reserved)
    return LaplaceVector(measurement, epsilon, scale)


@dataclass(frozen=True)
class GaussianThreshold:
    """Noisy counts of unknown groups, of which those at `threshold` or above are shown."""

    measurement: Any
    rho: float
    delta: float
    scale: float
    threshold: int

    def release(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Return the noisy counts that are shown, by the caller's own number for each group.

        Numbers stand for names because the mechanism treats all names alike, and a name is never safe to pass.
        """
        if not counts:
            return {}
        try:
            shown = self.measurement({int(key): clamped(value) for key, value in counts.items()})
        except Exception:
            raise EngineFault("The noise could not be drawn.") from None
        return {int(key): int(value) for key, value in shown.items()}

    def certificate(self) -> str:
        """Return what was released with and what was charged for, as JSON: OpenDP cannot write this one itself."""
        facts = {
            "mechanism": "make_gaussian_threshold",
            "library": opendp().version,
            "scale": self.scale,
            "threshold": self.threshold,
            "charged_threshold": self.threshold - 1,
            "rho": self.rho,
            "delta": self.delta,
        }
        return json.dumps(facts, sort_keys=True)


def threshold_map(*, groups: int, scale: float, threshold: int) -> tuple[float, float]:
    """Return OpenDP's (ρ, δ) for units that add 1 to at most `groups` groups, at exactly this threshold."""
    measurement = _threshold_measurement(scale, threshold)
    rho, delta = measurement.map((groups, math.nextafter(math.sqrt(groups), math.inf), 1.0))
    return float(rho), float(delta)


def _threshold_measurement(scale: float, threshold: int) -> Any:
    """Build OpenDP's Gaussian threshold mechanism on counts by whole-number key."""
    dp = opendp()
    domains, metrics = dp.domains, dp.metrics
    space = domains.map_domain(domains.atom_domain(T="i64"), domains.atom_domain(T="i64"))
    metric = metrics.l02inf_distance(metrics.absolute_distance(T="f64"))
    return dp.measurements.make_gaussian_threshold(space, metric, scale=scale, threshold=threshold)


def gaussian_threshold(*, groups: int, scale: float, threshold: int, reserved: Loss) -> GaussianThreshold:
    """Build the threshold mechanism at T, charged for T − 1; raise LossExceeded unless that is within `reserved`."""
    check_scale(scale)
    if threshold < 3:
        raise LossExceeded("The threshold must leave room for the noise.")
    rho, delta = threshold_map(groups=groups, scale=scale, threshold=threshold - 1)
    check_loss(rho, delta, reserved)
    if delta <= 0:
        raise LossExceeded("The threshold's privacy map is not a finite positive loss.")
    return GaussianThreshold(_threshold_measurement(scale, threshold), rho, delta, scale, threshold)
