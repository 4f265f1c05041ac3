"""Agreements: what must be accepted before data is used."""

from __future__ import annotations

import hashlib

from gridhouse.errors import NotProven
from gridhouse.session import Session
from gridhouse.values import Json


class Agreement:
    """A text that waits for you, or that you accepted; `text` is of the version in force."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self._read(data)

    def _read(self, data: Json) -> Agreement:
        self.data = data
        self.id: str = data["id"]
        self.title: str = data["title"]
        self.is_due: bool = data["is_due"]
        return self

    def __repr__(self) -> str:
        state = "waits for you" if self.is_due else "nothing to do"
        return f"<Agreement {self.id}: {self.title}, {state}>"

    @property
    def text(self) -> str:
        """The text that is to be accepted, read once."""
        return str(self._whole()["text"])

    @property
    def sha256(self) -> str:
        """The hash of that text's exact bytes, as the node states it; compared with the text itself."""
        whole = self._whole()
        stated = next(str(v["sha256"]) for v in whole["versions"] if v["number"] == whole["version"])
        if hashlib.sha256(self.text.encode()).hexdigest() != stated:
            raise NotProven("The text that the node sent does not have the hash that it states.")
        return stated

    def accept(self) -> Agreement:
        """Accept exactly the text that `text` shows; the node records who, which bytes and when."""
        body = {"version": self._whole()["version"], "sha256": self.sha256}
        return self._read(self._session.post(f"agreements/{self.id}/accept/", body))

    def _whole(self) -> Json:
        if "text" not in self.data:
            self._read(self._session.get(f"agreements/{self.id}/"))
        return self.data
