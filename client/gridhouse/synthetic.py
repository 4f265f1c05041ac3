"""Synthetic mocks: differentially private rows that a dataset's owners pay for, once, for everybody."""

from __future__ import annotations

import time

from gridhouse.errors import IllegalMove, WaitTimedOut
from gridhouse.session import Session
from gridhouse.values import Json

_WORKING = {"confirmed", "measured"}


class SyntheticMock:
    """One synthetic mock: proposed by an owner, confirmed by another person, then published by the node."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self._read(data)

    def _read(self, data: Json) -> SyntheticMock:
        self.data = data
        self.id: str = data["id"]
        self.dataset: str = data["dataset"]
        self.status: str = data["status"]
        self.label: str = data["label"]
        self.epsilon: str = data["epsilon"]
        return self

    def __repr__(self) -> str:
        return f"<SyntheticMock of {self.dataset}: {self.label}, {self.status}>"

    @property
    def _place(self) -> str:
        return f"datasets/{self.dataset}/synthetic/{self.id}/"

    def refresh(self) -> SyntheticMock:
        """Read it again."""
        return self._read(self._session.get(self._place))

    def confirm(self) -> SyntheticMock:
        """Confirm it as the second person: its loss is reserved on the dataset's budget and its population's."""
        return self._read(self._session.post(f"{self._place}confirm/"))

    def decline(self, reason: str) -> SyntheticMock:
        """Turn it down as the second person, and say why."""
        return self._read(self._session.post(f"{self._place}decline/", {"reason": reason}))

    def withdraw(self) -> SyntheticMock:
        """Take one's own proposal back before anybody decided."""
        return self._read(self._session.post(f"{self._place}withdraw/"))

    def retract(self, reason: str) -> SyntheticMock:
        """Stop serving its rows, and say why; what they cost stays spent."""
        return self._read(self._session.post(f"{self._place}retract/", {"reason": reason}))

    def wait(self, timeout: float = 600.0) -> SyntheticMock:
        """Wait until it is published; raise IllegalMove where no rows will come of it."""
        end = time.monotonic() + timeout
        while self.refresh().status in _WORKING:
            if time.monotonic() > end:
                raise WaitTimedOut("The worker has not made these rows yet.")
            time.sleep(0.2)
        if self.status != "published":
            raise IllegalMove(f"These rows are not published: {self.status}.", code=self.data["status_code"])
        return self

    def closeness(self) -> dict[str, float]:
        """Return how far the rows are from each released table and column, by noisy values alone: 0 to 1."""
        report = self.data["report"] or {}
        return {each["name"]: each["distance"] for each in report.get("closeness", [])}

    def to_csv(self) -> bytes:
        """Return its rows as CSV."""
        return self._session.content(f"{self._place}rows/csv/")

    def to_parquet(self) -> bytes:
        """Return its rows as Parquet."""
        return self._session.content(f"{self._place}rows/parquet/")
