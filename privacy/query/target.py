"""The inverse problem: from the error that somebody can live with to the least loss that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from privacy.errors import QueryRejected
from privacy.query.plan import Plan
from privacy.query.price import MAX_RHO, Pricing, expected_error, price
from privacy.schema import Table


def least_offer(
    offer: Callable[[int], Pricing],
    *,
    target: Decimal,
    output: str | None = None,
    n: int | None = None,
    most: int = MAX_RHO,
) -> int:
    """Return the least whole offer, in ledger units, whose price gives `output` ± at most `target` at 95 %.

    Without `output`, every figure whose error is known must reach it: counts and sums, and with `n`, the number
    of values supposed in a group, means and all else whose error depends on it; but no quantile, whose error
    counts points of rank, so it is named. Errors fall as the offer grows, so the least is found by bisection.
    Raises QueryRejected `target_unreachable` where not even `most` is enough, or nothing is known of the error.
    """
    goal = Decimal(target)

    def reaches(amount: int) -> bool:
        try:
            priced = offer(amount)
        except QueryRejected as refusal:
            if refusal.code == "rho_too_small":
                return False
            raise
        ranked = {each.name for each in priced.outputs if each.kind == "quantile"}
        chosen = [
            error
            for name, error in known_errors(priced, n).items()
            if name == output or (output is None and name not in ranked)
        ]
        return bool(chosen) and max(chosen) <= goal

    if not goal.is_finite() or goal <= 0 or not reaches(most):
        raise QueryRejected(
            "target_unreachable",
            "±",
            "No allowed loss reaches that error, or the error depends on how many rows a group has.",
            "Choose a larger ±, name a figure that is a count or a sum, or say how many rows a group has.",
        )
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def rho_for_error(
    plan: Plan,
    table: Table,
    *,
    target: Decimal,
    output: str | None = None,
    n: int | None = None,
    delta: int = 0,
) -> int:
    """Return the least ρ, in ledger units, at which one plan's `output` has ± at most `target`: `least_offer`."""
    return least_offer(
        lambda rho: price(plan, table, rho=rho, delta=delta), target=target, output=output, n=n
    )


def known_errors(pricing: Pricing, n: int | None) -> dict[str, Decimal]:
    """Return ± at 95 % of every figure where it is known: of counts and sums, and for groups of `n` values."""
    if n is None:
        found = {output.name: output.plus_minus_95 for output in pricing.outputs}
    else:
        found = expected_error(pricing, n)
    return {name: error for name, error in found.items() if error is not None}
