"""What people do to budgets: allocate one to a grant, and change a limit. Charges are in `protocol`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.ledger import accounts
from domains.ledger.models import Account, Scope
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.lifecycle import GrantStatus, ProjectStatus
from domains.projects.models import AccessGrant, Project
from privacy.loss import Loss


@transaction.atomic(durable=True)
def allocate(
    grant: AccessGrant,
    *,
    epsilon: Decimal,
    pure_epsilon: Decimal = accounts.NONE,
    person_epsilon: Decimal | None = None,
    person_pure_epsilon: Decimal | None = None,
    valid_days: int = 365,
    by: User,
) -> None:
    """Give a grant of an approved project its budget, within the cap that the dataset's owners set.

    `pure_epsilon` stands beside ε, for losses of pure DP alone. `person_epsilon` and `person_pure_epsilon` cap
    each person's own account on the dataset; without one, that currency's cap is the dataset's.
    Whoever allocates is never on the project (S5).
    """
    require(by, Permission.BUDGET_ALLOCATE, on=grant)
    project = _require_allocatable(grant, valid_days, by)
    limit = accounts.limit_from_epsilon(epsilon, grant.dataset.population, pure=pure_epsilon)
    cap = require_within_cap(grant, limit)
    person = _person_cap(grant, cap, person_epsilon, person_pure_epsilon)
    now = timezone.now()
    move(
        grant,
        GrantStatus.GRANTED,
        granted_at=now,
        granted_by=by,
        valid_from=now,
        valid_to=now + timedelta(days=valid_days),
    )
    account = accounts.open_grant(grant, limit, person, epsilon=str(epsilon), by=by)
    given: dict[str, Any] = {"account": account.pk, "valid_days": valid_days, **limit.to_dict()}
    given |= {"epsilon": str(epsilon), "person_epsilon": str(person_epsilon or "")}
    record(Event.GRANT_ALLOCATED, by=by, on=grant, **given)
    members = [row.user for row in project.members.filter(ended_at=None).select_related("user")]
    beside = f" and a pure ε of {pure_epsilon}" if pure_epsilon else ""
    text = f"“{project.title}” may now ask {grant.dataset.title}, with a budget of ε = {epsilon}{beside}."
    tell(members, Event.GRANT_ALLOCATED, text, f"/projects/{project.pk}/")


def _require_allocatable(grant: AccessGrant, valid_days: int, by: User) -> Project:
    """Return the grant's project, or raise: never for one's own project, and once, after its approval."""
    project = Project.objects.get(pk=grant.project_id)
    if by.pk in project.member_ids:
        raise NotAllowed("You are on this project: somebody else allocates its budget.", code="benefits")
    require_running()
    if (
        grant.status != GrantStatus.REQUESTED
    ):  # from a suspended one an arrow leads back, for who reinstates it
        raise IllegalMove(f"This grant is {grant.state.label.lower()}; its budget is allocated once.")
    if project.status != ProjectStatus.APPROVED:
        raise IllegalMove("A budget is allocated once the project is approved.")
    if valid_days < 1:
        raise InvalidInput("A grant is valid for at least one day.", code="days_invalid")
    return project


def _person_cap(
    grant: AccessGrant, cap: Loss, epsilon: Decimal | None, pure_epsilon: Decimal | None
) -> Loss | None:
    """Return what each person's own account starts with, or None for the dataset's cap in every currency."""
    if not epsilon and pure_epsilon is None:
        return None
    own = accounts.limit_from_epsilon(epsilon, grant.dataset.population) if epsilon else cap
    return replace(own, pure=cap.pure if pure_epsilon is None else accounts.pure_limit(pure_epsilon))


def require_within_cap(grant: AccessGrant, limit: Loss) -> Loss:
    """Return the cap of a grant's dataset; raise InvalidInput where the grant's limit is above it.

    Grants together may promise more than the dataset holds; its cap decides when they are used.
    """
    cap = Account.objects.filter(scope=Scope.DATASET, dataset=grant.dataset).first()
    if cap is None:
        raise IllegalMove("This dataset has no budget yet: its owner publishes it first.", code="no_budget")
    if not limit.fits(cap.limit):
        raise InvalidInput("This is more than the dataset's own budget.", code="above_cap")
    return cap.limit
