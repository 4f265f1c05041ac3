"""From a wanted error to the least loss, for means too."""

from __future__ import annotations

from decimal import Decimal

import pytest

from privacy.errors import QueryRejected
from privacy.query.parse import parse
from privacy.query.price import expected_error, price
from privacy.query.reference import EXAMPLE
from privacy.query.target import known_errors, rho_for_error

MEAN = "SELECT sex, AVG(age) AS a, COUNT(*) AS n FROM visits GROUP BY sex"


@pytest.mark.parametrize("target", ["0.5", "2"])
@pytest.mark.parametrize("n", [100, 5000])
def test_the_loss_for_a_means_error_at_a_supposed_size_is_the_least_one(target: str, n: int) -> None:
    plan = parse(MEAN, EXAMPLE)
    rho = rho_for_error(plan, EXAMPLE, target=Decimal(target), output="a", n=n)
    error = expected_error(price(plan, EXAMPLE, rho=rho), n)["a"]
    above = expected_error(price(plan, EXAMPLE, rho=rho - 1 - rho // 10**3), n)["a"]
    assert error is not None
    assert above is not None
    assert error <= Decimal(target) < above


def test_every_figure_must_keep_within_the_error_where_none_is_named() -> None:
    plan = parse(MEAN, EXAMPLE)
    rho = rho_for_error(plan, EXAMPLE, target=Decimal(3), n=1000)
    assert max(known_errors(price(plan, EXAMPLE, rho=rho), 1000).values()) <= 3
    assert rho > rho_for_error(plan, EXAMPLE, target=Decimal(3), output="a", n=1000)


def test_a_means_error_is_not_known_without_a_supposed_size() -> None:
    with pytest.raises(QueryRejected) as caught:
        rho_for_error(parse(MEAN, EXAMPLE), EXAMPLE, target=Decimal(3), output="a")
    assert caught.value.code == "target_unreachable"
    assert "how many rows" in caught.value.alternative


def test_a_quantiles_error_counts_places_so_it_is_only_aimed_at_by_name() -> None:
    plan = parse("SELECT sex, COUNT(*) AS n, MEDIAN(age) AS m FROM visits GROUP BY sex", EXAMPLE)
    for_count = rho_for_error(plan, EXAMPLE, target=Decimal(20), output="n", n=1000)
    assert rho_for_error(plan, EXAMPLE, target=Decimal(20), n=1000) == for_count
    for_median = rho_for_error(plan, EXAMPLE, target=Decimal(2), output="m", n=1000)
    assert known_errors(price(plan, EXAMPLE, rho=for_median), 1000)["m"] <= 2


def test_many_quantiles_reach_their_error_from_a_curve() -> None:
    calls = ", ".join(f"QUANTILE_CONT(score, 0.{i}5) AS q{i}" for i in range(10))
    plan = parse(f"SELECT {calls} FROM visits", EXAMPLE)
    rho = rho_for_error(plan, EXAMPLE, target=Decimal(2), output="q9", n=1000)
    pricing = price(plan, EXAMPLE, rho=rho)
    assert [measure.name for measure in pricing.measures] == ["running known values"]
    assert "one curve" in pricing.outputs[0].note
    reached, missed = (
        known_errors(each, 1000)["q9"] for each in (pricing, price(plan, EXAMPLE, rho=rho - 1 - rho // 10**3))
    )
    assert reached <= 2 < missed
