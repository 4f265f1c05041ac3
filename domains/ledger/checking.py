"""Checks the ledger against itself and against the log: balances by replaying events, answers by their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from gridhouse.verify import Books, VerificationError

from domains.audit import keys, queries
from domains.audit.events import Event
from domains.ledger.models import Account, Answer, Charge, ChargeState
from privacy.loss import CURRENCIES, Loss


@dataclass
class Checked:
    """What was looked at, and one sentence for each fault."""

    accounts: int = 0
    charges: int = 0
    answers: int = 0
    findings: list[str] = field(default_factory=list)


def check() -> Checked:
    """Return what the ledger's own rows say against the log's events; no private value is in a finding."""
    found, books, marks = Checked(), Books(), {}
    for body in queries.bodies("account.", "limit.", "charge.", "answer."):
        try:
            books.read(body)
        except VerificationError as error:
            found.findings.append(str(error))
        if body["event"] == Event.ANSWER_PERSISTED:
            marks[body["subject"]] = body["details"].get("hmac")
    found.findings += _balances(books, found)
    found.findings += _charges(books, found)
    found.findings += _answers(marks, found)
    return found


def _balances(books: Books, found: Checked) -> Iterator[str]:
    for row in Account.objects.iterator(chunk_size=2000):
        found.accounts += 1
        used = {name: getattr(row.reserved, name) + getattr(row.spent, name) for name in CURRENCIES}
        if books.caps.get(row.pk) != row.limit.to_dict() or books.taken.get(row.pk) != used:
            yield f"account {row.pk} has another limit or balance than its events add up to"


def _charges(books: Books, found: Checked) -> Iterator[str]:
    """Compare each charge with its events: its loss while it is reserved, that it ended once it has."""
    for row in Charge.objects.only("state", *CURRENCIES).iterator(chunk_size=2000):
        found.charges += 1
        said, _ = books.charges.pop(row.pk, (None, []))
        expected = Loss(row.rho, row.delta, row.pure).to_dict() if row.state == ChargeState.RESERVED else {}
        if said != expected:
            yield f"charge {row.pk} stands otherwise than its events say"
    for key in books.charges:
        yield f"charge {key} is in the log and not in the ledger"


def _answers(marks: dict[str, str | None], found: Checked) -> Iterator[str]:
    """Compare every stored answer's bytes with their hash and with the keyed mark in the log."""
    for row in Answer.objects.iterator(chunk_size=200):
        found.answers += 1
        payload = bytes(row.payload)
        if hashlib.sha256(payload).hexdigest() != row.sha256:
            yield f"the answer of charge {row.charge_id} was changed after it was stored"
        elif marks.pop(row.charge_id, None) != keys.fingerprint(payload):
            yield f"the answer of charge {row.charge_id} is not the one that the log knows"
