"""From the error that a scientist can live with to the least ε that reaches it; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import partial

from domains.catalog.models import Population
from domains.errors import InvalidInput
from domains.ledger import queries as books
from domains.ledger.queries import Balance
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.models import AccessGrant
from domains.requests.accounting import Accounting, can_pay, cost, parse_accounting
from domains.requests.specification import MOST_EPSILON, current_version, offering
from privacy.errors import QueryRejected
from privacy.loss import PURE_UNIT, epsilon_of, rho_of
from privacy.query.price import Pricing
from privacy.query.target import least_offer

MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True)
class Offer:
    """The least ε that reaches an error, and what it is paid in: zcdp or pure, never auto."""

    epsilon: Decimal
    accounting: Accounting


@dataclass(frozen=True)
class _Aim:
    """What is to be reached, by which prices, and for whose accounts."""

    buy: Callable[[Accounting, int], Pricing]
    least: Callable[[Callable[[int], Pricing]], int]
    population: Population
    chain: Sequence[Balance]


def least_epsilon(
    grant: AccessGrant,
    *,
    sql: str,
    error: str,
    figure: str = "",
    rows: int | None = None,
    accounting: str = "zcdp",
    by: User,
) -> Offer:
    """Return the least ε, to six places, at which `figure`, or every one, is within ± `error` at 95 %.

    `rows` is how many values the asker supposes in a group; means need it. It is found in the currency that
    `accounting` names; auto takes the cheaper of those that the grant can pay, compared by ε, and ρ of equals.
    Raises QueryRejected or InvalidInput.
    """
    require(by, Permission.REQUEST_CREATE, on=grant)
    kind = parse_accounting(accounting)
    _, buy = offering(grant, current_version(grant), sql=sql)
    least = partial(least_offer, target=error_of(error), output=figure or None, n=rows)
    chain = books.balances(grant, by) if kind == Accounting.AUTO else ()
    aim = _Aim(buy, least, grant.dataset.population, chain)
    found = _cheaper(aim) if kind == Accounting.AUTO else _found(aim, kind)
    if found.epsilon > MOST_EPSILON:
        raise too_dear(found.epsilon)
    return found


def too_dear(epsilon: Decimal) -> InvalidInput:
    """Return the refusal of an error that costs more than any question may."""
    text = f"That error needs an ε of {epsilon:.3f}, and no question may cost more than {MOST_EPSILON}."
    return InvalidInput(text, code="target_too_dear")


Buyer = Callable[[Accounting, int], Pricing]


def least_in(
    accounting: Accounting,
    buy: Buyer,
    least: Callable[[Callable[[int], Pricing]], int],
    population: Population,
) -> Offer:
    """Return the least offer in one currency of what `buy` prices, rounded up to six places."""
    return _found(_Aim(buy, least, population, ()), accounting)


def _cheaper(aim: _Aim) -> Offer:
    """Return the offer of less ε among those that every account can pay; where none can be paid, that in ρ.

    A currency that the question cannot be paid in is left out; raises the refusal of ρ where both are.
    """
    offers: list[Offer] = []
    refused: list[QueryRejected | InvalidInput] = []
    for kind in (Accounting.ZCDP, Accounting.PURE):
        if kind == Accounting.PURE and not any(balance.has_pure for balance in aim.chain):
            continue
        try:
            offers.append(_found(aim, kind))
        except (QueryRejected, InvalidInput) as refusal:
            refused.append(refusal)
    if not offers:
        raise refused[0]
    paid = [
        each for each in offers if can_pay(aim.chain, cost(each.epsilon, each.accounting, aim.population))
    ]
    return min(paid or offers[:1], key=lambda each: each.epsilon)


def _found(aim: _Aim, kind: Accounting) -> Offer:
    """Return the least offer in one currency, rounded up to six places."""
    amount = aim.least(partial(aim.buy, kind))
    if kind == Accounting.PURE:
        epsilon = (Decimal(amount) / PURE_UNIT).quantize(MILLIONTH, ROUND_CEILING)
        return Offer(epsilon.normalize(), kind)
    delta = aim.population.conversion_delta
    epsilon = max(Decimal(epsilon_of(amount, delta)).quantize(MILLIONTH, ROUND_CEILING), MILLIONTH)
    if epsilon > MOST_EPSILON:  # far above it, there is no ρ to compare with
        raise too_dear(epsilon)
    while rho_of(float(epsilon), delta) < amount:  # ε was rounded to six places, and ρ rounds down once more
        epsilon += MILLIONTH
    return Offer(epsilon.normalize(), kind)


def error_of(text: str) -> Decimal:
    """Read ±: a positive decimal; raise InvalidInput with the remedy."""
    try:
        error = Decimal(str(text).strip())
    except InvalidOperation:
        error = Decimal("NaN")
    if not error.is_finite() or error <= 0 or abs(error.adjusted()) > 30:
        raise InvalidInput(
            f"The error is a number above 0 such as 50, not “{str(text)[:20]}”.", code="error_invalid"
        )
    return error
