"""What happened under one account: its course over time, who spent it, and when it will be used up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from domains.ledger.models import Account, Entry, EntryKind, LimitChange
from domains.ledger.policy import WINDOWS, Forecast, forecast
from privacy.loss import CURRENCIES, Loss

MOST_POINTS = 120  # of a course; more days are thinned, the last is always kept


@dataclass(frozen=True)
class Point:
    """An account as it stood at the end of a day, or now."""

    at: datetime
    spent: Loss
    reserved: Loss
    limit: Loss


@dataclass(frozen=True)
class Share:
    """What one project or one person has spent and reserved under an account; "" is what was spent for everybody."""

    key: str
    name: str
    spent: Loss
    reserved: Loss


def course(account: str) -> list[Point]:
    """Return how an account stood when it was opened, at each change of its limit, after each day, and now.

    Three queries; of a day on which it moved, the last line counts.
    """
    row = Account.objects.get(pk=account)
    days = Entry.objects.filter(account=row).annotate(day=TruncDate("at")).values("day")
    last = list(days.order_by("day").annotate(last=Max("seq")).values_list("last", flat=True))
    changes = list(LimitChange.objects.filter(account=row).order_by("number"))
    stood = [(row.created_at, Loss.zero(), Loss.zero())]
    for entry in Entry.objects.filter(seq__in=_thinned(last)).order_by("seq"):
        spent = Loss(entry.rho_spent, entry.delta_spent, entry.pure_spent)
        stood.append((entry.at, spent, Loss(entry.rho_reserved, entry.delta_reserved, entry.pure_reserved)))
    for change in changes[-MOST_POINTS:]:
        _, spent, reserved = max(
            (each for each in stood if each[0] <= change.created_at), key=lambda at: at[0]
        )
        stood.append((change.created_at, spent, reserved))
    stood.sort(key=lambda each: each[0])
    points = [Point(at, spent, reserved, _limit_at(row, changes, at)) for at, spent, reserved in stood]
    return [*points, Point(timezone.now(), row.spent, row.reserved, row.limit)]


def _thinned(keys: list[int]) -> list[int]:
    """Keep at most MOST_POINTS keys, evenly, the last among them."""
    step = -(-len(keys) // MOST_POINTS)
    return keys[::-1][:: max(step, 1)]


def _limit_at(row: Account, changes: Iterable[LimitChange], at: datetime) -> Loss:
    """Return the limit that held at a moment: what the first later change found, or the present one."""
    for change in changes:
        if change.created_at > at:
            return Loss(change.rho_before, change.delta_before, change.pure_before)
    return row.limit


def outlook(account: str, now: datetime | None = None) -> Forecast | None:
    """Return when an account will be used up at its present pace, reservations counted as used; two queries."""
    now = now or timezone.now()
    row = Account.objects.get(pk=account)
    since = {days: now - timedelta(days=days) for days in WINDOWS}
    sums = {
        f"{currency}_{days}": Sum(currency, filter=Q(at__gt=at))
        for currency in CURRENCIES
        for days, at in since.items()
    }
    longest = min(since.values())
    recent = Entry.objects.filter(account=row, kind=EntryKind.COMMIT, at__gt=longest)
    found = recent.aggregate(**sums)
    spent = {days: Loss(*(found[f"{currency}_{days}"] or 0 for currency in CURRENCIES)) for days in WINDOWS}
    return forecast(row.limit - (row.spent + row.reserved), spent, opened=row.created_at, now=now)


def by_project(account: str) -> list[Share]:
    """Return what each project has spent and reserved under an account, the largest first; one query."""
    return _shares(account, "charge__grant__project_id", "charge__grant__project__title")


def by_person(account: str) -> list[Share]:
    """Return what each person has spent and reserved under an account, the largest first; one query."""
    return _shares(account, "charge__person_id", "charge__person__name")


def _shares(account: str, key: str, name: str) -> list[Share]:
    sums = {
        f"{currency}_{kind}": Sum(currency, filter=Q(kind=kind), default=0)
        for currency in CURRENCIES
        for kind in EntryKind.values
    }
    groups = Entry.objects.filter(account=account).order_by().values(key, name).annotate(**sums)
    shares = [Share(group[key] or "", group[name] or "", *_settled(group)) for group in groups]
    return sorted(shares, key=lambda share: (share.spent + share.reserved).rho, reverse=True)


def _settled(group: dict[str, Any]) -> tuple[Loss, Loss]:
    """Return what a group of lines has spent, and what of its reservations is still open."""
    spent = Loss(*(group[f"{currency}_COMMIT"] for currency in CURRENCIES))
    gone = Loss(*(group[f"{currency}_VOID"] for currency in CURRENCIES))
    reserved = Loss(*(group[f"{currency}_RESERVE"] for currency in CURRENCIES))
    return spent, reserved - spent - gone
