"""What waits for you, and what you were told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gridhouse.session import Session
from gridhouse.values import Json


class Inbox:
    """Your inbox on one node: tasks first, then notices."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<Inbox on {self._session.url}>"

    def tasks(self, kind: str = "") -> list[Json]:
        """Return what waits for you now; each has `what`, `title`, `path` and `since`."""
        found: list[Json] = self._session.get("tasks/", kind=kind)
        return found

    def notices(self, search: str = "", *, unread: bool = False, kind: str = "") -> Iterator[Json]:
        """Yield what you were told, newest first."""
        filters = {"search": search, "kind": kind} | ({"unread": "true"} if unread else {})
        return self._session.pages("notices/", **filters)

    def mark_read(self, ids: Sequence[str] | None = None) -> int:
        """Mark notices as read, all without `ids`; return how many changed."""
        answer = self._session.post("notices/read/", {} if ids is None else {"notices": list(ids)})
        return int(answer["read"])

    def mark_unread(self, ids: Sequence[str]) -> int:
        """Mark notices as not read, to come back to them; return how many changed."""
        return int(self._session.post("notices/unread/", {"notices": list(ids)})["unread"])
