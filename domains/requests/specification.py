"""What exactly would run and what it costs: from SQL and ε to a value whose hash an approval binds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from domains.catalog.models import DatasetVersion
from domains.errors import InvalidInput
from domains.ledger import queries as books
from domains.ledger.queries import Balance
from domains.people.models import User
from domains.projects.models import AccessGrant
from domains.requests.accounting import Accounting, offer, paid_in, parse_accounting, priced, threshold_delta
from domains.requests.models import Revision
from privacy.errors import QueryRejected
from privacy.loss import Loss
from privacy.query.in_place import require_possible
from privacy.query.parse import parse
from privacy.query.plan import Plan, columns_touched, describe
from privacy.query.price import Pricing
from privacy.schema import Table
from privacy.workload import parse as workloads
from privacy.workload.plan import Workload, in_words, touched

# Names what would compute it; a change of how plans run must change this, so that old approvals do not fit.
ENGINE = "gridhouse-query/2 opendp/0.16 duckdb"
# How much longer than an embedded engine a database takes that keeps rows in pages and serves others as well.
# A server that others use as well gets a multiple of the planned time, and what its engine takes to begin.
IN_PLACE_FACTOR, IN_PLACE_SECONDS = 10, {"postgresql": 1.0, "spark": 20.0}
MOST_EPSILON = Decimal(10)


@dataclass(frozen=True)
class Specification:
    """A parsed, priced question about one dataset version under one grant."""

    sql: str
    epsilon: Decimal
    version: DatasetVersion
    plan: Plan | Workload
    pricing: Pricing
    grant_id: str
    person_id: str = ""  # who asks; what would run does not depend on it

    @property
    def loss(self) -> Loss:
        return self.pricing.loss

    @property
    def accounting(self) -> Accounting:
        """The currency it is paid in: zcdp or pure, never auto."""
        return paid_in(self.loss)

    @property
    def has_unknown_keys(self) -> bool:
        return self.loss.delta > 0

    @property
    def in_words(self) -> tuple[str, ...]:
        """Lines that say what would be computed."""
        return tuple(in_words(self.plan) if isinstance(self.plan, Workload) else describe(self.plan))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the private columns that would be read."""
        return touched(self.plan) if isinstance(self.plan, Workload) else columns_touched(self.plan)

    def job_spec(self) -> dict[str, Any]:
        """Return what a worker's child needs; public values only."""
        return self._place() | {
            "plan": self.plan.to_dict(),
            "table": self.version.table().to_dict(),
            "loss": self.loss.to_dict(),
            "tick": str(self.version.dataset.tick),
            "declared_rows": self.version.declared_rows,
            "version": self.version.pk,
            "engine": ENGINE,
        }

    def _place(self) -> dict[str, Any]:
        """Return where the rows stay, if they do: never an address or a secret, which a worker looks up."""
        version = self.version
        if not version.is_in_place:
            return {}
        return {
            "place": {
                "connection": version.connection_id,
                "relation": version.relation,
                "fingerprint": version.fingerprint,
            }
        }

    @property
    def deadline_seconds(self) -> float:
        """The planned time of the computation, from public numbers; a database that others use gets more."""
        planned, connection = float(self.pricing.deadline_seconds), self.version.connection
        if connection is None:
            return planned
        return planned * IN_PLACE_FACTOR + IN_PLACE_SECONDS[connection.engine]

    def sha256(self) -> str:
        """Hash everything that an approval is about; a worker compares it again before it opens data."""
        asked = {"sql": self.sql, "grant": self.grant_id, "epsilon": str(self.epsilon)}
        return digest(asked | {"accounting": self.accounting.value, **self.job_spec()})

    def repeat_key(self) -> str:
        """Hash what makes an answer the same answer: grant, normalised plan, version, accounting and loss."""
        return digest(
            {
                "grant": self.grant_id,
                "plan": self.plan.sha256(),
                "version": self.version.pk,
                "accounting": self.accounting.value,
                "loss": self.loss.to_dict(),
                "engine": ENGINE,
            }
        )


def digest(value: dict[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_epsilon(text: str) -> Decimal:
    """Read an ε: a positive decimal of at most 6 places, at most 10; raise InvalidInput with the remedy."""
    try:
        epsilon = Decimal(str(text).strip())
    except InvalidOperation:
        raise InvalidInput(
            f"ε must be a decimal number such as 0.1, not “{str(text)[:20]}”.", code="epsilon_invalid"
        ) from None
    if not epsilon.is_finite() or epsilon <= 0:
        raise InvalidInput(
            "ε must be above 0: a smaller ε costs less and is less exact.", code="epsilon_invalid"
        )
    if epsilon > MOST_EPSILON:
        raise InvalidInput(f"ε must be at most {MOST_EPSILON}.", code="epsilon_invalid")
    if epsilon != epsilon.quantize(Decimal("0.000001")):
        raise InvalidInput("ε may have at most six decimal places.", code="epsilon_invalid")
    return epsilon.normalize()


def specify(
    grant: AccessGrant,
    version: DatasetVersion,
    *,
    sql: str,
    epsilon: str,
    accounting: Accounting = Accounting.ZCDP,
    chain: Sequence[Balance] = (),
    person: str = "",
) -> Specification:
    """Parse and price; raise QueryRejected or InvalidInput. Reads public metadata only, and runs in the web process.

    `chain` are the accounts that would pay: what auto needs to choose a currency. `person` is the key of who asks.
    """
    amount = parse_epsilon(epsilon)
    plan, table, size = parsed(version, sql)
    offered = offer(amount, accounting, grant.dataset.population, chain)
    return Specification(
        sql.strip(), amount, version, plan, priced(plan, table, offered, **size), grant.pk, person
    )


def offering(
    grant: AccessGrant, version: DatasetVersion, *, sql: str
) -> tuple[Plan | Workload, Callable[[Accounting, int], Pricing]]:
    """Parse once; return the plan, and what an amount of ρ or of pure ε buys of it. Raises QueryRejected."""
    plan, table, size = parsed(version, sql)
    delta = threshold_delta(grant.dataset.population)

    def buy(kind: Accounting, amount: int) -> Pricing:
        offered = Loss(0, 0, amount) if kind == Accounting.PURE else Loss(amount, delta)
        return priced(plan, table, offered, **size)

    return plan, buy


def parsed(version: DatasetVersion, sql: str) -> tuple[Plan | Workload, Table, dict[str, Any]]:
    """Return the plan that `sql` asks of a version, its table, and the public numbers that pricing takes."""
    table = version.table()
    size: dict[str, Any] = {"tick": version.dataset.tick, "declared_rows": version.declared_rows}
    if workloads.asks_workload(sql):
        if version.is_in_place:
            raise QueryRejected(
                "engine_lacks",
                "SELECT",
                "The engine that holds these data cannot compute this yet.",
                "Ask for counts, sums and means.",
            )
        return workloads.parse(sql, table), table, size
    plan = parse(sql, table)
    if version.connection is not None:
        require_possible(plan, table, version.connection.engine)
    return plan, table, size


def specify_for(
    grant: AccessGrant, person: User, *, sql: str, epsilon: str, accounting: str = "zcdp"
) -> Specification:
    """Parse and price a question of `person` on the grant's current version, in the currency that is asked for."""
    kind = parse_accounting(accounting)
    chain = books.balances(grant, person) if kind == Accounting.AUTO else ()
    return specify(
        grant,
        current_version(grant),
        sql=sql,
        epsilon=epsilon,
        accounting=kind,
        chain=chain,
        person=person.pk,
    )


def specify_revision(revision: Revision) -> Specification:
    """Parse and price a stored revision afresh, in the currency that it was priced in."""
    return specify(
        revision.analysis.grant,
        revision.version,
        sql=revision.sql,
        epsilon=revision.epsilon,
        accounting=Accounting(revision.accounting),
        person=revision.analysis.author_id,
    )


def current_version(grant: AccessGrant) -> DatasetVersion:
    """Return the version that a new revision would be pinned to, or raise InvalidInput."""
    version = grant.dataset.current
    if version is None:
        raise InvalidInput("This dataset has no published version to ask.", code="dataset_not_published")
    return version
