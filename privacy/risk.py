"""What a privacy loss means for one person, in a number that needs no mathematics to read."""

from __future__ import annotations

import math


def guess_after(epsilon: float, delta: float) -> float:
    """Return how often, at most, a guess about one person can be right after all answers, of one that was a toss-up.

    With (ε, δ)-DP and even odds before, no test tells two neighbouring data sets apart with a probability above
    (e^ε + δ) / (1 + e^ε) (Kairouz, Oh, Viswanath 2015, Theorem 2.1, at equal priors).
    """
    if epsilon > 700:
        return 1.0
    odds = math.exp(epsilon)
    return min(1.0, (odds + delta) / (1 + odds))
