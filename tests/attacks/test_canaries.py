"""One run through the whole portal, audited: M people, each alone in a public group, each there with probability ½.

What the portal releases may not refute what it charged for (Steinke, Nasr, Jagielski 2023), and it must refute a
claim of a quarter of that ρ, for which the same answer holds half the noise.
"""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from privacy.loss import RHO_UNIT, epsilon_of
from tests.attacks import kit

pytestmark = pytest.mark.django_db
DELTA = 1e-7
DOUBT = 1e-6  # the chance that a sound run is refuted


def declared(side: int) -> dict[str, Any]:
    """Declare people who lie in a public square of that side."""
    axis = {"kind": "integer", "lower": "0", "upper": str(side - 1), "nullable": False, "source": "protocol"}
    return {
        "columns": [
            {"name": "who", "kind": "text"},
            {"name": "a", **axis},
            {"name": "b", **axis},
        ],
        "unit_column": "who",
        "max_groups": 1,
        "max_rows": 1,
        "max_units": side * side,
        "declared_rows": side * side // 2,
    }


def people(side: int, seed: int) -> set[int]:
    """Return who is there: about half of the square."""
    dice = random.Random(seed)
    return {place for place in range(side * side) if dice.random() < 0.5}


def released(side: int, runs: int) -> list[tuple[int, list[tuple[int, bool]]]]:
    """Return, of each run, the ρ that was charged and every place's noisy count with whether somebody was there."""
    there = people(side, side)
    lines = ["who,a,b", *(f"p{place},{place // side},{place % side}" for place in sorted(there))]
    kit.published("square", lines, declared(side))
    grant, portal = kit.granted("square"), kit.Portal()
    found = []
    for run in range(runs):
        # Each run asks for a little more, or the stored answer would be repeated.
        sql = f"SELECT a, b, COUNT(*) AS n FROM square WHERE a >= {-run - 1} GROUP BY a, b"
        answer = portal.answered(grant, sql, EPSILON)
        counts = [(row[2], row[0] * side + row[1] in there) for row in answer["rows"]]
        found.append((answer["certificate"]["loss"]["rho"], counts))
    return found


EPSILON = "6"  # where guessing everybody tells most between ρ and a quarter of it


def tail(right: int, made: int, p: float) -> float:
    """Return P[Binomial(made, p) ≥ right]."""
    start = math.lgamma(made + 1)
    logs = (
        start - math.lgamma(k + 1) - math.lgamma(made - k + 1) + k * math.log(p) + (made - k) * math.log1p(-p)
        for k in range(right, made + 1)
    )
    return math.fsum(map(math.exp, logs))


def least_rho(counts: list[tuple[int, bool]]) -> float:
    """Return the ρ below which this run would be a wonder, guessing of everybody whether they are there.

    Given all others, a guess is right with at most ½ + ½√(ρ/2): half the total variation, by Pinsker's inequality.
    """
    right = sum((count >= 1) == there for count, there in counts)
    low, high = 0.0, 2.0
    for _ in range(50):
        middle = (low + high) / 2
        if tail(right, len(counts), 0.5 + 0.5 * math.sqrt(middle / 2)) < DOUBT:
            low = middle
        else:
            high = middle
    return low


def least_epsilon(counts: list[tuple[int, bool]]) -> float:
    """Return the same bound as an ε."""
    return epsilon_of(round(least_rho(counts) * RHO_UNIT), DELTA)


def assert_as_charged(rho: int, counts: list[tuple[int, bool]]) -> None:
    """The bound is below what was charged, and above what half the noise would deserve."""
    bound = least_epsilon(counts)
    assert bound < epsilon_of(rho, DELTA)
    assert bound > epsilon_of(rho // 4, DELTA), "half the noise is caught"


def test_a_run_through_the_portal_is_as_private_as_it_was_charged_for() -> None:
    ((rho, counts),) = released(75, 1)
    assert_as_charged(rho, counts)


@pytest.mark.prove
def test_in_20_of_20_runs_over_10_000_people_epsilon_stands_and_half_the_noise_is_refuted(
    settings: Any,
) -> None:
    """By the Gaussian's own accuracy the bound is 17 standard deviations below the claim, and 9 above the fault's."""
    settings.DEADLINE_SLACK = 15  # so many draws take long on a busy machine, and an over-run has no answer
    for rho, counts in released(100, 20):
        assert_as_charged(rho, counts)


def test_the_audit_itself_is_sound_at_a_coins_toss() -> None:
    dice = random.Random(1)
    counts = [(round(dice.gauss(0, 5)), dice.random() < 0.5) for _ in range(2_000)]
    assert least_rho(counts) == pytest.approx(0, abs=1e-9)
