"""What waits for a person: a registry to which each app adds its kinds of work, derived and never stored.

A kind of work is one `Work` entry, registered in its app's `ready()`: a query of the rows that wait for a person,
and one line of words about each. Whatever the number of kinds, counting costs one query, listing one (and
what its rows prefetch) for each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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

    `rows` returns what waits for a person now, by the same permissions that the action asks; `what` may depend
    on the row. `is_own` is work on what is one's own, which comes after decisions about others'. `covers` names
    the states (`app.Model.status`) whose turn this work answers: a house test finds those that nothing does.
    """

    kind: str
    what: str | Callable[[Any], str]
    rows: Callable[[Any], QuerySet[Any]]
    line: Callable[[Any], Line]
    is_own: bool = False
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


def register(*works: Work) -> None:
    """Add kinds of work; registering one again replaces it."""
    _registry.update({work.kind: work for work in works})


def registered() -> tuple[Work, ...]:
    """Return all kinds of work that installed apps know."""
    return tuple(_registry.values())


def tasks(user: Any, kind: str = "") -> list[Task]:
    """Return what waits for `user`, decisions about others' work first, then the longest waiting first."""
    found = [
        _task(work, row)
        for work in _registry.values()
        if kind in ("", work.kind)
        for row in work.rows(user)[:MOST_OF_A_KIND]
    ]
    return sorted(found, key=lambda task: (task.is_own, task.since or _EARLIEST))


def _task(work: Work, row: Any) -> Task:
    line = work.line(row)
    what = work.what if isinstance(work.what, str) else work.what(row)
    return Task(work.kind, what, line.title, line.about, line.path, line.since, work.is_own)


def count(user: Any) -> int:
    """Return how much waits for `user`, in one query whatever the number of kinds."""
    keys = [_keys(work.rows(user)) for work in _registry.values()]
    return _together(keys).count() if keys else 0


def _together(keys: list[QuerySet[Any]]) -> QuerySet[Any]:
    return keys[0].union(*keys[1:], all=True)


def _keys(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return only the keys of `rows`, as text, so that rows of different tables can be counted together."""
    bare = rows.order_by().select_related(None)
    return bare.annotate(task_key=Cast("pk", CharField(max_length=40))).values_list("task_key")


def states_covered(works: Iterable[Work] | None = None) -> frozenset[str]:
    """Return the states whose turn some kind of work answers."""
    return frozenset().union(*(work.covers for work in (registered() if works is None else works)))
