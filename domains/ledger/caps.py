"""Reading proposals of higher caps: who may see one, and for whom it waits."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q

from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.ledger import accounts
from domains.ledger.models import Account, LimitProposal, ProposalStatus, Scope
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from domains.projects.guards import on_project


def none() -> Any:
    """Return no proposals: what an API says its rows are like."""
    return LimitProposal.objects.none()


def visible_to(user: User) -> Any:
    """Return the proposals that `user` made or may read or decide, newest first."""
    related = [f"account__{name}" for name in accounts.RELATED]
    rows = LimitProposal.objects.select_related("proposed_by", "decided_by", *related).order_by("-id")
    if allows(user, Permission.BUDGET_READ):
        return rows
    if (
        user.token_scopes is not None
        and not {Permission.BUDGET_READ, Permission.CAP_APPROVE} & user.token_scopes
    ):
        return rows.none()
    owned = Dataset.objects.filter(
        stewards__user=user, stewards__ended_at=None, stewards__role=Role.DATASET_OWNER
    ).values("pk")
    seats = Dataset.objects.filter(
        area__seats__user=user, area__seats__ended_at=None, area__seats__role=Role.AREA_REVIEWER
    ).values("pk")
    is_owner, is_reviewer = Role.OWNER in user.node_roles, Role.REVIEWER in user.node_roles
    near = Dataset.objects.none()
    if is_owner:
        near = Dataset.objects.filter(pk__in=owned)
    if is_reviewer:
        near = Dataset.objects.filter(Q(pk__in=seats) | Q(pk__in=near.values("pk")))
    return rows.filter(
        Q(account__dataset__in=near.values("pk"))
        | Q(account__population__in=near.values("population"))
        | Q(proposed_by=user)
    )


def one(key: str, user: User) -> LimitProposal:
    """Return one proposal that `user` may see, or raise NotFound."""
    found: LimitProposal | None = visible_to(user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such proposal that you can see.")
    return found


def to_confirm(user: User) -> Any:
    """Return the open proposals that `user` may confirm: a reviewer in every area concerned, and not its proposer."""
    related = [f"account__{name}" for name in accounts.RELATED]
    rows = LimitProposal.objects.filter(status=ProposalStatus.OPEN).select_related("proposed_by", *related)
    scoped = user.token_scopes is None or Permission.CAP_APPROVE in user.token_scopes
    if Role.REVIEWER not in user.node_roles or not (user.is_active and scoped):
        return rows.none()
    seats = {
        "area__seats__user": user,
        "area__seats__ended_at": None,
        "area__seats__role": Role.AREA_REVIEWER,
    }
    seated = Dataset.objects.filter(**seats).values("pk")
    of_population = Dataset.objects.filter(population=OuterRef("account__population"))
    mine = Q(account__dataset__in=seated) | (
        Exists(of_population.filter(pk__in=seated)) & ~Exists(of_population.exclude(pk__in=seated))
    )
    return rows.filter(mine).exclude(proposed_by=user).order_by("id")


def may(proposal: LimitProposal, user: User) -> set[str]:
    """Return what `user` may do with a proposal now: confirm, end."""
    if proposal.status != ProposalStatus.OPEN:
        return set()
    if proposal.proposed_by_id == user.pk:
        return {"end"}
    return {"confirm", "end"} if to_confirm(user).filter(pk=proposal.pk).exists() else set()


def may_change(account: Account, user: User) -> set[str]:
    """Return which changes of a limit `user` may make: cut, raise (with a second person), or raise alone."""
    if account.scope in {Scope.POPULATION, Scope.DATASET}:
        wanted = (
            {"population": account.population_id} if account.population_id else {"pk": account.dataset_id}
        )
        found = list(Dataset.objects.filter(**wanted).select_related("area"))
        mine = bool(found) and all(allows(user, Permission.CAP_PROPOSE, on=row) for row in found)
        return {"cut", "propose"} if mine else set()
    if not allows(user, Permission.BUDGET_ALLOCATE):
        return set()
    if account.grant is not None:
        return set() if user.pk in on_project(account.grant.project) else {"cut", "propose"}
    return set() if account.person_id == user.pk else {"cut", "raise"}
