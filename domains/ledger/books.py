"""Checking the books: every account is what its lines add up to, and every charge has the lines that its state asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, CharField, Count, F, Q, Sum, Value, When

from domains.audit import queries as audit
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.ledger.models import Account, Charge, ChargeState, Entry, EntryKind
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from privacy.loss import CURRENCIES

MOST = 50  # differences shown


@dataclass(frozen=True)
class Check:
    """What a check of the books found: how much it looked at, and what does not fit, in words with keys only."""

    accounts: int
    charges: int
    entries: int
    differences: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.differences


def look(user: User) -> Check:
    """Compare accounts, charges and lines for an auditor or administrator; four queries, whatever the number."""
    _require_reader(user)
    with transaction.atomic():
        found = [*_accounts_that_differ(), *_charges_that_differ()]
        counts = (Account.objects.count(), Charge.objects.count(), Entry.objects.count())
    return Check(*counts, tuple(found[:MOST]))


@transaction.atomic(durable=True)
def check(*, by: User) -> Check:
    """Do the same as an administrator and leave the result in the audit log."""
    require(by, Permission.AUDIT_RECONCILE)
    found = look(by)
    details: dict[str, Any] = {"accounts": found.accounts, "charges": found.charges, "entries": found.entries}
    record(Event.BOOKS_CHECKED, by=by, on="ledger:books", **details, differences=list(found.differences))
    return found


def last(user: User) -> tuple[datetime, Check] | None:
    """Return when the books were last checked and with what result, or None."""
    _require_reader(user)
    row = audit.events(event=Event.BOOKS_CHECKED.value)[:1]
    for event in row:
        said = audit.body(event)["details"]
        counts = (said["accounts"], said["charges"], said["entries"])
        return event.at, Check(*counts, tuple(said["differences"]))
    return None


def _require_reader(user: User) -> None:
    if not allows(user, Permission.AUDIT_READ):
        require(user, Permission.AUDIT_RECONCILE)


def _accounts_that_differ() -> list[str]:
    """Fold every account's lines and compare."""
    sums = {
        f"{currency}_{kind}": Sum(f"entries__{currency}", filter=Q(entries__kind=kind), default=0)
        for currency in CURRENCIES
        for kind in EntryKind.values
    }
    wrong = Q(pk=None)
    for name in CURRENCIES:
        open_now = F(f"{name}_RESERVE") - F(f"{name}_COMMIT") - F(f"{name}_VOID")
        wrong |= ~Q(**{f"{name}_spent": F(f"{name}_COMMIT")}) | ~Q(**{f"{name}_reserved": open_now})
    rows = Account.objects.annotate(**sums).filter(wrong).order_by("id").values_list("pk", flat=True)
    return [f"account {key} is not what its lines add up to" for key in rows[:MOST]]


def _charges_that_differ() -> list[str]:
    """Compare each charge's lines with its state: as many outcomes as reservations, and of the right kind."""
    kinds = {kind: Count("entries", filter=Q(entries__kind=kind)) for kind in EntryKind.values}
    outcome = Case(
        When(state=ChargeState.RESERVED, then=Value("none")),
        When(state=ChargeState.VOID, then=Value("void")),
        default=Value("commit"),
        output_field=CharField(),
    )
    none, void, commit = Q(COMMIT=0, VOID=0), Q(COMMIT=0, VOID=F("RESERVE")), Q(COMMIT=F("RESERVE"), VOID=0)
    right = (Q(outcome="none") & none) | (Q(outcome="void") & void) | (Q(outcome="commit") & commit)
    rows = Charge.objects.annotate(outcome=outcome, **kinds).filter(~right | Q(RESERVE=0))
    return [
        f"charge {key} has not the lines of its state"
        for key in rows.order_by("id").values_list("pk", flat=True)[:MOST]
    ]
