"""Reading the log. Whoever calls this has asked for the permission already: the log knows no people."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from domains.audit import checkpoints
from domains.audit.models import AuditEvent
from domains.errors import NotFound


def events(
    *,
    event: str = "",
    actor: str = "",
    subject_type: str = "",
    subject: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """Return events, newest first, that match every filter; `event` may be a prefix such as "charge."."""
    found = AuditEvent.objects.order_by("-index")
    if event:
        found = found.filter(event__startswith=event) if event.endswith(".") else found.filter(event=event)
    exact = {
        "actor": actor,
        "subject_type": subject_type,
        "subject": subject,
        "at__gte": since,
        "at__lt": until,
    }
    return found.filter(**{name: value for name, value in exact.items() if value})


def one(index: int) -> AuditEvent:
    """Return one event; raise NotFound beyond the log's end."""
    row = AuditEvent.objects.filter(pk=index).first()
    if row is None:
        raise NotFound("The log has no such leaf.")
    return row


def body(row: AuditEvent) -> dict[str, Any]:
    """Return an event's canonical bytes as a value, with its `details`."""
    value: dict[str, Any] = json.loads(bytes(row.body))
    return value


def bodies(*prefixes: str) -> Iterator[dict[str, Any]]:
    """Yield what the events with these prefixes say, oldest first, a few thousand in memory at a time."""
    wanted = Q()
    for prefix in prefixes:
        wanted |= Q(event__startswith=prefix)
    rows = AuditEvent.objects.filter(wanted).order_by("index").values_list("body", flat=True)
    for row in rows.iterator(chunk_size=2000):
        yield json.loads(bytes(row))


def export_lines() -> Iterator[str]:
    """Yield the whole log, one JSON object a line: {"index": …, "leaf": base64 of the exact bytes}.

    The length is fixed when reading starts, so an export can be checked against a checkpoint made before it.
    """
    size = checkpoints.head().size
    rows = AuditEvent.objects.filter(index__lt=size).order_by("index").values_list("index", "body")
    for index, leaf in rows.iterator(chunk_size=2000):
        yield json.dumps({"index": index, "leaf": base64.b64encode(bytes(leaf)).decode()}) + "\n"
