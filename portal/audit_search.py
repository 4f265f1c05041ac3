"""What an auditor typed into the filters, read leniently: a filter that cannot be read is said, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from domains.audit.events import Event
from domains.audit.search import Filters
from domains.catalog import queries as catalog
from domains.errors import NotFound
from domains.evidence import subjects
from domains.people import queries as people
from domains.people.models import User
from domains.projects import queries as projects

NAMES = ("event", "actor", "subject_type", "subject", "project", "dataset", "since", "until", "text")
MOST_PEOPLE = 50  # whom one word in the actor's field may mean
FAMILIES = sorted({value.partition(".")[0] for value in Event.values})


class Chosen:
    """The filters as typed, as the log understands them, and what could not be understood."""

    def __init__(self, given: QueryDict, user: User) -> None:
        self.typed = {name: given.get(name, "").strip()[:200] for name in NAMES}
        self.problems: list[str] = []
        self._user = user
        self.filters = self._read()

    @property
    def query(self) -> str:
        """The filters as an address has them, for links to other pages and to the export."""
        return urlencode({name: value for name, value in self.typed.items() if value})

    @property
    def is_narrow(self) -> bool:
        return any(self.typed.values())

    def _read(self) -> Filters:
        typed = self.typed
        about: Any = None
        if typed["project"]:
            about = self._about("project", _of_project)
        elif typed["dataset"]:
            about = self._about("dataset", _of_dataset)
        if typed["project"] and typed["dataset"]:
            self.problems.append("Choose a project or a dataset, not both; the project was used.")
        return Filters(
            event=typed["event"],
            actors=self._actors(),
            subject_type=typed["subject_type"],
            subject=typed["subject"],
            since=self._moment("since"),
            until=self._moment("until"),
            text=typed["text"],
            about=about,
        )

    def _about(self, name: str, find: Any) -> Any:
        try:
            return find(self.typed[name], self._user)
        except NotFound:
            self.problems.append(f"There is no {name} “{self.typed[name]}”.")
            return []

    def _actors(self) -> list[str] | None:
        """Read a key, an automaton's name, or a part of people's names or e-mail addresses."""
        typed = self.typed["actor"]
        if not typed:
            return None
        keys = people.rows(self._user, typed).values_list("pk", flat=True)[:MOST_PEOPLE]
        return [typed, *keys]

    def _moment(self, name: str) -> datetime | None:
        """Read a day or a time in UTC; “until” a day means to its end."""
        typed = self.typed[name]
        try:
            day, moment = parse_date(typed), parse_datetime(typed)
        except ValueError:
            day = moment = None
        if day is not None and len(typed) == 10:
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return start + timedelta(days=1) if name == "until" else start
        if moment is not None:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if typed:
            self.problems.append(f"“{typed}” is no day; write it as 2026-03-31. It was not used.")
        return None


def _of_project(key: str, user: User) -> Any:
    return subjects.of_project(projects.project(key, user))


def _of_dataset(slug: str, user: User) -> Any:
    return subjects.of_dataset(catalog.dataset(slug, user))
