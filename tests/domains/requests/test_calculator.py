"""The calculator prices as the node would, and needs no data."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domains.errors import InvalidInput
from domains.requests.accounting import Accounting
from domains.requests.calculator import Figure, Statistic, calculate
from privacy.errors import QueryRejected

RANGE = {"lower": Decimal(0), "upper": Decimal(100)}


@pytest.mark.parametrize("accounting", [Accounting.ZCDP, Accounting.PURE])
@pytest.mark.parametrize("statistic", list(Statistic))
def test_the_least_epsilon_of_an_error_keeps_within_it_and_less_does_not(statistic, accounting):
    figure = Figure(statistic, **RANGE)
    there = calculate(figure, epsilon="0.5", accounting=accounting)
    back = calculate(figure, error=str(there.plus_minus_95), accounting=accounting)
    assert back.epsilon <= there.epsilon
    assert back.plus_minus_95 <= there.plus_minus_95
    less = calculate(figure, epsilon=str(back.epsilon - Decimal("0.00001")), accounting=accounting)
    assert less.plus_minus_95 >= back.plus_minus_95
    assert (there.loss.pure > 0) == (accounting == Accounting.PURE)


def test_more_of_one_person_and_a_wider_range_err_more_and_a_larger_group_less():
    def error(**about):
        return calculate(Figure(Statistic.MEAN, **{**RANGE, **about}), epsilon="1").plus_minus_95

    assert error(rows_each=5) > error() > error(group=100_000)
    assert error(upper=Decimal(1000)) > error()


def test_what_cannot_be_worked_out_is_refused_with_a_reason():
    figure = Figure(Statistic.SUM, **RANGE)
    for choice in ({}, {"epsilon": "1", "error": "1"}, {"epsilon": "0"}, {"error": "-1"}, {"error": "0.001"}):
        with pytest.raises((InvalidInput, QueryRejected)):
            calculate(figure, **choice)
    with pytest.raises(InvalidInput):
        calculate(figure, epsilon="1", accounting=Accounting.AUTO)
    for lower, upper in (("5", "5"), ("0", "1e17"), ("0", "1e-40"), ("500000000000", "500000000000.000001")):
        with pytest.raises((InvalidInput, QueryRejected)):
            calculate(Figure(Statistic.SUM, Decimal(lower), Decimal(upper)), epsilon="1")


def test_an_error_that_costs_more_than_any_question_may_is_too_dear_and_no_failure():
    figure = Figure(Statistic.MEAN, Decimal(5), Decimal(10**11), group=10**9)
    with pytest.raises(InvalidInput) as refused:
        calculate(figure, error="5")
    assert refused.value.code == "target_too_dear"
