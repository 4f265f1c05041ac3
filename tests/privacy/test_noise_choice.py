"""Laplace noise and noisy choices are OpenDP's, checked before they are drawn, and charged for what they do."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction

import pytest

from privacy import noise
from privacy.errors import EngineFault, LossExceeded
from privacy.loss import PURE_UNIT, RHO_UNIT, Loss
from privacy.noise_choice import NoisyChoice, noisy_choice

PLENTY = Loss(RHO_UNIT, 0, PURE_UNIT)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e-320, 1])
def test_a_scale_that_hides_nothing_is_refused(scale: float) -> None:
    with pytest.raises(LossExceeded):
        noise.laplace_vector(sensitivity=1.0, scale=scale, reserved=PLENTY)
    for is_pure in (False, True):
        with pytest.raises(LossExceeded):
            noisy_choice(sensitivity=1, scale=scale, reserved=PLENTY, is_pure=is_pure)


def test_opendp_itself_would_release_the_true_best() -> None:
    """The reason for the check: the library accepts a scale of 0."""
    dp = noise.opendp()
    space = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    metric, measure = dp.metrics.linf_distance(T="i64"), dp.measures.zero_concentrated_divergence()
    leaky = dp.measurements.make_noisy_top_k(space, metric, measure, k=1, scale=0.0)
    assert {tuple(leaky([0, 1, 0])) for _ in range(50)} == {(1,)}


@pytest.mark.parametrize("sensitivity", [1, 3, 19])
@pytest.mark.parametrize("most", [1, 4])
def test_a_choice_costs_what_the_theorem_says(sensitivity: int, most: int) -> None:
    """ρ = k d² / 2s² and ε = k 2d / s; a quarter and a half of that where a unit moves all scores one way."""
    wide = Loss(900 * RHO_UNIT, 0, 900 * PURE_UNIT)
    for is_pure, whole in (
        (False, most * sensitivity**2 / (2 * 7.5**2)),
        (True, most * 2 * sensitivity / 7.5),
    ):
        for is_monotonic in (False, True):
            built = noisy_choice(
                sensitivity=sensitivity,
                scale=7.5,
                reserved=wide,
                most=most,
                is_pure=is_pure,
                is_monotonic=is_monotonic,
            )
            saved = (2 if is_pure else 4) if is_monotonic else 1
            assert built.cost == pytest.approx(whole / saved)


@pytest.mark.parametrize("groups", [1, 7])
@pytest.mark.parametrize("is_pure", [False, True])
def test_a_choice_above_its_reservation_is_refused_to_the_last_unit(groups: int, is_pure: bool) -> None:
    built = noisy_choice(sensitivity=1, scale=50.0, reserved=PLENTY, is_pure=is_pure)
    needed = math.ceil(Fraction(built.cost) * groups * RHO_UNIT)

    def build(units: int) -> NoisyChoice:
        reserved = Loss(0, 0, units) if is_pure else Loss(units, 0)
        return noisy_choice(sensitivity=1, scale=50.0, reserved=reserved, groups=groups, is_pure=is_pure)

    build(needed)
    with pytest.raises(LossExceeded):
        build(needed - 1)


def test_laplace_is_charged_as_pure_epsilon_to_the_last_unit() -> None:
    built = noise.laplace_vector(sensitivity=3.0, scale=10.0, reserved=PLENTY)
    assert built.epsilon == pytest.approx(0.3)
    needed = math.ceil(Fraction(built.epsilon) * PURE_UNIT)
    noise.laplace_vector(sensitivity=3.0, scale=10.0, reserved=Loss(0, 0, needed))
    for short in (Loss(0, 0, needed - 1), Loss(RHO_UNIT, 0)):
        with pytest.raises(LossExceeded):
            noise.laplace_vector(sensitivity=3.0, scale=10.0, reserved=short)


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_only_whole_positive_sensitivities_are_taken(bad: float) -> None:
    for name in ("sensitivity", "most", "groups"):
        with pytest.raises(LossExceeded):
            noisy_choice(**{"sensitivity": 1, "scale": 50.0, "reserved": PLENTY, name: bad})  # type: ignore[arg-type]


def test_choices_follow_the_exponential_mechanism() -> None:
    """Under zCDP a candidate that scores g less is chosen e^(g/s) times less often."""
    built = noisy_choice(sensitivity=1, scale=10.0, reserved=PLENTY)
    runs = 3_000
    counts = Counter(built.release([0, -10, -20])[0] for _ in range(runs))
    weights = [math.exp(-gap) for gap in (0, 1, 2)]
    for place, weight in enumerate(weights):
        share = weight / sum(weights)
        assert abs(counts[place] / runs - share) < 5 * math.sqrt(share / runs)


def test_several_choices_are_distinct_and_best_first() -> None:
    built = noisy_choice(sensitivity=1, scale=4.0, reserved=Loss(RHO_UNIT, 0), most=3, is_monotonic=True)
    assert built.release([0, 9_000, 5_000, 7_000, -(2**200)]) == [1, 3, 2]
    with pytest.raises(EngineFault):
        built.release([1, 2])


def test_a_mechanisms_complaint_never_leaves() -> None:
    def broken(scores: object) -> object:
        raise RuntimeError(f"bad value {scores}")

    with pytest.raises(EngineFault) as caught:
        NoisyChoice(broken, 0.1, 1.0, 1).release([123456])
    assert "123456" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_certificates_say_what_was_drawn_with() -> None:
    chosen = json.loads(noisy_choice(sensitivity=1, scale=10.0, reserved=PLENTY).certificate())
    assert chosen["__function__"] == "make_noisy_top_k"
    assert "make_laplace" in noise.laplace_vector(sensitivity=1.0, scale=10.0, reserved=PLENTY).certificate()
