"""Opening accounts, and turning the ε that people write into the integers that are counted."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Dataset, Population
from domains.errors import IllegalMove, InvalidInput
from domains.ledger.models import Account, Scope
from domains.people.models import User
from domains.projects.models import AccessGrant
from privacy.errors import LossInvalid
from privacy.loss import DELTA_UNIT, Loss, pure_of, rho_of

# Everything that a label or a conversion to ε reads.
RELATED = ("population", "dataset__population", "grant__project", "grant__dataset__population", "person")


NONE = Decimal(0)  # the pure ε of whoever does not ask for any


def limit_from_epsilon(epsilon: Decimal, population: Population, *, pure: Decimal = NONE) -> Loss:
    """Return the loss that an ε cap holds: ρ by zCDP at half the population's δ, and the other half as δ.

    `pure` is a second ε beside it, for pure losses alone. All are rounded down (DECISIONS 3); raises
    InvalidInput for an ε outside (0, 1000] or a pure ε outside [0, 1000].
    """
    try:
        rho = rho_of(_below(Decimal(epsilon)), _below(population.delta / 2))
    except (LossInvalid, ArithmeticError) as error:
        raise InvalidInput("ε must be a number above 0 and at most 1000.", code="epsilon_invalid") from error
    return Loss(rho, int(population.delta * DELTA_UNIT) // 2, pure_limit(pure))


def pure_limit(epsilon: Decimal) -> int:
    """Return a pure ε cap in ledger units, rounded down; raise InvalidInput outside [0, 1000]."""
    try:
        return pure_of(Decimal(epsilon), is_cost=False)
    except (LossInvalid, ArithmeticError) as error:
        raise InvalidInput(
            "Pure ε must be a number from 0 to 1000; 0 means none.", code="epsilon_invalid"
        ) from error


def _below(value: Decimal) -> float:
    """Return the largest float that is not above `value`."""
    near = float(value)
    return math.nextafter(near, -math.inf) if math.isfinite(near) and Decimal(near) > value else near


def open_population(
    population: Population, *, epsilon: Decimal, pure_epsilon: Decimal = NONE, by: User
) -> Account:
    """Open the topmost account, or return the one that is open already, unchanged."""
    found = Account.objects.filter(scope=Scope.POPULATION, population=population).first()
    limit = limit_from_epsilon(epsilon, population, pure=pure_epsilon)
    return found or _open(Scope.POPULATION, limit, by=by, epsilon=str(epsilon), population=population)


def open_dataset(dataset: Dataset, *, epsilon: Decimal, pure_epsilon: Decimal = NONE, by: User) -> Account:
    """Open a dataset's account, or return the one that is open already, unchanged."""
    found = Account.objects.filter(scope=Scope.DATASET, dataset=dataset).first()
    limit = limit_from_epsilon(epsilon, dataset.population, pure=pure_epsilon)
    return found or _open(Scope.DATASET, limit, by=by, epsilon=str(epsilon), dataset=dataset)


def open_grant(grant: AccessGrant, limit: Loss, person: Loss | None, *, epsilon: str, by: User) -> Account:
    """Open a grant's account; `person` is the cap that each person's own account starts with."""
    extra = {f"person_{currency}": amount for currency, amount in person.to_dict().items()} if person else {}
    return _open(Scope.GRANT, limit, by=by, epsilon=epsilon, grant=grant, **extra)


def _open(scope: Scope, limit: Loss, *, by: User | str, epsilon: str, **of: object) -> Account:
    caps = {f"{currency}_limit": amount for currency, amount in limit.to_dict().items()}
    account = Account.objects.create(scope=scope, **caps, **of)
    details: dict[str, Any] = {"scope": scope.value, "epsilon": epsilon, "person": account.person_id}
    details["of"] = str(account.population_id or account.dataset_id or account.grant_id)
    record(Event.ACCOUNT_OPENED, by=by, on=account, **details | limit.to_dict())
    return account


def for_charge(grant: AccessGrant, person: User) -> list[Account]:
    """Return the four accounts that a charge of `person` under `grant` debits, population first.

    Opens the person's own when there is none yet; raises IllegalMove when the grant has no budget.
    """
    found = existing(grant, person)
    missing = [scope for scope in (Scope.POPULATION, Scope.DATASET, Scope.GRANT) if scope not in found]
    if missing:
        raise IllegalMove("No budget has been allocated to this grant yet.", code="no_budget")
    if Scope.PERSON not in found:
        # Opening takes the log's head, so the rows that the charge will move are taken before it; and of two
        # first approvals at once the second finds the account that the first has opened.
        keys = [account.pk for account in found.values()]
        list(Account.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("id"))
        found = existing(grant, person)
    if Scope.PERSON not in found:
        cap = person_cap(found)
        dataset = grant.dataset
        found[Scope.PERSON] = _open(
            Scope.PERSON, cap, by="system", epsilon="", dataset=dataset, person=person
        )
    return [found[scope] for scope in Scope]


def for_everybody(dataset: Dataset) -> list[Account]:
    """Return the two accounts that a charge for everybody debits: the population's and the dataset's own.

    Raises IllegalMove before the dataset was published, for then it has none.
    """
    found = {Scope(row.scope): row for row in shared(dataset)}
    if set(found) != {Scope.POPULATION, Scope.DATASET}:
        raise IllegalMove("This dataset has no budget yet: its owner publishes it first.", code="no_budget")
    return [found[Scope.POPULATION], found[Scope.DATASET]]


def shared(dataset: Dataset) -> QuerySet[Account]:
    """Return those of a dataset's and its population's accounts that are open."""
    rows = Account.objects.filter(
        scope=Scope.POPULATION, population=dataset.population_id
    ) | Account.objects.filter(scope=Scope.DATASET, dataset=dataset)
    return rows.select_related(*RELATED)


def existing(grant: AccessGrant, person: User) -> dict[Scope, Account]:
    """Return those of the four accounts that are open, by scope, in one query."""
    dataset = grant.dataset
    rows = (
        Account.objects.filter(scope=Scope.POPULATION, population=dataset.population_id)
        | Account.objects.filter(scope=Scope.DATASET, dataset=dataset)
        | Account.objects.filter(scope=Scope.GRANT, grant=grant)
        | Account.objects.filter(scope=Scope.PERSON, dataset=dataset, person=person)
    )
    return {Scope(row.scope): row for row in rows.select_related(*RELATED)}


def person_cap(found: dict[Scope, Account]) -> Loss:
    """Return the cap that a person's account starts with: the grant's word for it, else the dataset's limit."""
    grant = found[Scope.GRANT]
    if grant.person_rho is not None and grant.person_delta is not None:
        return Loss(grant.person_rho, grant.person_delta, grant.person_pure or 0)
    return found[Scope.DATASET].limit
