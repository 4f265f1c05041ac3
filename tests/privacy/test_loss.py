"""Losses add up as integers; ε is the optimal conversion, rounded so that nobody is promised too much."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.errors import LossInvalid
from privacy.loss import (
    DELTA_UNIT,
    PURE_UNIT,
    RHO_UNIT,
    Loss,
    comparable_rho,
    epsilon_of,
    pure_of,
    rho_of,
    total_epsilon,
)


def opendp_epsilon(rho: float, delta: float) -> float:
    """Ask OpenDP for the same conversion: a Gaussian of scale 1 on a sensitivity that costs ρ."""
    from opendp import combinators, domains, measurements, metrics
    from opendp.mod import enable_features

    enable_features("contrib")
    space = domains.atom_domain(T="f64", nan=False)
    gaussian = measurements.make_gaussian(space, metrics.absolute_distance(T="f64"), scale=1.0)
    curve = combinators.make_zCDP_to_approxDP(gaussian).map(math.sqrt(2 * rho))
    return float(curve.epsilon(delta))


@pytest.mark.parametrize("rho", [1e-6, 1e-4, 0.00123, 0.0243559, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("delta", [1e-3, 5e-7, 1e-9])
def test_epsilon_agrees_with_two_other_libraries(rho: float, delta: float) -> None:
    ours = epsilon_of(round(rho * RHO_UNIT), delta)
    assert ours == pytest.approx(opendp_epsilon(rho, delta), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("rho", [0.0243559, 0.5])
def test_epsilon_is_never_below_the_exact_one(rho: float) -> None:
    """A Gaussian's exact privacy is better than its zCDP says: a conversion below it would be wrong."""
    from dp_accounting import GaussianDpEvent
    from dp_accounting.pld import PLDAccountant

    exact = (
        PLDAccountant(value_discretization_interval=1e-3)
        .compose(GaussianDpEvent(1 / math.sqrt(2 * rho)))
        .get_epsilon(1e-6)
    )
    assert epsilon_of(round(rho * RHO_UNIT), 1e-6) > exact


@pytest.mark.parametrize("rho", [0.001, 0.0243559, 0.5])
def test_epsilon_is_not_above_the_published_accountant(rho: float) -> None:
    """dp_accounting's Rényi accountant searches a fixed list of orders, so it can only be above the optimum."""
    from dp_accounting import ZCDpEvent
    from dp_accounting.rdp import RdpAccountant

    theirs = RdpAccountant().compose(ZCDpEvent(rho, 0.0)).get_epsilon(1e-6)
    assert epsilon_of(round(rho * RHO_UNIT), 1e-6) <= theirs * (1 + 1e-9)


def test_the_two_figures_of_the_design() -> None:
    assert epsilon_of(24_355_900_000, 1e-6) == pytest.approx(1.0, abs=1e-5)
    assert rho_of(1.0, 5e-7) / RHO_UNIT == pytest.approx(0.0229374, abs=5e-8)


@given(st.floats(0.01, 20), st.sampled_from([1e-9, 5e-7, 1e-3]))
def test_rho_rounds_down_and_is_the_most(epsilon: float, delta: float) -> None:
    most = rho_of(epsilon, delta)
    assert epsilon_of(most, delta) <= epsilon < epsilon_of(most + 1 + most // 10**9, delta)


@given(st.integers(0, 10**13), st.integers(1, 10**11))
def test_epsilon_grows_with_rho(rho: int, more: int) -> None:
    assert epsilon_of(rho, 1e-6) <= epsilon_of(rho + more, 1e-6) * (1 + 1e-11)


@pytest.mark.parametrize("rho", [-1, 1.5, True, None])
def test_rho_is_a_whole_number_of_units(rho: object) -> None:
    with pytest.raises(LossInvalid):
        epsilon_of(rho, 1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("delta", [0, 1, -1e-6, math.nan])
def test_delta_lies_between_0_and_1(delta: float) -> None:
    with pytest.raises(LossInvalid):
        epsilon_of(RHO_UNIT, delta)


@pytest.mark.parametrize("epsilon", [0, -1, math.inf, math.nan, 1001])
def test_epsilon_must_be_a_sensible_number(epsilon: float) -> None:
    with pytest.raises(LossInvalid):
        rho_of(epsilon, 1e-6)


def test_losses_add_and_fit_in_every_currency() -> None:
    assert Loss(1, 2, 3) + Loss(3, 4, 5) == Loss(4, 6, 8)
    assert Loss(4, 6, 8) - Loss(3, 4, 5) == Loss(1, 2, 3)
    assert Loss.zero().fits(Loss(0, 0, 0))
    assert not Loss(2, 0, 0).fits(Loss(1, 9, 9))
    assert not Loss(0, 2, 0).fits(Loss(9, 1, 9))
    assert not Loss(0, 0, 2).fits(Loss(9, 9, 1))


def test_a_loss_is_read_as_it_was_written() -> None:
    assert Loss(1, DELTA_UNIT, 7).to_dict() == {"rho": 1, "delta": DELTA_UNIT, "pure": 7}
    assert Loss.from_dict(Loss(1, DELTA_UNIT, 7).to_dict()) == Loss(1, DELTA_UNIT, 7)


@pytest.mark.parametrize(
    "bad",
    [
        {"rho": 1, "delta": 0},
        {"rho": 1.0, "delta": 0, "pure": 0},
        {"rho": -1, "delta": 0, "pure": 0},
        {"rho": 1, "delta": True, "pure": 0},
        {"rho": 1, "delta": 0, "pure": -1},
        {"rho": 1, "delta": 0, "pure": "1"},
        {"rho": 1, "delta": 0, "pure": 0, "epsilon": 1},
    ],
)
def test_a_loss_is_exactly_three_non_negative_integers(bad: dict[str, object]) -> None:
    with pytest.raises(LossInvalid):
        Loss.from_dict(bad)


@pytest.mark.parametrize(("have", "take"), [(Loss(1, 0), Loss(2, 0)), (Loss(9, 9, 1), Loss(0, 0, 2))])
def test_what_does_not_fit_cannot_be_taken(have: Loss, take: Loss) -> None:
    with pytest.raises(LossInvalid):
        have - take


@given(st.decimals(0, 1000, places=20))
def test_a_pure_cost_rounds_up_and_a_pure_limit_down(epsilon: Decimal) -> None:
    cost, limit = pure_of(epsilon, is_cost=True), pure_of(epsilon, is_cost=False)
    assert limit <= epsilon * PURE_UNIT <= cost <= limit + 1


@pytest.mark.parametrize("epsilon", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(1001), 0.5])
def test_a_pure_epsilon_must_be_a_sensible_decimal(epsilon: Decimal) -> None:
    with pytest.raises(LossInvalid):
        pure_of(epsilon, is_cost=True)


@given(st.integers(0, 10**15), st.integers(0, 10**12))
def test_a_pure_loss_compares_as_half_its_square_rounded_up(pure: int, rho: int) -> None:
    exact = Fraction(pure, PURE_UNIT) ** 2 / 2 * RHO_UNIT
    assert comparable_rho(Loss(rho, 5, pure)) == rho + math.ceil(exact)


def test_the_zcdp_of_a_pure_loss_is_what_another_library_says() -> None:
    """OpenDP derives the same ρ for a Laplace mechanism by the same theorem."""
    from opendp import combinators, domains, measurements, metrics
    from opendp.mod import enable_features

    enable_features("contrib")
    space = domains.atom_domain(T="i64")
    laplace = measurements.make_laplace(space, metrics.absolute_distance(T="i64"), scale=4.0)
    rho = float(combinators.make_pureDP_to_zCDP(laplace).map(1))
    pure = pure_of(Decimal("0.25"), is_cost=True)
    assert comparable_rho(Loss(0, 0, pure)) / RHO_UNIT == pytest.approx(rho, rel=1e-9)


@given(st.integers(0, 10**12), st.integers(0, 10**13))
def test_the_total_epsilon_is_the_sum_of_both_and_never_below_it(rho: int, pure: int) -> None:
    total = total_epsilon(Loss(rho, 3, pure), 1e-6)
    both = Fraction(pure, PURE_UNIT) + Fraction(epsilon_of(rho, 1e-6))
    assert both <= Fraction(total) <= both * (1 + Fraction(1, 10**11))


def test_the_total_covers_laplace_and_gaussian_together() -> None:
    """The exact ε of both, from their joint privacy loss distribution, is within the total that people read."""
    from dp_accounting import ComposedDpEvent, GaussianDpEvent, LaplaceDpEvent
    from dp_accounting.pld import PLDAccountant

    rho, pure, times = 0.02, Decimal("0.3"), 3
    one = GaussianDpEvent(1 / math.sqrt(2 * rho)), LaplaceDpEvent(float(1 / pure))
    both = PLDAccountant(value_discretization_interval=1e-3).compose(ComposedDpEvent([*one] * times))
    spent = Loss(round(times * rho * RHO_UNIT), 0, times * pure_of(pure, is_cost=True))
    assert both.get_epsilon(1e-6) < total_epsilon(spent, 1e-6)
