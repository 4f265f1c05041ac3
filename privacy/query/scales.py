"""The discrete Gaussian in numbers: how far its noise reaches, and where a threshold must lie."""

from __future__ import annotations

import math

from privacy.errors import QueryRejected
from privacy.loss import DELTA_UNIT

CONFIDENCE = 0.95
Z95 = 1.959963984540054
WIDER = 1.2315  # from ± at 95 % to ± at 97.5 %: ln 40 / ln 20 of Laplace noise, less of Gaussian
LEAST_DELTA = 1e-13  # for each group of a unit; the mechanism's own arithmetic loses digits below 1e-15


def accuracy(scale: float, alpha: float = 1 - CONFIDENCE) -> int:
    """Return the least whole a with P[|Z| ≥ a] ≤ α for a discrete Gaussian Z of that scale.

    Small scales are summed exactly; a large one differs from the continuous Gaussian by less than one.
    """
    if scale > 2_000:
        quantile = Z95 if alpha == 1 - CONFIDENCE else upper_quantile(alpha / 2)
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


def laplace_accuracy(scale: float, alpha: float = 1 - CONFIDENCE) -> int:
    """Return the least whole a with P[|Z| ≥ a] ≤ α for a discrete Laplace Z of that scale.

    P[|Z| ≥ a] = 2 e^(−a/b) / (1 + e^(−1/b)) for a ≥ 1.
    """
    return max(1, math.ceil(scale * (math.log(2 / alpha) - math.log1p(math.exp(-1 / scale)))))


def rank_reach(scale: float, per_rank: int, candidates: int, room: float | None, shift: float = 0.0) -> float:
    """Return how many places a ranked answer may be off at 95 %, for choices of that noise scale.

    A candidate whose score is g less is chosen e^(g/s) times less often, and scores fall by `per_rank` for each
    place. Where candidates lie as close as the noise reaches, the error is double-exponential: s ln 20 / per_rank.
    Where fewer than `room` places lie on one side, empty candidates beyond them weigh in, and only the bound that
    holds for any rows is left: s (ln 20 + ln candidates) / per_rank (McSherry and Talwar 2007).

    `shift` is ± of the aim itself at 95 %, independent of the choice: near, both add up in quadrature, for their
    sum's tail is no heavier than the choice's; far, each may fail once in forty times.
    """
    places = scale / per_rank
    if room is not None and room - shift > places * math.log(100 * candidates):
        return math.hypot(places * math.log(20), shift)
    if not shift:
        return places * math.log(20 * candidates)
    return places * math.log(40 * candidates) + shift * WIDER


def extreme_rank(scale: float, candidates: int) -> int:
    """Return t such that the t-th value from an end is chosen, and hardly ever an empty candidate beyond the end.

    All of `candidates` together, t places off, are then chosen at most once in twenty times.
    """
    return math.ceil(scale * math.log(20 * candidates)) + 1


def extreme_reach(scale: float, candidates: int, count: float | None) -> float:
    """Return the place from an end below which the answer to MIN or MAX lies at 95 %.

    Where values about place t lie as close as the noise reaches, places beyond it are chosen with the one-sided
    tail ½ e^(−y/s): t + s ln 10. In small groups, or where `count` is None, only the bound for any rows is left:
    about twice t.
    """
    rank = extreme_rank(scale, candidates)
    far = rank + scale * math.log(20 * candidates)
    return far if count is None or count < 3 * far else rank + scale * math.log(10)
