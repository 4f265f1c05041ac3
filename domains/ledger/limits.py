"""Changing a limit, always explicit and with a reason: lowering takes one person, raising takes two (S5).

A grant is raised by a top-up (`topups`). Only a person's own cap, which lies beneath all others, one person raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Dataset
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import accounts
from domains.ledger.actions import require_within_cap
from domains.ledger.models import Account, LimitChange, LimitProposal, ProposalStatus, Scope
from domains.node.queries import require_running
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.guards import on_project
from privacy.loss import Loss

_CAPS = {Scope.POPULATION, Scope.DATASET}  # set by owners; the others are allocated by an administrator


@transaction.atomic(durable=True)
def change_limit(
    account: str, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, reason: str, by: User
) -> None:
    """Change an account's limit to ε as one person: lower any, or raise a person's own; others are proposed.

    Without `pure_epsilon` the cap on pure losses stays as it is. Raises IllegalMove "below_spent" when the new
    limit is below what is reserved and spent.
    """
    row = account_of(account)
    require_changer(row, by)
    limit = limit_of(row, epsilon, pure_epsilon)
    if row.scope != Scope.PERSON and not limit.fits(row.limit):
        raise IllegalMove("Raising this limit takes two people: propose it.", code="two_people")
    if not limit.fits(row.limit):
        require_running()
    apply(row, limit, reason=said(reason), by=by, confirmed_by=None)


@transaction.atomic(durable=True)
def propose_raise(
    account: str, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, reason: str, by: User
) -> str:
    """Propose a higher cap for a dataset or population, for a reviewer of its area to confirm; return its id.

    Without `pure_epsilon` the cap on pure losses stays as it is.
    """
    row = account_of(account)
    _require_on_each(_datasets(row), by, Permission.CAP_PROPOSE)
    limit = limit_of(row, epsilon, pure_epsilon)
    if row.scope not in _CAPS or limit.fits(row.limit):
        raise IllegalMove("Only raising the cap of a dataset or population is proposed; change it instead.")
    if row.proposals.filter(status=ProposalStatus.OPEN).exists():
        raise IllegalMove("A higher cap has been proposed already; it waits for a reviewer.")
    proposal = LimitProposal.objects.create(
        account=row,
        limit_version=row.limit_version,
        epsilon=epsilon,
        reason=said(reason),
        proposed_by=by,
        **limit.to_dict(),
    )
    details: dict[str, Any] = {"account": row.pk, **limit.to_dict(), "epsilon": str(epsilon)}
    record(Event.LIMIT_PROPOSED, by=by, on=proposal, **details)
    return proposal.pk


@transaction.atomic(durable=True)
def confirm_raise(proposal: str, *, by: User) -> None:
    """Confirm a proposed cap as the second person, a reviewer of the research area."""
    found = _proposal(proposal)
    row = account_of(found.account_id)
    _require_on_each(_datasets(row), by, Permission.CAP_APPROVE)
    if by.pk == found.proposed_by_id:
        raise NotAllowed("Raising a cap takes two people.", code="two_people")
    require_running()
    if row.limit_version != found.limit_version:
        raise IllegalMove("This limit changed since the proposal was made. Propose it again.", code="stale")
    _decide(found, ProposalStatus.CONFIRMED, by)
    limit = Loss(found.rho, found.delta, found.pure)
    apply(row, limit, reason=found.reason, by=found.proposed_by, confirmed_by=by)


@transaction.atomic(durable=True)
def end_proposal(proposal: str, *, by: User) -> None:
    """Turn a proposed cap down as its reviewer, or take it back as the one who proposed it."""
    found = _proposal(proposal)
    if by.pk != found.proposed_by_id:
        _require_on_each(_datasets(account_of(found.account_id)), by, Permission.CAP_APPROVE)
    _decide(found, ProposalStatus.ENDED, by)
    record(Event.LIMIT_PROPOSAL_ENDED, by=by, on=found, account=found.account_id)


def readable_account(key: str) -> Account:
    """Return an account as it is now, with what its label reads; raise NotFound without one."""
    row = Account.objects.select_related(*accounts.RELATED).filter(pk=key).first()
    if row is None:
        raise NotFound("There is no such account.")
    return row


def account_of(key: str) -> Account:
    """Return an account, held until the transaction ends."""
    row = Account.objects.select_for_update(of=("self",), no_key=True).filter(pk=key).first()
    if row is None:
        raise NotFound("There is no such account.")
    return row


def _proposal(key: str) -> LimitProposal:
    found = LimitProposal.objects.filter(pk=key).select_related("proposed_by").first()
    if found is None:
        raise NotFound("There is no such proposal.")
    return found


def _decide(proposal: LimitProposal, status: ProposalStatus, by: User) -> None:
    still_open = LimitProposal.objects.filter(pk=proposal.pk, status=ProposalStatus.OPEN)
    if still_open.update(status=status, decided_at=timezone.now(), decided_by=by) != 1:
        raise IllegalMove("This proposal was decided a moment ago.")


def _datasets(row: Account) -> list[Dataset]:
    """Return the datasets whose people decide about this cap; of a population, all of them."""
    wanted = {"population": row.population_id} if row.scope == Scope.POPULATION else {"pk": row.dataset_id}
    return list(Dataset.objects.filter(**wanted).select_related("area"))


def _require_on_each(datasets: Iterable[Dataset], by: User, permission: Permission) -> None:
    """Ask a permission on every one of `datasets`, and refuse where there is none."""
    on = list(datasets)
    if not on:
        raise NotAllowed("Nobody decides about this cap: it has no dataset.")
    for dataset in on:
        require(by, permission, on=dataset)


def require_changer(row: Account, by: User) -> None:
    """Ask for owners on caps; elsewhere for an administrator who does not benefit (S5)."""
    if row.scope in _CAPS:
        _require_on_each(_datasets(row), by, Permission.CAP_PROPOSE)
        return
    require(by, Permission.BUDGET_ALLOCATE)
    benefit = on_project(row.grant.project) if row.grant is not None else {row.person_id}
    if by.pk in benefit:
        raise NotAllowed("This is your own budget: somebody else changes it.", code="benefits")


def limit_of(row: Account, epsilon: Decimal, pure_epsilon: Decimal | None) -> Loss:
    """Return the limit that an ε means for an account, within what its dataset allows."""
    pure = row.pure_limit if pure_epsilon is None else accounts.pure_limit(pure_epsilon)
    limit = replace(accounts.limit_from_epsilon(epsilon, row.counted_in), pure=pure)
    require_room(row, limit)
    return limit


def require_room(row: Account, limit: Loss) -> None:
    """Raise InvalidInput where a grant's limit would be above its dataset's cap."""
    if row.grant is not None:
        require_within_cap(row.grant, limit)


def said(reason: str) -> str:
    """Return a reason that says something, or raise InvalidInput."""
    if not reason.strip():
        raise InvalidInput("Say why: the change keeps your reason.", code="reason_missing")
    return reason.strip()[:300]


def apply(row: Account, limit: Loss, *, reason: str, by: User, confirmed_by: User | None) -> None:
    """Write the change and then the limit; refuse below what is reserved and spent."""
    if not (row.reserved + row.spent).fits(limit):
        raise IllegalMove("This is below what is already reserved and spent.", code="below_spent")
    change = LimitChange.objects.create(
        account=row,
        number=row.limit_version + 1,
        reason=reason,
        changed_by=by,
        confirmed_by=confirmed_by,
        **{f"{currency}_before": amount for currency, amount in row.limit.to_dict().items()},
        **{f"{currency}_after": amount for currency, amount in limit.to_dict().items()},
    )
    amounts = limit.to_dict()
    holds = Account.objects.filter(
        pk=row.pk,
        limit_version=row.limit_version,
        **{f"{currency}_reserved__lte": n - F(f"{currency}_spent") for currency, n in amounts.items()},
    )
    caps = {f"{currency}_limit": n for currency, n in amounts.items()}
    if holds.update(**caps, limit_version=change.number) != 1:
        raise IllegalMove("This budget changed since you opened it. Look at it again before deciding.")
    details: dict[str, Any] = {"number": change.number, "reason": reason, **limit.to_dict()}
    details |= {f"{currency}_before": amount for currency, amount in row.limit.to_dict().items()}
    details["confirmed_by"] = confirmed_by.pk if confirmed_by else ""
    record(Event.LIMIT_CHANGED, by=by, on=row, **details)
