"""What exactly a synthetic mock would measure and what it costs: the same words and prices as a request's workload."""

from __future__ import annotations

from typing import Any

from domains.catalog.models import DatasetVersion
from domains.errors import InvalidInput
from domains.requests.accounting import Accounting, cost, priced
from domains.requests.specification import Specification, digest, parse_epsilon, parsed
from domains.synthetic.models import SyntheticMock
from privacy.workload.plan import Workload
from privacy.workload.width import require_narrow


def specify(version: DatasetVersion, *, sql: str, epsilon: str) -> Specification:
    """Parse and price the marginals of a synthetic mock; public values only, and nothing is stored.

    Raises QueryRejected, also for tables whose model would be too wide to draw rows from, and InvalidInput.
    """
    amount = parse_epsilon(epsilon)
    plan, table, size = parsed(version, sql)
    if not isinstance(plan, Workload):
        raise InvalidInput(
            "Synthetic rows are made of tables of counts: name the marginals, as GROUPING SETS or JSON.",
            code="marginals_missing",
        )
    require_narrow(plan, table)
    offered = cost(amount, Accounting.ZCDP, version.dataset.population)
    return Specification(sql.strip(), amount, version, plan, priced(plan, table, offered, **size), "")


def respecify(mock: SyntheticMock) -> Specification:
    """Parse and price a stored proposal afresh."""
    return specify(mock.version, sql=mock.sql, epsilon=mock.epsilon)


def charge_words(mock: SyntheticMock, specification: Specification) -> dict[str, Any]:
    """Return what names the charge of a mock: its own hash, the repeat key, and the certificate as priced."""
    return {
        "idem": digest({"synthetic": mock.pk, "sha256": mock.sha256}),
        "repeat_key": specification.repeat_key(),
        "certificate": {
            "synthetic": mock.pk,
            "plan": specification.plan.sha256(),
            "pricing": mock.pricing,
        },
    }
