"""A larger budget for a grant: asked for by its project, proposed by one person and confirmed by another (S5).

asked → proposed → confirmed        asked or proposed → declined | withdrawn
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import limits
from domains.ledger.lifecycle import TopUpStatus
from domains.ledger.models import Account, Scope, TopUp
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.people.queries import holders
from domains.projects import queries as projects
from domains.projects.guards import on_project
from domains.projects.lifecycle import GrantStatus
from domains.projects.models import AccessGrant
from privacy.loss import Loss

_OPEN = (TopUpStatus.ASKED, TopUpStatus.PROPOSED)


@transaction.atomic(durable=True)
def ask(
    grant: AccessGrant, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, reason: str, by: User
) -> TopUp:
    """Ask, as a member of its project, that a grant's limit be raised to ε altogether; administrators are told.

    Without `pure_epsilon` the cap on pure losses stays as it is.
    """
    require(by, Permission.BUDGET_ASK, on=grant)
    row = _account_of(grant)
    _raised(row, epsilon, pure_epsilon)  # refused at once if it could never be granted
    made = _open(grant, epsilon, pure_epsilon, reason, asked_by=by)
    record(Event.TOPUP_ASKED, by=by, on=made, grant=grant.pk, epsilon=str(epsilon))
    text = f"“{grant.project.title}” asks for a budget of ε = {_short(epsilon)} on {grant.dataset.title}."
    tell(_administrators(grant) - {by}, Event.TOPUP_ASKED, text, _path(made))
    return made


@transaction.atomic(durable=True)
def propose(topup: TopUp, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, by: User) -> None:
    """Name the limit that an ask should get, as an administrator who is not on the project, and tell the second."""
    require(by, Permission.BUDGET_ALLOCATE, on=topup.grant)
    _require_no_benefit(topup.grant, by)
    if topup.status != TopUpStatus.ASKED:
        raise IllegalMove(f"This top-up is {topup.state.label.lower()}; nobody waits for a proposal.")
    row = _account_of(topup.grant)
    limit = _raised(row, epsilon, pure_epsilon)
    move(topup, TopUpStatus.PROPOSED, **_proposal(row, limit, epsilon, pure_epsilon, by))
    _tell_second(topup, by)


@transaction.atomic(durable=True)
def propose_unasked(
    grant: AccessGrant, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, reason: str, by: User
) -> TopUp:
    """Propose a higher limit of a grant that nobody asked for, as an administrator who is not on the project."""
    require(by, Permission.BUDGET_ALLOCATE, on=grant)
    _require_no_benefit(grant, by)
    row = _account_of(grant)
    limit = _raised(row, epsilon, pure_epsilon)
    proposal = _proposal(row, limit, epsilon, pure_epsilon, by)
    made = _open(grant, epsilon, pure_epsilon, reason, asked_by=by)
    move(made, TopUpStatus.PROPOSED, **proposal)
    _tell_second(made, by)
    return made


@transaction.atomic(durable=True)
def confirm(topup: TopUp, *, by: User) -> None:
    """Raise the grant's limit as the second person: neither who asked, nor who proposed, nor anyone of the project."""
    require(by, Permission.BUDGET_CONFIRM, on=topup.grant)
    _require_no_benefit(topup.grant, by)
    if by.pk in {topup.proposed_by_id, topup.asked_by_id}:
        raise NotAllowed("A larger budget takes two people.", code="two_people")
    require_running()
    row = _account_of(topup.grant)
    if topup.status == TopUpStatus.PROPOSED and row.limit_version != topup.limit_version:
        raise IllegalMove("This limit changed since the proposal was made. Decline it.", code="stale")
    move(topup, TopUpStatus.CONFIRMED, decided_at=timezone.now(), decided_by=by)
    limit = Loss(topup.rho or 0, topup.delta or 0, topup.pure or 0)
    limits.require_room(row, limit)
    proposer = User.objects.get(pk=topup.proposed_by_id)
    limits.apply(row, limit, reason=topup.reason, by=proposer, confirmed_by=by)
    record(Event.TOPUP_CONFIRMED, by=by, on=topup, grant=topup.grant_id, epsilon=str(topup.epsilon))
    text = f"The budget on {topup.grant.dataset.title} was raised to ε = {_short(topup.epsilon)}."
    tell(_concerned(topup) - {by}, Event.TOPUP_CONFIRMED, text, _path(topup))


@transaction.atomic(durable=True)
def decline(topup: TopUp, *, reason: str, by: User) -> None:
    """Say no to an ask as an administrator, or to a proposal as whoever could confirm it; the project reads why."""
    require(by, Permission.BUDGET_CONFIRM, on=topup.grant)
    if topup.status == TopUpStatus.ASKED:
        require(by, Permission.BUDGET_ALLOCATE, on=topup.grant)
    _require_no_benefit(topup.grant, by)
    why = limits.said(reason)
    move(topup, TopUpStatus.DECLINED, decided_at=timezone.now(), decided_by=by, answer=why)
    record(Event.TOPUP_DECLINED, by=by, on=topup, grant=topup.grant_id, reason=why)
    text = f"The larger budget on {topup.grant.dataset.title} was declined. {why}"
    tell(_concerned(topup) - {by}, Event.TOPUP_DECLINED, text, _path(topup))


@transaction.atomic(durable=True)
def withdraw(topup: TopUp, *, by: User) -> None:
    """Take back what one has asked for or proposed oneself, before it is decided."""
    require(by, Permission.BUDGET_READ, on=topup.grant)
    if by.pk not in {topup.asked_by_id, topup.proposed_by_id}:
        raise NotAllowed("Only who asked for it or proposed it takes it back.", code="not_yours")
    move(topup, TopUpStatus.WITHDRAWN, decided_at=timezone.now(), decided_by=by)
    record(Event.TOPUP_WITHDRAWN, by=by, on=topup, grant=topup.grant_id)


def _account_of(grant: AccessGrant) -> Account:
    """Return the account of a grant in use, held until the transaction ends; raise IllegalMove without one."""
    row = (
        Account.objects.select_for_update(of=("self",), no_key=True)
        .filter(scope=Scope.GRANT, grant=grant)
        .first()
    )
    if row is None or grant.status not in {GrantStatus.GRANTED, GrantStatus.SUSPENDED}:
        raise IllegalMove("Only a grant that has a budget can get a larger one.", code="no_budget")
    return row


def _raised(row: Account, epsilon: Decimal, pure_epsilon: Decimal | None) -> Loss:
    """Return the limit that ε means, which must be more than the present one and within the dataset's cap."""
    limit = limits.limit_of(row, epsilon, pure_epsilon)
    if limit.fits(row.limit):
        raise InvalidInput("The grant has as much already. Name its whole new limit.", code="not_more")
    if not row.limit.fits(limit):
        raise InvalidInput("A top-up lowers no part of the budget.", code="not_more")
    return limit


def _open(
    grant: AccessGrant, epsilon: Decimal, pure_epsilon: Decimal | None, reason: str, *, asked_by: User
) -> TopUp:
    if TopUp.objects.filter(grant=grant, status__in=_OPEN).exists():
        raise IllegalMove("A larger budget is being decided on already.", code="already_asked")
    return TopUp.objects.create(
        grant=grant,
        epsilon=epsilon,
        pure_epsilon=pure_epsilon,
        asked_epsilon=epsilon,
        reason=limits.said(reason),
        asked_by=asked_by,
    )


def _proposal(
    row: Account, limit: Loss, epsilon: Decimal, pure_epsilon: Decimal | None, by: User
) -> dict[str, Any]:
    return {
        "epsilon": epsilon,
        "pure_epsilon": pure_epsilon,
        "limit_version": row.limit_version,
        "proposed_at": timezone.now(),
        "proposed_by": by,
        **limit.to_dict(),
    }


def _tell_second(topup: TopUp, by: User) -> None:
    record(Event.TOPUP_PROPOSED, by=by, on=topup, grant=topup.grant_id, epsilon=str(topup.epsilon))
    text = f"A budget of ε = {_short(topup.epsilon)} for “{topup.grant.project.title}” waits for a second person."
    tell(_second_people(topup) - {by}, Event.TOPUP_PROPOSED, text, _path(topup))


def _require_no_benefit(grant: AccessGrant, by: User) -> None:
    if by.pk in on_project(grant.project):
        raise NotAllowed("You are or were on this project: somebody else decides.", code="benefits")


def _administrators(grant: AccessGrant) -> set[User]:
    return set(holders(Role.ADMINISTRATOR).exclude(pk__in=on_project(grant.project)))


def _second_people(topup: TopUp) -> set[User]:
    """Return who could confirm: the dataset's owners and administrators, without the project and the proposer."""
    owners = topup.grant.dataset.stewards.filter(role=Role.DATASET_OWNER, ended_at=None).select_related(
        "user"
    )
    found = {row.user for row in owners if row.user_id not in on_project(topup.grant.project)}
    return {
        user
        for user in found | _administrators(topup.grant)
        if user.pk not in {topup.proposed_by_id, topup.asked_by_id}
    }


def _concerned(topup: TopUp) -> set[User]:
    """Return who asked, who proposed, and the project's present members."""
    members = topup.grant.project.members.filter(ended_at=None).select_related("user")
    return {row.user for row in members} | set(
        User.objects.filter(pk__in=[topup.asked_by_id, topup.proposed_by_id])
    )


def _path(topup: TopUp) -> str:
    return f"/budgets/topups/{topup.pk}/"


def _short(epsilon: Decimal) -> str:
    return f"{Decimal(epsilon).normalize():f}"


# --- Reading -----------------------------------------------------------------------------------------------------


def none() -> Any:
    """Return no top-ups: what an API says its rows are like."""
    return TopUp.objects.none()


def visible_to(user: User) -> Any:
    """Return the top-ups of the grants whose budget `user` may read, newest first."""
    rows = TopUp.objects.select_related(
        "grant__project__area", "grant__dataset__population", "asked_by", "proposed_by", "decided_by"
    )
    rows = rows.order_by("-id")
    if allows(user, Permission.BUDGET_READ):
        return rows
    seen = projects.grants(user).order_by().values("pk")
    return rows.filter(grant__in=seen)


def one(key: str, user: User) -> TopUp:
    """Return one top-up that `user` may read, or raise NotFound."""
    found: TopUp | None = visible_to(user).filter(pk=key).first()
    if found is None or not allows(user, Permission.BUDGET_READ, on=found.grant):
        raise NotFound("There is no such top-up that you can see.")
    return found


def may(topup: TopUp, user: User) -> set[str]:
    """Return what `user` may do with a top-up now: propose, confirm, decline, withdraw."""
    found = set()
    outside = user.pk not in on_project(topup.grant.project)
    is_open = topup.status in _OPEN
    if is_open and user.pk in {topup.asked_by_id, topup.proposed_by_id}:
        found.add("withdraw")
    allocates = allows(user, Permission.BUDGET_ALLOCATE, on=topup.grant)
    confirms = allows(user, Permission.BUDGET_CONFIRM, on=topup.grant)
    if topup.status == TopUpStatus.ASKED and allocates and outside:
        found |= {"propose", "decline"}
    is_second = user.pk not in {topup.asked_by_id, topup.proposed_by_id}
    if topup.status == TopUpStatus.PROPOSED and confirms and outside and is_second:
        found |= {"confirm", "decline"}
    return found


def to_propose(user: User) -> Any:
    """Return the asks that wait for a proposal which `user` may make, oldest first."""
    rows = visible_to(user).filter(status=TopUpStatus.ASKED)
    if not allows(user, Permission.BUDGET_ALLOCATE):
        return rows.none()
    return _outside(rows, user)


def to_confirm(user: User) -> Any:
    """Return the proposals that wait for `user` as the second person, oldest first."""
    rows = (
        visible_to(user).filter(status=TopUpStatus.PROPOSED).exclude(proposed_by=user).exclude(asked_by=user)
    )
    if not allows(user, Permission.BUDGET_CONFIRM):
        owned = {"grant__dataset__stewards__user": user, "grant__dataset__stewards__ended_at": None}
        is_owner = Role.OWNER in user.node_roles
        scoped = user.token_scopes is None or Permission.BUDGET_CONFIRM in user.token_scopes
        if not (is_owner and scoped):
            return rows.none()
        rows = rows.filter(grant__dataset__stewards__role=Role.DATASET_OWNER, **owned)
    return _outside(rows, user)


def _outside(rows: Any, user: User) -> Any:
    mine = AccessGrant.objects.filter(project__members__user=user).values("pk")
    return rows.exclude(grant__in=mine).exclude(grant__project__created_by=user).order_by("id")
