"""Signed checkpoints of the log, and the witness that keeps a restored backup from forgetting what was spent.

The witness is the last checkpoint that something outside relied on, in a folder outside the database and
its backups (DECISIONS 26). A log that is behind it, or that no longer leads to it, commits nothing until two
people have reconciled the two.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.db import models, transaction

from domains.audit import keys, notes, proofs
from domains.audit.events import Event
from domains.audit.models import AuditHead
from domains.audit.notes import Checkpoint, NoteInvalid
from domains.audit.recorder import record
from domains.audit.tree import EMPTY
from domains.errors import IllegalMove, InvalidInput

_FILE, _LOCK = "checkpoint", ".lock"


class Standing(StrEnum):
    """How the log stands to its witness."""

    SOUND = "sound"
    BEHIND = "behind"  # the log is shorter than what was witnessed
    FORKED = "forked"  # long enough, but with another history
    MISSING = "missing"  # a witness was there once and is gone
    UNREADABLE = "unreadable"  # changed, or signed by another key


@dataclass(frozen=True)
class Comparison:
    """The log's head beside the witnessed one; sizes in leaves, roots in hexadecimal."""

    standing: Standing
    size: int
    root: str
    witnessed_size: int | None
    witnessed_root: str


def origin() -> str:
    """Return the name under which this node signs its log."""
    return f"{settings.NODE_NAME}/audit"


def public_key() -> str:
    """Return the log's public key in the form `name+key id+key`."""
    return notes.verifier_key(origin(), keys.log_key().public_key())


def head() -> Checkpoint:
    """Return the log's size and root now."""
    row = AuditHead.objects.filter(pk=1).first()
    return Checkpoint(origin(), row.size, bytes(row.root)) if row else Checkpoint(origin(), 0, EMPTY)


def current() -> str:
    """Return the signed checkpoint of the log as it is now."""
    return notes.sign(head(), keys.log_key())


def compare() -> Comparison:
    """Compare the log with its witness."""
    # The file first: a witness that moves on between the two reads must not make a sound log look behind.
    note = _read()
    row = AuditHead.objects.filter(pk=1).first() or AuditHead(root=EMPTY)
    root = bytes(row.root)

    def verdict(standing: Standing, seen: Checkpoint | None = None) -> Comparison:
        return Comparison(
            standing, row.size, root.hex(), seen.size if seen else None, seen.root.hex() if seen else ""
        )

    if note is None:
        return verdict(Standing.MISSING if row.witnessed else Standing.SOUND)
    try:
        seen = notes.read(note, keys.log_key().public_key())
    except NoteInvalid:
        return verdict(Standing.UNREADABLE)
    if seen.origin != origin():
        return verdict(Standing.UNREADABLE)
    if seen.size > row.size:
        return verdict(Standing.BEHIND, seen)
    known = root if seen.size == row.size else proofs.root(seen.size)
    return verdict(Standing.SOUND if known == seen.root else Standing.FORKED, seen)


@dataclass(frozen=True)
class Witness:
    """The anti-rollback checkpoint: where it is kept, when it was last moved on, and how the log stands to it."""

    place: str
    written_at: datetime | None
    comparison: Comparison

    @property
    def behind_by(self) -> int | None:
        """How many events came after it; None where there is no witness to compare with."""
        seen = self.comparison.witnessed_size
        return None if seen is None else max(0, self.comparison.size - seen)


def witness_status() -> Witness:
    """Return what an auditor asks of the witness first."""
    path = _path()
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        written = None
    return Witness(str(path), written, compare())


def is_behind() -> bool:
    """Say whether the log does not lead to what was witnessed, for whatever reason."""
    return compare().standing != Standing.SOUND


def require_not_behind() -> None:
    """Raise IllegalMove "ledger_behind_witness" unless the log leads to what was witnessed."""
    if is_behind():
        raise IllegalMove(
            "This node's records do not lead to the checkpoint that was last witnessed, as after restoring a "
            "backup. Nothing is spent until two people have reconciled them.",
            code="ledger_behind_witness",
        )


def witness() -> Checkpoint:
    """Put the log's checkpoint on disk outside the database, before anything that rests on it leaves.

    Call it outside any transaction: only what is durable may be witnessed. Returns what is witnessed now;
    raises IllegalMove "ledger_behind_witness" and writes nothing when the log does not lead to the old one.
    """
    with transaction.atomic(durable=True):  # refuses to run inside another transaction
        row = AuditHead.objects.filter(pk=1).first()
    with _locked():
        require_not_behind()
        latest = head()
        _write(notes.sign(latest, keys.log_key()))
    if row and not row.witnessed:
        # The file first: a mark in the database without its file would look like a stolen witness.
        AuditHead.objects.filter(pk=1, witnessed=0).update(witnessed=latest.size)
    return latest


def reconcile(*, by: models.Model, confirmed_by: models.Model, reason: str) -> int:
    """Accept the log as it stands after a restore, as two people, and witness it; return the event's index.

    The event is appended and keeps both heads for ever; the old witness file is kept beside the new one.
    """
    if by.pk == confirmed_by.pk:
        raise IllegalMove("Reconciling takes two people.", code="two_people")
    if not reason.strip():
        raise InvalidInput("Say why the records differ: the event keeps your reason.", code="reason_missing")
    found = compare()
    if found.standing == Standing.SOUND:
        raise IllegalMove("The log and its witness agree; there is nothing to reconcile.")
    with transaction.atomic():
        index = record(
            Event.LOG_RECONCILED,
            by=by,
            on=f"log:{origin()}",
            confirmed_by=str(confirmed_by.pk),
            reason=reason.strip(),
            standing=found.standing.value,
            size=found.size,
            root=found.root,
            witnessed_size=found.witnessed_size,
            witnessed_root=found.witnessed_root,
        )
        transaction.on_commit(lambda: _replace(index))
    return index


def _replace(index: int) -> None:
    """Keep the old witness under the reconciliation's index and write the new one."""
    with _locked():
        path = _path()
        if path.exists():
            os.replace(path, path.with_name(f"{_FILE}.before-{index}"))
        _write(notes.sign(head(), keys.log_key()))


def _path() -> Path:
    return Path(settings.WITNESS_DIR) / _FILE


def _read() -> str | None:
    try:
        return _path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _write(note: str) -> None:
    """Replace the witness in one step, with file and folder on disk when this returns."""
    path = _path()
    scratch = path.with_name(f".{_FILE}.new")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    keys.sync_folder(path.parent)


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the witness folder, so that of several workers none puts an older checkpoint over a newer one."""
    folder = _path().parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
