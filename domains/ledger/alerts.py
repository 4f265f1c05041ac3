"""Telling people at 50, 80 and 95 % of a budget, once each. A sweep derives it; no rule depends on it having run."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, IntegerField, Max, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Steward
from domains.ledger import accounts
from domains.ledger.lifecycle import Scope
from domains.ledger.models import Account, BudgetAlert
from domains.ledger.policy import THRESHOLDS, crossed
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Role
from domains.people.queries import holders
from privacy.loss import CURRENCIES

_BATCH = 100


def sweep(now: datetime | None = None) -> int:
    """Tell whoever is concerned of each account that has reached a share of its limit; return how many accounts.

    A change of the limit begins anew. Of several shares passed at once, only the highest is told.
    """
    return sum(_alert(key) for key in _due()[:_BATCH])


def _due() -> QuerySet[Account, str]:
    """Return the keys of the accounts that have reached a share nobody was told of, in one query."""
    told = Coalesce(Max("alerts__threshold", filter=Q(alerts__limit_version=F("limit_version"))), 0)
    reached = Case(
        *(When(_reached(share), then=Value(share)) for share in sorted(THRESHOLDS, reverse=True)),
        default=Value(0),
        output_field=IntegerField(),
    )
    rows = Account.objects.filter(_reached(min(THRESHOLDS)))
    rows = rows.annotate(told=told, reached=reached).filter(reached__gt=F("told"))
    return rows.order_by("id").values_list("pk", flat=True)


def _reached(share: int) -> Q:
    """Say that some currency is used to `share` per cent; divided first, so that no product overflows."""
    found = Q(pk=None)
    for name in CURRENCIES:
        least = F(f"{name}_limit") / 100 * share - F(f"{name}_reserved")
        found |= Q(**{f"{name}_limit__gt": 0, f"{name}_spent__gte": least})
    return found


def _alert(key: str) -> bool:
    """Write down and tell one account's highest share, in a transaction of its own; False if nothing was to tell."""
    with transaction.atomic(durable=True):
        row = Account.objects.select_for_update(of=("self",), no_key=True).get(pk=key)
        share = crossed(row.reserved + row.spent, row.limit)
        known = set(row.alerts.filter(limit_version=row.limit_version).values_list("threshold", flat=True))
        new = [each for each in THRESHOLDS if each <= share and each not in known]
        if not new:
            return False
        BudgetAlert.objects.bulk_create(
            BudgetAlert(account=row, limit_version=row.limit_version, threshold=each) for each in new
        )
        record(Event.BUDGET_ALERTED, by="system", on=row, threshold=share)
        row = Account.objects.select_related(*accounts.RELATED).get(pk=key)
        text = f"{share} % of the budget of {row.label} is used or reserved."
        tell(_concerned(row), Event.BUDGET_ALERTED, text, f"/budgets/accounts/{row.pk}/")
    return True


def _concerned(row: Account) -> set[User]:
    """Return owners and administrators for a cap, lead and administrators for a grant, and the person for their own."""
    if row.scope == Scope.PERSON:
        return {row.person} if row.person is not None else set()
    administrators = set(holders(Role.ADMINISTRATOR))
    if row.grant is not None:
        leads = row.grant.project.members.filter(role=Role.PROJECT_LEAD, ended_at=None)
        return administrators | {member.user for member in leads.select_related("user")}
    of = Q(dataset=row.dataset_id) if row.dataset_id else Q(dataset__population=row.population_id)
    owners = Steward.objects.filter(of, role=Role.DATASET_OWNER, ended_at=None).select_related("user")
    return administrators | {steward.user for steward in owners}
