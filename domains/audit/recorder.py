"""Writes what happened, in the transaction of the change that made it happen."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.models import AuditEvent, AuditHead, AuditNode
from domains.audit.tree import EMPTY, Frontier, leaf_hash

_HEAD_LOCK = 0x6772_6964_6C6F_6701  # "gridlog", the advisory lock of the one head


def record(
    event: Event,
    *,
    by: models.Model | str,
    on: models.Model | str,
    at: datetime | None = None,
    **details: Any,
) -> int:
    """Append one leaf to the log and return its index; public values only, see `commitment` for the rest.

    Must run inside the transaction of the change it records. It takes the log's head, which everyone who
    records waits for: update or lock every other row **before** the first call (DECISIONS 14).
    `by` is a person or the name of an automaton ("system", "policy:…:v3"); `on` an object or "kind:key".
    """
    connection = transaction.get_connection()
    if not connection.in_atomic_block:
        raise RuntimeError("record() belongs inside the transaction of the change that it records")
    head = _take_head(connection)
    kind, key = _subject(on)
    moment = at or timezone.now()
    actor = str(by.pk) if isinstance(by, models.Model) else by
    body = canonical(
        {
            "actor": actor,
            "at": moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "details": details,
            "event": str(event.value),
            "index": head.size,
            "subject": key,
            "subject_type": kind,
            "v": 1,
        }
    )
    row = AuditEvent(
        index=head.size, event=event.value, at=moment, actor=actor, subject_type=kind, subject=key, body=body
    )
    _append(head, row)
    return row.index


def _take_head(connection: Any) -> AuditHead:
    """Return the head, held until this transaction ends; SQLite holds its one write lock already."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_HEAD_LOCK])
    head = AuditHead.objects.filter(pk=1).first()
    return head or AuditHead.objects.create(pk=1, root=EMPTY)


def _append(head: AuditHead, row: AuditEvent) -> None:
    row.leaf = leaf_hash(bytes(row.body))
    frontier, completed = Frontier.from_bytes(head.size, bytes(head.frontier)).append(bytes(row.leaf))
    row.save(force_insert=True)
    AuditNode.objects.bulk_create(
        AuditNode(level=level, position=position, hash=hash_) for (level, position), hash_ in completed
    )
    moved = AuditHead.objects.filter(pk=1, size=head.size).update(
        size=frontier.size, frontier=frontier.to_bytes(), root=frontier.root()
    )
    if moved != 1:
        raise RuntimeError("the log's head moved while it was held")


def _subject(on: models.Model | str) -> tuple[str, str]:
    if isinstance(on, models.Model):
        return str(on._meta.model_name), str(on.pk)
    kind, _, key = on.partition(":")
    return kind, key


def canonical(value: dict[str, Any]) -> bytes:
    """Return the one JSON spelling of a value: sorted keys, no spaces, UTF-8, no floating-point numbers."""
    _refuse_floats(value)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("audit details hold integers and text; a float has no one spelling")
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    ):
        _refuse_floats(part)


def commitment(text: str, salt: str) -> str:
    """Return a salted SHA-256 of a sensitive detail: erase text and salt, and the leaf says nothing of them.

    `salt` is at least 16 random characters, kept beside the text.
    """
    if len(salt) < 16:
        raise ValueError("a commitment needs a salt of at least 16 characters")
    return hashlib.sha256(f"{salt}\x00{text}".encode()).hexdigest()
