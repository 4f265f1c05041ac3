"""Running a workload: each marginal's run is prepared and checked by the query room, then all are measured.

`prepare` opens nothing and may refuse; after `run` began the loss is spent whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from privacy.errors import LossExceeded, QueryRejected
from privacy.loss import Loss
from privacy.query import execute as query
from privacy.query.answer import Answer
from privacy.query.price import DEFAULT_TICK
from privacy.schema import Table
from privacy.workload.answer import joined
from privacy.workload.plan import Workload
from privacy.workload.price import prices


@dataclass(frozen=True)
class Prepared:
    """The checked runs of a workload's marginals; nothing private was touched yet."""

    workload: Workload
    loss: Loss
    parts: tuple[query.Prepared, ...]

    def exact(self, *source: Any) -> list[query.Exact]:
        """Return each marginal's exact counts by cell. PRIVATE: for tests of the bounds; as `query.Prepared.exact`."""
        return [part.exact(*source) for part in self.parts]

    def run(self, **source: Any) -> Answer:
        """Return the noisy marginals as one answer; takes what `query.Prepared.run` takes, once for all of them.

        The salt is one for all marginals, so that each keeps the same rows of a privacy unit.
        """
        return joined(self.workload, self.loss, [part.run(**source) for part in self.parts])


def prepare(spec: Mapping[str, Any]) -> Prepared:
    """Return the checked run of a specification, without opening any data.

    The workload is read, checked and priced again from the declared table, and each marginal's mechanism holds its
    own privacy map against its share of `spec["loss"]`. Raises QueryRejected, SchemaInvalid or LossExceeded.
    """
    if not {"plan", "table", "loss"} <= set(spec) <= query.SPEC_KEYS:
        raise QueryRejected(
            "invalid_spec", "job", "The job's specification is incomplete.", "Submit it again."
        )
    table, workload = Table.from_dict(spec["table"]), Workload.from_dict(spec["plan"])
    reserved = Loss.from_dict(spec["loss"])
    priced = prices(
        workload,
        table,
        rho=reserved.rho,
        tick=Decimal(str(spec.get("tick", DEFAULT_TICK))),
        declared_rows=spec.get("declared_rows"),
    )
    total = Loss.zero()
    for pricing in priced:
        total += pricing.loss
    if not total.fits(reserved):
        raise LossExceeded("The workload costs more than was reserved.")
    held = workload.held(table).to_dict()
    parts = tuple(
        query.prepare(
            {**spec, "plan": marginal.plan.to_dict(), "table": held, "loss": pricing.loss.to_dict()}
        )
        for marginal, pricing in zip(workload.marginals, priced, strict=True)
    )
    return Prepared(workload, total, parts)
