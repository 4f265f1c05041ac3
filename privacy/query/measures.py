"""The noise of each need: what it costs, its scale, and how far it reaches, from public inputs alone.

Under zCDP noise is the discrete Gaussian of Canonne, Kamath and Steinke (2020), ρ = L2² / 2σ², and choices take
Gumbel noise; under pure ε it is the discrete Laplace, ε = L1 / b, and choices take exponential noise (permute and
flip, McKenna and Sheldon 2020). The engine draws with exactly these scales.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from privacy.errors import QueryRejected
from privacy.loss import PURE_UNIT, RHO_UNIT, Loss
from privacy.query.layout import OVERFLOW, Layout
from privacy.query.needs import Need, Way
from privacy.query.scales import Z95, accuracy, extreme_rank, laplace_accuracy, threshold
from privacy.schema import decimal_text

_MARGIN = 1 + 1e-12  # scales are rounded up by more than any rounding of doubles
_NAMES = {
    "rows": "rows",
    "count": "known values",
    "units": "privacy units",
    "sum": "sum",
    "square": "sum of squares",
    "bins": "rank",
}


@dataclass(frozen=True)
class Measure:
    """One noisy vector or choice: its sensitivity in grid steps, its loss, its noise scale, ± at 95 % in its own unit.

    `sensitivity` is L2 under zCDP, L1 under pure ε, and for choices what one unit moves one score by.
    """

    name: str
    mechanism: str
    sensitivity: float
    rho: int
    scale: float
    plus_minus_95: Decimal | None
    note: str = ""
    threshold: int | None = None
    pure: int = 0
    rank: int | None = None  # the place from the end that MIN or MAX aims at
    is_choice: bool = False
    spread: float = 1.0  # by how much a running count errs more than the noise on one sum

    @property
    def loss(self) -> Loss:
        """Return this measure's own share of the loss, without δ."""
        return Loss(self.rho, 0, self.pure)

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the noise; of a choice, of its Gumbel or exponential noise."""
        if self.is_choice:
            return self.scale * (1.0 if self.pure else math.pi / math.sqrt(6))
        return self.scale * (math.sqrt(2) if self.pure else 1.0)

    @property
    def error(self) -> float:
        """Return the size of the noise: a number to compare two ways of paying by, each above 0."""
        return self.deviation * self.spread

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON values."""
        return {
            "name": self.name,
            "mechanism": self.mechanism,
            "sensitivity": self.sensitivity,
            "rho": self.rho,
            "pure": self.pure,
            "scale": self.scale,
            "plus_minus_95": None if self.plus_minus_95 is None else decimal_text(self.plus_minus_95),
            "note": self.note,
            "threshold": self.threshold,
            "rank": self.rank,
        }


def measure_of(facts: Layout, index: int, share: Loss, delta: int) -> Measure:
    """Return the noise of one need at its share of the loss; raise QueryRejected where it drowns every figure."""
    need = facts.needs[index]
    if share.pure:
        scale = facts.absolute(index) * PURE_UNIT / share.pure * _MARGIN
    else:
        scale = math.sqrt(facts.squared(index) * RHO_UNIT / (2 * share.rho)) * _MARGIN
    if scale * 64 >= OVERFLOW:
        raise QueryRejected(
            "rho_too_small", "ρ", "The offered loss would drown every figure in noise.", "Offer a larger ε."
        )
    if need.way in (Way.RANK, Way.TOP):
        return _choice(facts, index, share, scale)
    is_selector = index == facts.selector
    whole, noise = (
        (facts.absolute(index), "discrete Laplace")
        if share.pure
        else (math.sqrt(facts.squared(index)), "discrete Gaussian")
    )
    return Measure(
        name=("" if need.tree is None else "running ")
        + _NAMES["count" if need.way is Way.CURVE else need.kind],
        mechanism=noise + _how(need, is_selector=is_selector),
        sensitivity=math.nextafter(whole, math.inf),
        rho=share.rho,
        pure=share.pure,
        scale=scale,
        plus_minus_95=_reach(need, scale, is_pure=bool(share.pure)),
        note="also chooses which group names are shown" if is_selector else "",
        threshold=threshold(scale, facts.groups, delta) if is_selector else None,
        spread=max(need.tree.deviations) if need.tree is not None else 1.0,
    )


def _how(need: Need, *, is_selector: bool) -> str:
    """Return what is done beside adding noise, in words."""
    if is_selector:
        return " with threshold"
    if need.tree is not None:
        return f" on {len(need.tree.spans)} levels of sums"
    return ""


def _reach(need: Need, scale: float, *, is_pure: bool) -> Decimal:
    """Return ± at 95 % in the need's own unit; for running counts, of the one that errs most."""
    if need.tree is not None:
        deviation = scale * (math.sqrt(2) if is_pure else 1.0)
        return Decimal(math.ceil(Z95 * deviation * max(need.tree.deviations)))
    steps = laplace_accuracy(scale) if is_pure else accuracy(scale)
    unit = need.step**2 if need.kind == "square" else need.step
    return Decimal(steps) * Decimal(unit.numerator) / Decimal(unit.denominator)


def _choice(facts: Layout, index: int, share: Loss, scale: float) -> Measure:
    """Return the noise of a choice among the steps of a histogram, or among groups."""
    need = facts.needs[index]
    noise = "permute and flip" if share.pure else "exponential mechanism"
    rank = None
    if need.way is Way.TOP:
        name, note = f"largest {need.most} groups by {_NAMES[need.kind]}", "shows names only"
    else:
        name, note = _NAMES["bins"], f"chooses among {need.candidates} values"
        if need.share in (0, 1):
            rank = extreme_rank(scale, need.candidates)
            end = "smallest" if need.share == 0 else "largest"
            note += f"; aims at place {rank} from the {end}, so that the noise hardly ever leaves the values"
    return Measure(
        name,
        noise,
        float(facts.moves(index)),
        share.rho,
        scale,
        None,
        note,
        None,
        share.pure,
        rank,
        is_choice=True,
    )
