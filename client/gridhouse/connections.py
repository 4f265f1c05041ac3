"""Connections to databases in which data stay, for those who manage them. A password is never sent from here."""

from __future__ import annotations

import time

from gridhouse.errors import InvalidInput, WaitTimedOut
from gridhouse.session import Session
from gridhouse.values import Json


class Connection:
    """Where a database is, and as which role this node reads it."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self.data = data
        self.name: str = data["name"]

    def __repr__(self) -> str:
        where = f"{self.data['host']}:{self.data['port']}/{self.data['database']}"
        return f"<Connection {self.name}: {self.data['engine']} at {where}>"

    def test(self, *, timeout: float = 120.0) -> Json:
        """Ask a worker to reach the database, and wait; return what the role may read there.

        Raises InvalidInput with the reason where the database cannot be used.
        """
        path = f"connections/{self.name}/tests/"
        return tested(self._session, path, self._session.post(path), timeout)

    def tests(self) -> list[Json]:
        """Return its newest tests, the last one first."""
        found: list[Json] = self._session.get(f"connections/{self.name}/tests/")
        return found


def tested(session: Session, path: str, check: Json, timeout: float) -> Json:
    """Wait for one of the tests that `path` lists; return its findings, or raise InvalidInput with its reason."""
    end = time.monotonic() + timeout
    while check["status"] == "waiting":
        if time.monotonic() > end:
            raise WaitTimedOut("The worker has not finished with the test yet.")
        time.sleep(0.2)
        check = next(row for row in session.get(path) if row["id"] == check["id"])
    if check["status"] != "passed":
        code, why = check["status_code"], check["reason"]
        raise InvalidInput(f"The database cannot be used. {why}", code=code, fields=check["findings"])
    findings: Json = check["findings"]
    return findings
