"""Reading the ledger: balances, what a loss would do to them, charges and their answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from domains.catalog.models import NEEDS, Dataset, Population
from domains.errors import NotFound
from domains.ledger import accounts
from domains.ledger.models import (
    Account,
    Answer,
    Charge,
    ChargeState,
    LimitProposal,
    ProposalStatus,
    Scope,
)
from domains.ledger.protocol import EXHAUSTED
from domains.people.models import User
from domains.people.permissions import TABLE, Permission, allows
from domains.projects.models import AccessGrant
from privacy.loss import CURRENCIES, PURE_UNIT, Loss, total_epsilon

__all__ = ["EXHAUSTED", "Balance", "ChargeView", "Effect"]

_epsilon = functools.lru_cache(maxsize=4096)(total_epsilon)
_PLENTY = 10**9  # similar questions, where a loss does not touch a currency


@dataclass(frozen=True)
class Balance:
    """One account as people read it. Losses are what counts.

    Each ε is the total: pure ε, and the least that ρ implies at `delta`.
    """

    scope: str
    label: str
    limit: Loss
    reserved: Loss
    spent: Loss
    delta: float  # the half of the population's δ at which ρ is read as ε
    account: str | None = None  # None: not opened yet, as a person's before their first charge
    limit_version: int = 0
    population: str = ""  # keys of what it is about, by which its chain is found
    dataset: str = ""

    @property
    def used(self) -> Loss:
        return self.reserved + self.spent

    @property
    def left(self) -> Loss:
        return self.limit - self.used

    @property
    def epsilon_limit(self) -> float:
        return _epsilon(self.limit, self.delta)

    @property
    def epsilon_used(self) -> float:
        return _epsilon(self.used, self.delta)

    @property
    def epsilon_left(self) -> float:
        """What is left to read, so that used and left make up the limit; ε itself does not add up."""
        return max(0.0, self.epsilon_limit - self.epsilon_used)

    @property
    def has_pure(self) -> bool:
        """Whether anything of it may be spent as pure ε; where not, nobody needs to read of it."""
        return self.limit.pure > 0

    @property
    def pure_limit(self) -> float:
        """The part of the limit that is pure ε."""
        return self.limit.pure / PURE_UNIT

    @property
    def pure_used(self) -> float:
        """The part of what is used that is pure ε."""
        return self.used.pure / PURE_UNIT


@dataclass(frozen=True)
class Effect:
    """What one more loss would do to one account."""

    balance: Balance
    loss: Loss

    @property
    def before(self) -> Loss:
        return self.balance.used

    @property
    def after(self) -> Loss:
        return self.balance.used + self.loss

    @property
    def fits(self) -> bool:
        return self.loss.fits(self.balance.left)

    @property
    def similar_left(self) -> int:
        """How many questions of this loss the account still holds, this one included."""
        return similar_left([self.balance], self.loss)

    @property
    def epsilon_before(self) -> float:
        return _epsilon(self.before, self.balance.delta)

    @property
    def epsilon_after(self) -> float:
        return _epsilon(self.after, self.balance.delta)


def similar_left(chain: Iterable[Balance], loss: Loss) -> int:
    """Return how many questions of this loss fit under every account of `chain`, this one included.

    The least over accounts and currencies; a currency that the loss does not touch sets no bound.
    """
    cost = loss.to_dict()
    rooms = (
        getattr(balance.left, currency) // cost[currency]
        for balance in chain
        for currency in CURRENCIES
        if cost[currency]
    )
    return min(rooms, default=_PLENTY)


@dataclass(frozen=True)
class ChargeView:
    """A charge as other rooms may see it."""

    id: str
    state: str
    loss: Loss
    fence: int
    grant: str | None  # None, as is the person: spent by the dataset's owners for everybody
    person: str | None
    certificate: dict[str, Any]


def balances(grant: AccessGrant, person: User) -> list[Balance]:
    """Return what a charge of `person` under `grant` would debit: population, dataset, grant, person.

    Accounts that are not open are left out, save the person's, which would start at its cap.
    """
    found = accounts.existing(grant, person)
    rows = [_balance(found[scope]) for scope in Scope if scope in found]
    if Scope.PERSON not in found and {Scope.DATASET, Scope.GRANT} <= set(found):
        cap, none = accounts.person_cap(found), Loss.zero()
        delta = grant.dataset.population.conversion_delta
        rows.append(Balance(Scope.PERSON, f"{person} on {grant.dataset}", cap, none, none, delta))
    return rows


def effect(grant: AccessGrant, person: User, loss: Loss) -> list[Effect]:
    """Return what `loss` would do to each of those accounts."""
    return [Effect(balance, loss) for balance in balances(grant, person)]


def effect_for_everybody(dataset: Dataset, loss: Loss) -> list[Effect]:
    """Return what `loss`, spent for everybody, would do to the population's and the dataset's account."""
    order = {scope.value: place for place, scope in enumerate(Scope)}
    rows = sorted(accounts.shared(dataset), key=lambda row: order[row.scope])
    return [Effect(_balance(row), loss) for row in rows]


def dataset_balance(dataset: Dataset) -> Balance | None:
    """Return a dataset's own budget, or None before it is published."""
    row = (
        Account.objects.filter(scope=Scope.DATASET, dataset=dataset).select_related(*accounts.RELATED).first()
    )
    return _balance(row) if row else None


def population_balance(population: Population) -> Balance | None:
    """Return what all datasets about these people share, or None before the first of them is published."""
    row = Account.objects.filter(scope=Scope.POPULATION, population=population).select_related(
        *accounts.RELATED
    )
    found = row.first()
    return _balance(found) if found else None


def balance(account: str) -> Balance:
    """Return one account's balance; raise NotFound if there is none."""
    row = Account.objects.filter(pk=account).select_related(*accounts.RELATED).first()
    if row is None:
        raise NotFound("There is no such account.")
    return _balance(row)


def visible_balance(account: str, user: User) -> Balance:
    """Return one account's balance to whoever may see it, or raise NotFound."""
    row = _visible(user).filter(pk=account).select_related(*accounts.RELATED).first()
    if row is None:
        raise NotFound("There is no such budget that you can see.")
    return _balance(row)


def _balance(row: Account) -> Balance:
    return Balance(
        row.scope,
        row.label,
        row.limit,
        row.reserved,
        row.spent,
        row.counted_in.conversion_delta,
        row.pk,
        row.limit_version,
        str(row.counted_in.pk),
        _dataset_of(row),
    )


def _dataset_of(row: Account) -> str:
    """Return the key of the dataset that an account is about; a population's is about none."""
    return str((row.grant.dataset_id if row.grant else row.dataset_id) or "")


def chain_of(balance: Balance, rows: Iterable[Balance]) -> list[Balance]:
    """Return, of `rows`, what a question under this account passes through: itself, its dataset, its population."""
    return [
        row
        for row in rows
        if row == balance
        or (row.scope == Scope.POPULATION and row.population == balance.population)
        or (row.scope == Scope.DATASET and row.dataset == balance.dataset)
    ]


def chain(balance: Balance) -> list[Balance]:
    """Return what a question under this account passes through, read now: itself, its dataset, its population."""
    above = Account.objects.filter(scope=Scope.POPULATION, population=balance.population)
    if balance.dataset:
        above |= Account.objects.filter(scope=Scope.DATASET, dataset=balance.dataset)
    rows = [_balance(row) for row in above.select_related(*accounts.RELATED)]
    return chain_of(balance, [balance, *(row for row in rows if row.account != balance.account)])


def budget_rows(user: User, **only: str) -> list[Balance]:
    """Return the balances that `user` may see, topmost first, in a constant number of queries.

    `only` narrows them to one scope, dataset (its short name), project or person (keys).
    """
    order = {scope.value: place for place, scope in enumerate(Scope)}
    rows = _visible(user).select_related(*accounts.RELATED)
    for name, value in only.items():
        if value:
            rows = rows.filter(_NARROW[name](value))
    return sorted((_balance(row) for row in rows), key=lambda b: (order[b.scope], b.label))


def nearly_used(shares: tuple[int, ...] = (80, 95)) -> dict[tuple[str, str], int]:
    """Return, for each scope, how many open accounts are used to at least so many per cent in some currency.

    One query for all of them; used is what is reserved and spent, as everybody who may read an account sees it.
    """
    counted = {}
    for share in shares:
        full = Q(pk=None)
        for name in CURRENCIES:
            least = F(f"{name}_limit") / 100 * share - F(f"{name}_reserved")
            full |= Q(**{f"{name}_limit__gt": 0, f"{name}_spent__gte": least})
        counted[f"over_{share}"] = Count("pk", filter=full)
    rows = Account.objects.order_by().values("scope").annotate(**counted)
    found: dict[str, Any] = {row["scope"]: row for row in rows}
    return {
        (str(scope.value), str(share / 100)): found.get(scope, {}).get(f"over_{share}", 0)
        for scope in Scope
        for share in shares
    }


_NARROW: dict[str, Callable[[str], Q]] = {
    "scope": lambda value: Q(scope=value),
    "dataset": lambda value: Q(dataset__slug=value) | Q(grant__dataset__slug=value),
    "project": lambda value: Q(grant__project=value),
    "person": lambda value: Q(person=value),
}


def sees_inside(account: str, user: User) -> bool:
    """Answer whether `user` may see what was spent under an account, when and by whom, and not its balance alone."""
    return _visible(user, inside=True).filter(pk=account).exists()


def inside_nothing() -> QuerySet[Account]:
    """Return no accounts: what an API says its rows are like."""
    return Account.objects.none()


def inside(user: User) -> QuerySet[Account]:
    """Return the accounts of which `user` may see every line."""
    return _visible(user, inside=True)


def _visible(user: User, *, inside: bool = False) -> QuerySet[Account]:
    """Choose accounts by the permission table: all for node-wide readers, else by seats on datasets and projects.

    `inside` leaves out those of which one may know the balance and not what others did under it.
    """
    if allows(user, Permission.BUDGET_READ):
        return Account.objects.all()
    scoped = user.token_scopes is None or Permission.BUDGET_READ in user.token_scopes
    if not (user.is_active and scoped):
        return Account.objects.none()
    readers = {role for role, held in TABLE.items() if Permission.BUDGET_READ in held}
    stewards = [role.value for role in readers if user.node_roles & NEEDS.get(role, set())]
    kept = Dataset.objects.filter(_seat("stewards", user, stewards)).values("pk")
    own = AccessGrant.objects.filter(_seat("project__members", user, [role.value for role in readers]))
    mine = (
        Q(scope=Scope.GRANT, grant__in=own.values("pk"))
        | Q(scope=Scope.GRANT, grant__dataset__in=kept)
        | Q(scope=Scope.PERSON, dataset__in=kept)
        | Q(scope=Scope.PERSON, person=user)
    )
    if inside:
        return Account.objects.filter(mine | Q(scope=Scope.DATASET, dataset__in=kept))
    asked = Dataset.objects.filter(pk__in=own.values("dataset")).values("pk")
    tops = Dataset.objects.filter(Q(pk__in=kept) | Q(pk__in=asked))
    return Account.objects.filter(
        mine
        | Q(scope=Scope.POPULATION, population__in=tops.values("population"))
        | Q(scope=Scope.DATASET, dataset__in=tops.values("pk"))
    )


def _seat(path: str, user: User, roles: list[str]) -> Q:
    """Say that `user` holds one of `roles` now in the rows that `path` leads to."""
    return Q(**{f"{path}__user": user, f"{path}__role__in": roles, f"{path}__ended_at": None})


def open_proposals() -> QuerySet[LimitProposal]:
    """Return the raises that wait for a second person, oldest first."""
    related = [f"account__{name}" for name in accounts.RELATED]
    return LimitProposal.objects.filter(status=ProposalStatus.OPEN).select_related("proposed_by", *related)


def charge(charge_id: str) -> ChargeView:
    """Return a charge; raise NotFound if there is none."""
    row = Charge.objects.filter(pk=charge_id).first()
    if row is None:
        raise NotFound("There is no such charge.")
    return _view(row)


def reservations(account: str) -> list[tuple[str, Loss]]:
    """Return what is reserved under an account, as keys and losses of charges, newest first."""
    rows = Charge.objects.filter(state=ChargeState.RESERVED, entries__account=account)
    return [(row.pk, row.loss) for row in rows.distinct().order_by("-id")]


def answered(repeat_key: str) -> list[str]:
    """Return the keys of the committed and answered charges with this repeat key, newest first."""
    rows = Charge.objects.filter(repeat_key=repeat_key, state=ChargeState.COMMITTED, answer__isnull=False)
    return list(rows.order_by("-id").values_list("pk", flat=True))


def _view(row: Charge) -> ChargeView:
    return ChargeView(row.pk, row.state, row.loss, row.fence, row.grant_id, row.person_id, row.certificate)


def answer(charge_id: str) -> bytes | None:
    """Return the stored bytes of a charge's answer, or None while there is none."""
    payload = Answer.objects.filter(pk=charge_id).values_list("payload", flat=True).first()
    return None if payload is None else bytes(payload)


def answer_sha256(charge_id: str) -> str | None:
    """Return the SHA-256 of a charge's answer, or None while there is none."""
    return Answer.objects.filter(pk=charge_id).values_list("sha256", flat=True).first()
