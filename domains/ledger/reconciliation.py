"""After a restored backup: two people look at what is missing and accept the records as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from domains.audit import checkpoints
from domains.audit.checkpoints import Standing
from domains.audit.events import Event
from domains.audit.queries import body, events, one
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import protocol
from domains.people.models import User
from domains.people.permissions import Permission, require


@transaction.atomic(durable=True)
def propose(*, reason: str, by: User) -> int:
    """Propose to go on from the records as they stand; return the index that the second person confirms."""
    require(by, Permission.AUDIT_RECONCILE)
    if not reason.strip():
        raise InvalidInput("Say why the records differ: the event keeps your reason.", code="reason_missing")
    found = checkpoints.compare()
    if found.standing == Standing.SOUND:
        raise IllegalMove("The log and its witness agree; there is nothing to reconcile.")
    return record(
        Event.RECONCILIATION_PROPOSED,
        by=by,
        on=f"log:{checkpoints.origin()}",
        reason=reason.strip(),
        standing=found.standing.value,
        witnessed_size=found.witnessed_size,
        witnessed_root=found.witnessed_root,
    )


@dataclass(frozen=True)
class Pending:
    """A proposal to go on from the records as they stand, which waits for a second person."""

    index: int
    at: datetime
    proposed_by: str
    reason: str


def pending() -> Pending | None:
    """Return the last proposal that fits the witness as it is now, or None."""
    for row in events(event=Event.RECONCILIATION_PROPOSED.value)[:1]:
        said, found = body(row)["details"], checkpoints.compare()
        if (said["witnessed_size"], said["witnessed_root"]) == (found.witnessed_size, found.witnessed_root):
            return Pending(row.index, row.at, row.actor, said["reason"])
    return None


@transaction.atomic(durable=True)
def confirm(index: int, *, by: User) -> int:
    """Confirm a proposed reconciliation as another person; from here on losses can be committed again.

    What was reserved in the restored records counts as spent, for it may have been answered since.
    """
    require(by, Permission.AUDIT_RECONCILE)
    row = one(index)
    if row.event != Event.RECONCILIATION_PROPOSED:
        raise NotFound("There is no such proposal.")
    if row.actor == by.pk:
        raise NotAllowed("Reconciling takes two people.", code="two_people")
    said = body(row)["details"]
    found = checkpoints.compare()
    if (said["witnessed_size"], said["witnessed_root"]) != (found.witnessed_size, found.witnessed_root):
        raise IllegalMove("The witness changed since this was proposed. Propose it again.", code="stale")
    proposer = User.objects.get(pk=row.actor)
    require(proposer, Permission.AUDIT_RECONCILE)
    protocol.forfeit()
    return checkpoints.reconcile(by=proposer, confirmed_by=by, reason=said["reason"])
