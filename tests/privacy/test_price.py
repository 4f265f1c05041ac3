"""The price: known before data is opened, spent to the last unit, and never a surprise."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from privacy.errors import QueryRejected
from privacy.loss import RHO_UNIT
from privacy.query.parse import parse
from privacy.query.plan import Plan
from privacy.query.price import expected_error, price
from privacy.query.reference import EXAMPLE, SUPPORTED, VAST
from privacy.query.scales import accuracy
from privacy.query.target import rho_for_error


def plan_of(sql: str) -> Plan:
    """Parse over the example table."""
    return parse(sql, EXAMPLE)


@pytest.mark.parametrize("entry", SUPPORTED, ids=lambda entry: entry.name)
@pytest.mark.parametrize("rho", [10**6 + 1, 22_937_400_000])
def test_the_shares_add_up_to_what_was_offered(entry: object, rho: int) -> None:
    pricing = price(plan_of(entry.sql), EXAMPLE, rho=rho, delta=10**12)  # type: ignore[attr-defined]
    assert pricing.loss.rho == sum(measure.rho for measure in pricing.measures) == rho
    for measure in pricing.measures:
        if not measure.is_choice:  # what a choice costs is tested against its library
            assert measure.sensitivity**2 / (2 * measure.scale**2) <= measure.rho / RHO_UNIT


def test_a_group_by_of_any_width_is_one_charge() -> None:
    narrow = price(plan_of("SELECT COUNT(*) FROM visits"), EXAMPLE, rho=10**10)
    wide = price(plan_of("SELECT place, COUNT(*) FROM visits GROUP BY place"), EXAMPLE, rho=10**10)
    assert narrow.loss == wide.loss
    assert (narrow.cells, wide.cells) == (1, 1001)


def test_delta_is_charged_for_unknown_names_only() -> None:
    known = price(plan_of("SELECT sex, COUNT(*) FROM visits GROUP BY sex"), EXAMPLE, rho=10**10, delta=10**11)
    unknown = price(
        plan_of("SELECT diagnosis, COUNT(*) FROM visits GROUP BY 1"), EXAMPLE, rho=10**10, delta=10**11
    )
    assert (known.loss.delta, unknown.loss.delta) == (0, 10**11)
    assert unknown.measures[-1].threshold is not None


def test_one_count_serves_the_count_and_the_mean() -> None:
    shared = price(plan_of("SELECT COUNT(*), AVG(age), AVG(age * 2) FROM visits"), EXAMPLE, rho=10**10)
    assert [measure.name for measure in shared.measures] == ["rows", "sum", "sum"]
    apart = price(plan_of("SELECT COUNT(*), AVG(cost) FROM visits"), EXAMPLE, rho=10**10)
    assert [measure.name for measure in apart.measures] == ["rows", "known values", "sum"]


def test_sensitivity_is_root_groups_times_rows_times_size() -> None:
    whole = price(
        plan_of("SELECT COUNT(*), SUM(age), COUNT(DISTINCT patient) FROM visits"), EXAMPLE, rho=10**10
    )
    assert [round(measure.sensitivity, 6) for measure in whole.measures] == [4, 440, 1]
    split = price(plan_of("SELECT score, COUNT(*), AVG(age) FROM visits GROUP BY score"), EXAMPLE, rho=10**10)
    assert split.measures[0].sensitivity == pytest.approx(4 * math.sqrt(3))
    assert split.measures[1].sensitivity == pytest.approx(4 * 55 * math.sqrt(3))


def test_the_deadline_is_a_multiple_of_the_tick_and_follows_public_size() -> None:
    plan = plan_of("SELECT AVG(age) FROM visits")
    for tick in ("0.05", "0.25", "2"):
        due = price(plan, EXAMPLE, rho=10**10, tick=Decimal(tick), declared_rows=9_000).deadline_seconds
        assert due % Decimal(tick) == 0
        assert due >= Decimal("0.2")
    small = price(plan, EXAMPLE, rho=10**10, declared_rows=1_000).deadline_seconds
    assert small == Decimal("0.25")
    assert price(plan, EXAMPLE, rho=10**10, declared_rows=10**7).deadline_seconds > small
    for tick in ("0", "-1", "NaN"):
        with pytest.raises(QueryRejected, match="tick"):
            price(plan, EXAMPLE, rho=10**10, tick=Decimal(tick))


@pytest.mark.parametrize("rho", [True, 1.5, None, -3])
def test_the_offer_is_a_positive_whole_number(rho: object) -> None:
    with pytest.raises(QueryRejected):
        price(plan_of("SELECT COUNT(*) FROM visits"), EXAMPLE, rho=rho)  # type: ignore[arg-type]


def test_an_offer_that_drowns_every_figure_is_refused() -> None:
    with pytest.raises(QueryRejected) as caught:
        price(
            parse("SELECT AVG(volume) FROM visits", replace(VAST, max_units=1000)),
            replace(VAST, max_units=1000),
            rho=10,
        )
    assert caught.value.code == "rho_too_small"


def test_the_expected_error_of_a_mean_falls_with_n_and_is_at_most_its_range() -> None:
    pricing = price(
        plan_of("SELECT sex, AVG(age) AS a, COUNT(*) AS n FROM visits GROUP BY sex"), EXAMPLE, rho=10**10
    )
    few, many = expected_error(pricing, 500)["a"], expected_error(pricing, 50_000)["a"]
    assert few is not None
    assert many is not None
    assert many < few / 50
    assert expected_error(pricing, 0)["a"] == 110
    assert expected_error(pricing, 500)["n"] == pricing.outputs[2].plus_minus_95
    assert expected_error(pricing, 500)["sex"] is None


@pytest.mark.parametrize("target", [5, 50, 5000])
def test_the_loss_for_a_wanted_error_is_the_least_one(target: int) -> None:
    plan = plan_of("SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex")
    rho = rho_for_error(plan, EXAMPLE, target=Decimal(target))
    assert price(plan, EXAMPLE, rho=rho).outputs[1].plus_minus_95 <= target  # type: ignore[operator]
    assert price(plan, EXAMPLE, rho=rho - 1 - rho // 10**9).outputs[1].plus_minus_95 > target  # type: ignore[operator]


def test_an_error_may_be_wanted_for_one_column() -> None:
    plan = plan_of("SELECT COUNT(*) AS n, SUM(age) AS total FROM visits")
    for_count = rho_for_error(plan, EXAMPLE, target=Decimal(100), output="n")
    for_all = rho_for_error(plan, EXAMPLE, target=Decimal(100))
    assert for_count < for_all


@pytest.mark.parametrize(
    ("target", "output"), [(0, None), (-1, None), ("NaN", None), (5, "a"), (5, "nobody")]
)
def test_an_error_that_cannot_be_promised_is_refused(target: object, output: str | None) -> None:
    with pytest.raises(QueryRejected) as caught:
        rho_for_error(
            plan_of("SELECT AVG(age) AS a FROM visits"), EXAMPLE, target=Decimal(target), output=output
        )  # type: ignore[arg-type]
    assert caught.value.code == "target_unreachable"


def test_other_refusals_pass_through_the_search() -> None:
    with pytest.raises(QueryRejected) as caught:
        rho_for_error(
            plan_of("SELECT diagnosis, COUNT(*) FROM visits GROUP BY 1"), EXAMPLE, target=Decimal(5)
        )
    assert caught.value.code == "delta_needed"


def test_a_pricing_is_written_as_json_values() -> None:
    pricing = price(plan_of("SELECT sex, AVG(age) AS a FROM visits GROUP BY sex"), EXAMPLE, rho=10**10)
    data = pricing.to_dict()
    assert data["loss"] == {"rho": 10**10, "delta": 0, "pure": 0}
    assert [output["kind"] for output in data["outputs"]] == ["key", "mean"]
    assert data["measures"][0]["plus_minus_95"] == str(accuracy(pricing.measures[0].scale))
