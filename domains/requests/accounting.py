"""In which currency a question is paid, ρ or pure ε, and what it then costs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domains.catalog.models import Population
from domains.errors import InvalidInput
from domains.ledger.queries import Balance
from privacy.loss import DELTA_UNIT, Loss, pure_of, rho_of
from privacy.query.plan import Plan
from privacy.query.price import Pricing, best
from privacy.schema import Table
from privacy.workload.plan import Workload
from privacy.workload.price import price as price_workload

# A request that groups by unknown keys takes this share of the population's delta for its threshold.
THRESHOLD_SHARE = 200


class Accounting(StrEnum):
    """What an ε is offered in: zCDP's ρ, pure ε, or whichever of them the grant can pay with the least error."""

    ZCDP = "zcdp"
    PURE = "pure"
    AUTO = "auto"


def parse_accounting(text: str) -> Accounting:
    """Read the name of an accounting; raise InvalidInput with those there are."""
    try:
        return Accounting(text)
    except ValueError:
        raise InvalidInput("The accounting is “zcdp”, “pure” or “auto”.", code="accounting_invalid") from None


def offer(epsilon: Decimal, accounting: Accounting, population: Population, chain: Sequence[Balance]) -> Loss:
    """Return the most that a question at ε may cost: ρ, pure ε, or for auto each of them that `chain` can pay.

    `chain` holds the accounts that would be debited. Where neither currency can be paid, ρ is offered, and the
    estimate says what is missing.
    """
    rho, pure = (cost(epsilon, kind, population) for kind in (Accounting.ZCDP, Accounting.PURE))
    with_delta = rho + Loss(0, threshold_delta(population))
    if accounting == Accounting.ZCDP or (accounting == Accounting.AUTO and not can_pay(chain, pure)):
        return with_delta
    if accounting == Accounting.PURE or not can_pay(chain, rho):
        return pure
    return with_delta + pure


def cost(epsilon: Decimal, accounting: Accounting, population: Population) -> Loss:
    """Return what a question of an ε costs in one currency, zcdp or pure, without the δ of unknown keys."""
    if accounting == Accounting.PURE:
        return Loss(0, 0, pure_of(epsilon, is_cost=True))
    return Loss(rho_of(float(epsilon), population.conversion_delta), 0)


def threshold_delta(population: Population) -> int:
    """Return the δ, in ledger units, that a request grouping by unknown keys may take."""
    return int(population.delta * DELTA_UNIT) // THRESHOLD_SHARE


def can_pay(chain: Sequence[Balance], loss: Loss) -> bool:
    """Say whether every account of a chain has room for a loss; without accounts, nothing has."""
    return bool(chain) and all(loss.fits(balance.left) for balance in chain)


def priced(plan: Plan | Workload, table: Table, offered: Loss, **size: Any) -> Pricing:
    """Return what a plan costs out of `offered`; of two currencies, in the one with the least error.

    A workload is measured with Gaussian noise alone, so it is paid in ρ; raises InvalidInput where only pure ε
    is offered, and QueryRejected.
    """
    if not isinstance(plan, Workload):
        return best(plan, table, rho=offered.rho, delta=offered.delta, pure=offered.pure, **size)
    if not offered.rho:
        raise InvalidInput(
            "A workload is paid in ρ: ask it with the accounting zcdp.", code="accounting_invalid"
        )
    return price_workload(plan, table, rho=offered.rho, **size)


def paid_in(loss: Loss) -> Accounting:
    """Return the accounting that a priced loss was paid in."""
    return Accounting.PURE if loss.pure else Accounting.ZCDP
