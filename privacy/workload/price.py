"""What a workload costs and how accurate each of its tables will be, from public inputs alone.

The marginals are measured one after the other under adaptive composition of zCDP: ρ = Σ ρ_j, and in marginal j the
noise has σ_j = L2_j / √(2 ρ_j) with L2_j = rows per unit (Bun and Steinke 2016; discrete Gaussian of Canonne,
Kamath and Steinke 2020). Equivalently, the stacked vectors, each divided by its σ_j, have joint L2² = 2ρ.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from privacy.loss import Loss
from privacy.query.price import DEFAULT_TICK, OutputPrice, Pricing
from privacy.query.price import price as price_query
from privacy.schema import Table
from privacy.workload import refuse
from privacy.workload.parse import check_workload
from privacy.workload.plan import Workload


def shares(workload: Workload, rho: int) -> tuple[int, ...]:
    """Return each marginal's whole share of `rho` by weight; what does not divide goes to the first."""
    weights = [marginal.weight for marginal in workload.marginals]
    parts = [rho * weight // sum(weights) for weight in weights]
    parts[0] += rho - sum(parts)
    if min(parts) <= 0:
        raise refuse.too_small()
    return tuple(parts)


def prices(
    workload: Workload, table: Table, *, rho: int, tick: Decimal, declared_rows: int | None
) -> tuple[Pricing, ...]:
    """Return the price of each marginal at its share of `rho`."""
    check_workload(workload, table)
    held = workload.held(table)
    return tuple(
        price_query(marginal.plan, held, rho=share, tick=tick, declared_rows=declared_rows)
        for marginal, share in zip(workload.marginals, shares(workload, rho), strict=True)
    )


def price(
    workload: Workload,
    table: Table,
    *,
    rho: int,
    tick: Decimal = DEFAULT_TICK,
    declared_rows: int | None = None,
) -> Pricing:
    """Return what the workload costs when the caller pays at most `rho`, in ledger units; all of it is used."""
    parts = prices(workload, table, rho=rho, tick=tick, declared_rows=declared_rows)
    names = [marginal.name for marginal in workload.marginals]
    loss = Loss.zero()
    for part in parts:
        loss += part.loss
    return Pricing(
        loss=loss,
        measures=tuple(
            replace(measure, name=f"{measure.name}: {name}")
            for name, part in zip(names, parts, strict=True)
            for measure in part.measures
        ),
        outputs=tuple(
            OutputPrice(name, "count", part.outputs[-1].plus_minus_95)
            for name, part in zip(names, parts, strict=True)
        ),
        deadline_seconds=sum((part.deadline_seconds for part in parts), Decimal(0)),
        cells=sum(part.cells for part in parts),
    )
