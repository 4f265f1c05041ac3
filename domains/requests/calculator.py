"""What an ε buys and what an error costs, for one figure over bounds that the asker makes up; no data are involved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial

from domains.catalog.models import Population
from domains.errors import InvalidInput
from domains.requests import targets
from domains.requests.accounting import Accounting, cost
from domains.requests.specification import MOST_EPSILON, parse_epsilon
from privacy.column import Column, Kind
from privacy.errors import SchemaInvalid
from privacy.loss import Loss
from privacy.query.parse import parse
from privacy.query.price import Pricing, price
from privacy.query.target import known_errors, least_offer
from privacy.schema import Table
from privacy.unit import PrivacyUnit

FIGURE = "figure"
_GRAINS = 4  # a value is kept to so many digits below the first one of its range


class Statistic(StrEnum):
    """The figures that can be worked out without data."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True)
class Calculation:
    """One figure: its ε and loss, and how far off it is at most, 19 times of 20."""

    epsilon: Decimal
    accounting: Accounting
    loss: Loss
    plus_minus_95: Decimal
    delta: float


@dataclass(frozen=True)
class Figure:
    """A figure over bounds that the asker makes up: values from `lower` to `upper`, so many of one person."""

    statistic: Statistic
    lower: Decimal = Decimal(0)
    upper: Decimal = Decimal(1)
    group: int = 1_000
    rows_each: int = 1


def calculate(
    figure: Figure, *, epsilon: str = "", error: str = "", accounting: Accounting = Accounting.ZCDP
) -> Calculation:
    """Return the error that an ε gives, or the least ε that keeps within an error; give exactly one of them.

    Priced as a question of this node would be, at the δ that populations have unless somebody changed it. Raises
    InvalidInput and QueryRejected.
    """
    if bool(epsilon) == bool(error):
        raise InvalidInput("Give either an ε or the error that you need.", code="calculator_invalid")
    if accounting == Accounting.AUTO:
        raise InvalidInput("The calculator reckons in ρ or in pure ε.", code="accounting_invalid")
    population = Population()
    buy = _buyer(figure)
    if error:
        offered = targets.least_in(
            accounting, buy, partial(least_offer, target=targets.error_of(error), n=figure.group), population
        )
        amount = offered.epsilon
        if amount > MOST_EPSILON:
            raise targets.too_dear(amount)
    else:
        amount = parse_epsilon(epsilon)
    loss = cost(amount, accounting, population)
    priced = buy(accounting, loss.pure or loss.rho)
    known = known_errors(priced, figure.group)[FIGURE]
    return Calculation(amount, accounting, priced.loss, known, 2 * population.conversion_delta)


def _buyer(figure: Figure) -> targets.Buyer:
    """Return what prices the figure at an amount of ρ or of pure ε."""
    if not figure.lower < figure.upper:
        raise InvalidInput("The lower bound lies below the upper one.", code="bounds_invalid")
    span = (figure.upper - figure.lower).adjusted() - _GRAINS
    if not -30 <= span <= 12 or figure.lower.adjusted() > 17 or figure.upper.adjusted() > 17:
        raise InvalidInput("The bounds are too far apart or too close together.", code="bounds_invalid")
    try:
        value = Column(
            "value", Kind.DECIMAL, figure.lower, figure.upper, step=Decimal(1).scaleb(span), nullable=False
        )
        table = Table(
            "data",
            (Column("person", Kind.TEXT, nullable=False), value),
            PrivacyUnit("person", 1, figure.rows_each),
            max_units=max(figure.group, 1),
        )
    except SchemaInvalid as error:
        raise InvalidInput(str(error), code="bounds_invalid") from error
    words = {Statistic.COUNT: "COUNT(*)", Statistic.SUM: "SUM(value)", Statistic.MEAN: "AVG(value)"}
    plan = parse(f"SELECT {words[figure.statistic]} AS {FIGURE} FROM data", table)  # noqa: S608 - a constant

    def buy(kind: Accounting, amount: int) -> Pricing:
        if kind == Accounting.PURE:
            return price(plan, table, pure=amount)
        return price(plan, table, rho=amount)

    return buy
