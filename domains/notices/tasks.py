"""What waits for a person: a registry to which each app adds its kinds of work, derived and never stored.

A kind of work is one `Work` entry, registered in its app's `ready()`: a query of the rows that wait for a person,
and one line of words about each. Whatever the number of kinds, counting costs one query; listing costs one more (and
what its rows prefetch) for each kind of which anything waits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

MOST_OF_A_KIND = 25
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """The words about one row: what it is called, what else to know, where to act, since when it waits."""

    title: str
    about: str
    path: str
    since: datetime | None


@dataclass(frozen=True)
class Work:
    """A kind of work. `kind` never changes once used; `what` is what the person is asked to do.

    `rows` returns what waits for a person now, by the same permissions that the action asks, and runs no query of
    its own. Of the person it reads key, roles and scopes alone, for its text is written once for all who share
    those; it reads no clock, but is given the time where `is_timed` says that it takes one. `what` may depend on the
    row. `is_own` is work on what is one's own, which comes after decisions about others'. `covers` names
    the states (`app.Model.status`) whose turn this work answers: a house test finds those that nothing does.
    """

    kind: str
    what: str | Callable[[Any], str]
    rows: Callable[..., QuerySet[Any]]
    line: Callable[[Any], Line]
    is_own: bool = False
    is_timed: bool = False
    covers: frozenset[str] = frozenset()

    def waiting(self, user: Any, now: datetime) -> QuerySet[Any]:
        """Return what of this kind waits for `user` at `now`."""
        return self.rows(user, now) if self.is_timed else self.rows(user)


@dataclass(frozen=True)
class Task:
    """One thing that waits for a person."""

    kind: str
    what: str
    title: str
    about: str
    path: str
    since: datetime | None
    is_own: bool


_registry: dict[str, Work] = {}

Part = tuple[str, tuple[Any, ...]]  # a query of keys as text, with its parameters
# By kind of work and kind of person: each part is written once, for anybody at any time.
_written: dict[tuple[Any, ...], Part | None] = {}
_ANYBODY = "0" * 25 + "?"  # stands in a written part where the person's own key belongs
_EVER = datetime(9999, 1, 2, 3, 4, 5, 678, tzinfo=UTC)  # and this where the time of asking does


def register(*works: Work) -> None:
    """Add kinds of work; registering one again replaces it."""
    _registry.update({work.kind: work for work in works})


def registered() -> tuple[Work, ...]:
    """Return all kinds of work that installed apps know."""
    return tuple(_registry.values())


def tasks(user: Any, kind: str = "") -> list[Task]:
    """Return what waits for `user`, decisions about others' work first, then the longest waiting first."""
    waiting, now = counts(user), timezone.now()
    found = [
        _task(work, row)
        for work in _registry.values()
        if work.kind in waiting and kind in ("", work.kind)
        for row in work.waiting(user, now)[:MOST_OF_A_KIND]
    ]
    return sorted(found, key=lambda task: (task.is_own, task.since or _EARLIEST))


def _task(work: Work, row: Any) -> Task:
    line = work.line(row)
    what = work.what if isinstance(work.what, str) else work.what(row)
    return Task(work.kind, what, line.title, line.about, line.path, line.since, work.is_own)


def counts(user: Any) -> dict[str, int]:
    """Return how much waits for `user` of each kind of which anything does, in one query whatever the number of kinds.

    Every page's menu asks this, and writing a dozen queries takes ten times as long as running them as one.
    """
    now = timezone.now()
    parts = {work.kind: part for work in _registry.values() if (part := part_of(work, user, now)) is not None}
    if not parts:
        return {}
    count = "SELECT CAST(%s AS varchar(60)), COUNT(*) FROM ({}) AS work"
    with connections["default"].cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(count.format(text) for text, _ in parts.values()),
            [value for kind, (_, values) in parts.items() for value in (kind, *values)],
        )
        return {kind: number for kind, number in cursor.fetchall() if number}


def part_of(work: Work, user: Any, now: datetime) -> Part | None:
    """Return the query of the keys that `work` finds for `user` at `now`; None where there can be none."""
    connection = connections["default"]
    key = (work, connection.vendor, frozenset(user.node_roles), user.is_active, user.token_scopes)
    if key not in _written:
        anybody = copy.copy(user)
        anybody.pk = _ANYBODY
        _written[key] = _write(work.waiting(anybody, _EVER))
    part = _written[key]
    as_value = connection.ops.adapt_datetimefield_value
    own = {_ANYBODY: user.pk, as_value(_EVER): as_value(now)}
    return part and (part[0], tuple(own.get(value, value) for value in part[1]))


def _write(rows: QuerySet[Any]) -> Part | None:
    """Write the query of only the keys, as text, so that rows of different tables can be counted together."""
    bare = rows.order_by().select_related(None)
    keys = bare.annotate(task_key=Cast("pk", CharField(max_length=40))).values_list("task_key")
    try:
        text, values = keys.query.get_compiler("default").as_sql()
    except EmptyResultSet:
        return None
    return text, tuple(values)


def states_covered(works: Iterable[Work] | None = None) -> frozenset[str]:
    """Return the states whose turn some kind of work answers."""
    return frozenset().union(*(work.covers for work in (registered() if works is None else works)))
