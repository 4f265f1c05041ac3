"""Finding events: filters that indexes answer, pages by key, and free text over a bounded stretch at a time.

Whoever calls this has asked for the permission already: the log knows no people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Func, Q, QuerySet, TextField
from django.db.models.lookups import IContains

from domains.audit import proofs
from domains.audit.models import AuditEvent

PAGE = 50
STRETCH = 20_000  # events that one page of a search by text looks through


class BodyText(Func):
    """An event's exact bytes as text, which they are: UTF-8 JSON."""

    output_field = TextField()
    template = "CAST(%(expressions)s AS TEXT)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="convert_from(%(expressions)s, 'UTF8')", **context)


@dataclass(frozen=True)
class Filters:
    """Which events; each filter that is given must match. `about` selects the keys of subjects."""

    event: str = ""  # a name, or a prefix that ends in a dot
    actors: Collection[str] | None = None
    subject_type: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    about: Any = None


@dataclass(frozen=True)
class Slice:
    """One page, newest first, and where the pages beside it begin; None where there is none."""

    rows: list[AuditEvent]
    older: int | None  # shown by asking for what is before this index
    newer: int | None  # … and after this one
    searched_to: int | None = None  # the oldest event that a search by text has looked at


def matching(filters: Filters) -> QuerySet[AuditEvent]:
    """Return the events that match every filter, newest first."""
    rows = AuditEvent.objects.order_by("-index")
    if filters.event.endswith("."):
        # A range, which the index serves whatever the collation; "/" is the character after ".".
        rows = rows.filter(event__gte=filters.event, event__lt=filters.event[:-1] + "/")
    elif filters.event:
        rows = rows.filter(event=filters.event)
    if filters.actors is not None:
        rows = rows.filter(actor__in=list(filters.actors))
    if filters.about is not None:
        rows = rows.filter(subject__in=filters.about)
    exact = {
        "subject_type": filters.subject_type,
        "subject": filters.subject,
        "at__gte": filters.since,
        "at__lt": filters.until,
    }
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    return rows.filter(_words(filters.text)) if filters.text.split() else rows


def _words(text: str) -> Q:
    """Ask for every word of `text`, in either case, anywhere in an event's bytes."""
    found = Q()
    for word in text.split()[:8]:
        found &= Q(IContains(BodyText("body"), word))
    return found


def page(filters: Filters, *, before: int | None = None, after: int | None = None) -> Slice:
    """Return the newest matching events before an index, or the oldest after one, in at most three queries."""
    end = proofs.length()
    if filters.text.split():
        if after is not None:
            before = after + 1 + STRETCH
        return _stretch(filters, end if before is None else min(before, end), end)
    rows = matching(filters)
    if after is not None:
        found = list(rows.filter(index__gt=after).order_by("index")[: PAGE + 1])
        more, found = len(found) > PAGE, found[:PAGE][::-1]
        return Slice(found, found[-1].index if found else after + 1, found[0].index if more else None)
    if before is not None:
        rows = rows.filter(index__lt=before)
    found = list(rows[: PAGE + 1])
    more, found = len(found) > PAGE, found[:PAGE]
    newer = None if before is None or before >= end else before - 1
    return Slice(found, found[-1].index if more else None, newer)


def _stretch(filters: Filters, before: int, end: int) -> Slice:
    """Look through one stretch for words: no index holds them, so no page may look through everything."""
    low = max(0, before - STRETCH)
    rows = matching(filters).filter(index__lt=before, index__gte=low)
    found = list(rows[: PAGE + 1])
    more, found = len(found) > PAGE, found[:PAGE]
    reached = found[-1].index if more else low
    newer = before - 1 if before < end else None
    return Slice(found, reached or None, newer, reached)


def exported(filters: Filters, size: int) -> Iterator[AuditEvent]:
    """Yield the matching events of the first `size`, oldest first, a few thousand in memory at a time."""
    rows = matching(filters).filter(index__lt=size).order_by("index")
    return rows.iterator(chunk_size=2000)
