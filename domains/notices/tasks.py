"""What waits for a person: a registry to which each app adds its kinds of work, derived and never stored.

A kind of work is one `Work` entry, registered in its app's `ready()`: a query of the rows that wait for a person,
and one line of words about each. Whatever the number of kinds, counting costs one query; listing costs one more for
each kind (and what its rows prefetch) of which anything waits.
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
    those; where it reads the clock, `is_timed` says so. `what` may depend on the row. `is_own` is work on what is
    one's own, which comes after decisions about others'. `covers` names
    the states (`app.Model.status`) whose turn this work answers: a house test finds those that nothing does.
    """

    kind: str
    what: str | Callable[[Any], str]
    rows: Callable[[Any], QuerySet[Any]]
    line: Callable[[Any], Line]
    is_own: bool = False
    is_timed: bool = False
    covers: frozenset[str] = frozenset()


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
_written: dict[
    tuple[Any, ...], Part | None
] = {}  # by kind of work and kind of person: each part is written once
_ANYBODY = "0" * 25 + "?"  # stands in a written part where the person's own key belongs


def register(*works: Work) -> None:
    """Add kinds of work; registering one again replaces it."""
    _registry.update({work.kind: work for work in works})


def registered() -> tuple[Work, ...]:
    """Return all kinds of work that installed apps know."""
    return tuple(_registry.values())


def tasks(user: Any, kind: str = "") -> list[Task]:
    """Return what waits for `user`, decisions about others' work first, then the longest waiting first."""
    waiting = _kinds(user)
    found = [
        _task(work, row)
        for work in _registry.values()
        if work.kind in waiting and kind in ("", work.kind)
        for row in work.rows(user)[:MOST_OF_A_KIND]
    ]
    return sorted(found, key=lambda task: (task.is_own, task.since or _EARLIEST))


def _task(work: Work, row: Any) -> Task:
    line = work.line(row)
    what = work.what if isinstance(work.what, str) else work.what(row)
    return Task(work.kind, what, line.title, line.about, line.path, line.since, work.is_own)


def count(user: Any) -> int:
    """Return how much waits for `user`, in one query whatever the number of kinds.

    Every page's menu asks this, and writing a dozen queries takes ten times as long as running them as one.
    """
    parts = _parts(user)
    if not parts:
        return 0
    together = " UNION ALL ".join(text for text, _ in parts.values())
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM ({together}) AS work",  # noqa: S608 - Django wrote each part
            [value for _, values in parts.values() for value in values],
        )
        return int(cursor.fetchone()[0])


def _kinds(user: Any) -> frozenset[str]:
    """Return the kinds of work of which anything waits for `user`, in one query likewise."""
    parts = _parts(user)
    if not parts:
        return frozenset()
    text = "SELECT CAST(%s AS varchar(60)) WHERE EXISTS ({})"
    with connections["default"].cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(text.format(part) for part, _ in parts.values()),
            [value for kind, (_, values) in parts.items() for value in (kind, *values)],
        )
        return frozenset(kind for (kind,) in cursor.fetchall())


def _parts(user: Any) -> dict[str, Part]:
    """Return the query of the keys of each kind of work that there can be for `user`."""
    return {work.kind: part for work in _registry.values() if (part := part_of(work, user)) is not None}


def part_of(work: Work, user: Any) -> Part | None:
    """Return the query of the keys that `work` finds for `user`; None where there can be none."""
    if work.is_timed:
        return _write(work, user)
    kind_of_person = (frozenset(user.node_roles), user.is_active, user.token_scopes)
    key = (work, connections["default"].vendor, *kind_of_person)
    if key not in _written:
        anybody = copy.copy(user)
        anybody.pk = _ANYBODY
        _written[key] = _write(work, anybody)
    part = _written[key]
    return part and (part[0], tuple(user.pk if value == _ANYBODY else value for value in part[1]))


def _write(work: Work, user: Any) -> Part | None:
    """Write the query of only the keys, as text, so that rows of different tables can be counted together."""
    bare = work.rows(user).order_by().select_related(None)
    keys = bare.annotate(task_key=Cast("pk", CharField(max_length=40))).values_list("task_key")
    try:
        text, values = keys.query.get_compiler("default").as_sql()
    except EmptyResultSet:
        return None
    return text, tuple(values)


def states_covered(works: Iterable[Work] | None = None) -> frozenset[str]:
    """Return the states whose turn some kind of work answers."""
    return frozenset().union(*(work.covers for work in (registered() if works is None else works)))
