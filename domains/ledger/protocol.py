"""The ledger's protocol (LEDGER §1): reserve, commit, persist, void, sweep.

    RESERVED → COMMITTED → (answer) | BURNT        RESERVED → VOID        nothing else

The guard is the conditional UPDATE and its row count; constraints and triggers are the last line. Rows are
taken in one order: the charge, its accounts by id, entries, and last the audit log's head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domains.audit import checkpoints, keys
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import new_id
from domains.errors import BudgetExhausted, IllegalMove, InvalidInput
from domains.ledger.models import Account, Answer, Charge, ChargeState, Entry, EntryKind
from domains.people.models import User
from domains.projects.models import AccessGrant
from privacy.loss import CURRENCIES, Loss

# One text for every refusal: it depends on (Σρ, Σδ, Σ pure ε, cap) only and names neither scope nor currency.
EXHAUSTED = "The budget that is left does not cover this loss. Ask for less, or ask for a larger budget."


def reserve(
    *,
    idem: str,
    repeat_key: str,
    accounts: Sequence[str],
    grant: AccessGrant | None,
    person: User | None,
    loss: Loss,
    certificate: dict[str, Any],
) -> str:
    """Set `loss` aside under every account, or under none, and return the charge's id (T1).

    Without a grant it is spent for everybody, and no grant's or person's account may be among `accounts`.

    The same `idem` again returns the same charge and changes nothing. Runs inside the transaction that
    approves; raises BudgetExhausted, and the caller rolls back, when one cap does not hold it.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("reserve() belongs inside the transaction that approves")
    if not accounts or loss == Loss.zero():
        raise InvalidInput("A charge has a loss above zero and at least one account.", code="charge_empty")
    charge = Charge(
        id=new_id(),
        idem=idem,
        repeat_key=repeat_key,
        grant=grant,
        person=person,
        certificate=certificate,
        **loss.to_dict(),
    )
    Charge.objects.bulk_create([charge], ignore_conflicts=True)
    holder = Charge.objects.only("id", *CURRENCIES, "grant_id").get(idem=idem)
    ordered = sorted(set(accounts))
    if holder.pk != charge.pk:
        return _same(holder, charge, ordered)
    for account in ordered:
        _set_aside(account, loss)
    _enter(charge, EntryKind.RESERVE, ordered)
    _leaf(Event.CHARGE_RESERVED, charge, accounts=ordered, grant=charge.grant_id, person=charge.person_id)
    return charge.pk


def _same(holder: Charge, asked: Charge, accounts: list[str]) -> str:
    """Return the earlier charge's id; another loss, grant or account under one content hash is the caller's fault."""
    debited = holder.entries.filter(kind=EntryKind.RESERVE).order_by("account_id")
    is_same = (holder.loss, holder.grant_id) == (asked.loss, asked.grant_id)
    if not is_same or list(debited.values_list("account_id", flat=True)) != accounts:
        raise IllegalMove("This was reserved before with another loss or grant.", code="idem_reused")
    return holder.pk


def _set_aside(account: str, loss: Loss) -> None:
    """Reserve in every currency by one conditional UPDATE, or raise BudgetExhausted."""
    amounts = loss.to_dict()
    room = {f"{c}_limit__gte": F(f"{c}_reserved") + F(f"{c}_spent") + n for c, n in amounts.items()}
    taken = {f"{c}_reserved": F(f"{c}_reserved") + n for c, n in amounts.items()}
    if Account.objects.filter(pk=account, **room).update(**taken) != 1:
        raise BudgetExhausted(EXHAUSTED)


def commit(charge_id: str, *, lease: timedelta) -> int | None:
    """Spend a reservation for ever and return the fence of the one draw it allows (T2); None if not ours.

    Runs in its own transaction, or joins the caller's, which must be durable and over **before** the first
    private byte is read or noise is drawn. Raises IllegalMove "ledger_behind_witness" after a restore.
    """
    with transaction.atomic():
        checkpoints.require_not_behind()
        ours = Charge.objects.filter(pk=charge_id, state=ChargeState.RESERVED)
        moved = ours.update(
            state=ChargeState.COMMITTED, fence=F("fence") + 1, lease_until=timezone.now() + lease
        )
        if moved != 1:
            return None
        charge = Charge.objects.get(pk=charge_id)
        _settle(charge, EntryKind.COMMIT)
        _leaf(Event.CHARGE_COMMITTED, charge, fence=charge.fence)
        return charge.fence


def persist(charge_id: str, *, fence: int, payload: bytes) -> str:
    """Store the one answer of a committed charge and return its SHA-256 in hexadecimal (T3), durably.

    Raises IllegalMove "not_the_owner" when the fence is another, the charge burnt or already answered.
    """
    sha256 = hashlib.sha256(payload).hexdigest()
    with transaction.atomic(durable=True):
        charge = Charge.objects.select_for_update(no_key=True).filter(pk=charge_id).first()
        is_owner = charge is not None and charge.state == ChargeState.COMMITTED and charge.fence == fence
        if charge is None or not is_owner or Answer.objects.filter(pk=charge_id).exists():
            raise IllegalMove("This charge takes no answer from this worker.", code="not_the_owner")
        Answer.objects.create(charge=charge, payload=payload, sha256=sha256, fence=fence, at=timezone.now())
        _leaf(Event.ANSWER_PERSISTED, charge, fence=fence, hmac=keys.fingerprint(payload))
    return sha256


def void(charge_id: str, *, reason: str) -> bool:
    """Give a reservation back; False when it was committed or voided already, for then nothing goes back.

    Raises IllegalMove "ledger_behind_witness" after a restore: what the backup knows as reserved may have been
    spent since.
    """
    with transaction.atomic():
        checkpoints.require_not_behind()
        ours = Charge.objects.filter(pk=charge_id, state=ChargeState.RESERVED)
        if ours.update(state=ChargeState.VOID) != 1:
            return False
        charge = Charge.objects.get(pk=charge_id)
        _settle(charge, EntryKind.VOID)
        _leaf(Event.CHARGE_VOIDED, charge, reason=reason)
        return True


def void_all(charge_ids: Sequence[str], *, reason: str) -> None:
    """Give several reservations back in the caller's transaction, or raise IllegalMove "not_reserved" for all.

    All rows are taken before the first leaf is written, in the one order.
    """
    rows = Charge.objects.filter(pk__in=charge_ids)
    charges = list(rows.select_for_update(no_key=True).order_by("id"))
    touched = Account.objects.filter(entries__charge__in=charges).distinct().values("pk")
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("id"))
    for charge in charges:
        if not void(charge.pk, reason=reason):
            raise IllegalMove("A run has spent what was reserved. Look again.", code="not_reserved")


def burn(charge_id: str, fence: int) -> bool:
    """Give up a committed charge that has no answer; it stays spent. False if it is not ours to burn."""
    with transaction.atomic():
        # Locked first: an answer that is being stored now must be seen by the statement that follows.
        charge = Charge.objects.select_for_update(no_key=True).filter(pk=charge_id, fence=fence).first()
        ours = Charge.objects.filter(pk=charge_id, state=ChargeState.COMMITTED, fence=fence, answer=None)
        if charge is None or ours.update(state=ChargeState.BURNT) != 1:
            return False
        _leaf(Event.CHARGE_BURNT, charge, fence=fence)
        return True


def forfeit() -> int:
    """Spend every open reservation without a draw; return how many. For a reconciliation, in its transaction.

    A restored backup may know as reserved what was since committed, drawn and released. Drawn again, it would
    be two answers for one charge; given back, an answer that nobody paid for.
    """
    reserved = Charge.objects.filter(state=ChargeState.RESERVED)
    charges = list(reserved.select_for_update(no_key=True).order_by("id"))
    touched = Account.objects.filter(entries__charge__in=charges).distinct().values("pk")
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=touched).order_by("id"))
    for charge in charges:
        fence = charge.fence + 1
        Charge.objects.filter(pk=charge.pk).update(
            state=ChargeState.COMMITTED, fence=fence, lease_until=timezone.now()
        )
        _settle(charge, EntryKind.COMMIT)
        _leaf(Event.CHARGE_COMMITTED, charge, fence=fence)
        burn(charge.pk, fence)
    return len(charges)


def sweep(now: datetime | None = None) -> int:
    """Burn every committed charge whose lease is over and that has no answer; return how many.

    One transaction each: whoever holds the log's head never waits for another charge.
    """
    due = Charge.objects.filter(
        state=ChargeState.COMMITTED, lease_until__lt=now or timezone.now(), answer=None
    )
    return sum(burn(pk, fence) for pk, fence in due.order_by("id").values_list("pk", "fence"))


def _settle(charge: Charge, kind: EntryKind) -> None:
    """Take the charge out of `reserved` in each of its accounts and, on COMMIT, into `spent`."""
    ids = sorted(charge.entries.filter(kind=EntryKind.RESERVE).values_list("account_id", flat=True))
    is_spent = kind == EntryKind.COMMIT
    amounts = charge.loss.to_dict()
    moves = {f"{c}_reserved": F(f"{c}_reserved") - n for c, n in amounts.items()}
    moves |= {f"{c}_spent": F(f"{c}_spent") + (n if is_spent else 0) for c, n in amounts.items()}
    for account in ids:
        Account.objects.filter(pk=account).update(**moves)
    _enter(charge, kind, ids)


def _enter(charge: Charge, kind: EntryKind, accounts: list[str]) -> None:
    """Write one line per account with the balance that this transaction has just given it."""
    balances = [f"{currency}_{part}" for currency in CURRENCIES for part in ("reserved", "spent")]
    rows = Account.objects.filter(pk__in=accounts).order_by("id").values("id", *balances)
    Entry.objects.bulk_create(
        Entry(
            charge=charge,
            account_id=row.pop("id"),
            kind=kind,
            at=timezone.now(),
            **charge.loss.to_dict(),
            **row,
        )
        for row in rows
    )


def _leaf(event: Event, charge: Charge, **details: Any) -> None:
    details |= charge.loss.to_dict()
    record(event, by="system", on=charge, **details)
