"""What nobody can move on: a registry to which each app adds its kinds of trouble, derived and never stored.

A kind of trouble is one `Trouble` entry, registered in its app's `ready()`. It is shown to whoever runs the node, so
its words hold nothing that they may not read: no request's title or text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from domains.notices.tasks import Line

MOST_OF_A_KIND = 25


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble: what is wrong, what to do about it, and the rows that have it at a moment, oldest first."""

    kind: str
    what: str
    remedy: str
    rows: Callable[[datetime], QuerySet[Any]]
    line: Callable[[Any], Line]


@dataclass(frozen=True)
class Group:
    """One kind of trouble as it stands: how many rows have it, and the first of them."""

    kind: str
    what: str
    remedy: str
    number: int
    lines: tuple[Line, ...]


_registry: dict[str, Trouble] = {}


def register(*troubles: Trouble) -> None:
    """Add kinds of trouble; registering one again replaces it."""
    _registry.update({trouble.kind: trouble for trouble in troubles})


def registered() -> tuple[Trouble, ...]:
    """Return all kinds of trouble that installed apps know."""
    return tuple(_registry.values())


def groups(now: datetime) -> list[Group]:
    """Return every kind of trouble that there is now, with its first rows; two queries for each kind at most."""
    return [group for trouble in _registry.values() if (group := _group(trouble, now)).number]


def counts(now: datetime) -> dict[str, int]:
    """Return how many rows have each kind of trouble, zeros included; one query for each kind."""
    return {kind: trouble.rows(now).count() for kind, trouble in _registry.items()}


def _group(trouble: Trouble, now: datetime) -> Group:
    rows = trouble.rows(now)
    number = rows.count()
    lines = tuple(trouble.line(row) for row in rows[:MOST_OF_A_KIND]) if number else ()
    return Group(trouble.kind, trouble.what, trouble.remedy, number, lines)
