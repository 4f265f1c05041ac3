"""A question on its way: priced, submitted, followed, answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gridhouse.errors import IllegalMove, InvalidInput, NoAnswer, QueryRejected, WaitTimedOut
from gridhouse.fitted import FittedModel
from gridhouse.progress import Bar
from gridhouse.results import Result
from gridhouse.session import Session
from gridhouse.values import Estimate, Json, Status, epsilon_text

_WITH_THE_AUTHOR = frozenset({"draft", "ready", "changes_requested"})


class Query:
    """One question under one grant. Nothing reaches the node before `estimate`, `check` or `submit`."""

    def __init__(
        self,
        session: Session,
        *,
        grant: str,
        sql: str,
        epsilon: float | str | Decimal,
        title: str = "",
        accounting: str = "zcdp",
        id: str = "",
    ) -> None:
        self._session = session
        self.grant = grant
        self.sql = sql
        self.epsilon = epsilon_text(epsilon)
        self.accounting = accounting
        self.title = title or " ".join(sql.split())[:160] or "Untitled"
        self.id = id
        self._is_written = bool(id)

    @classmethod
    def of(cls, session: Session, data: Json) -> Query:
        """Return the query that a request of the node's list is about; lists carry no text."""
        words = {name: str(data.get(name, "")) for name in ("sql", "epsilon")}
        words["accounting"] = str(data.get("accounting", "zcdp"))
        return cls(session, grant=data["grant"], title=data["title"], id=data["id"], **words)

    def __repr__(self) -> str:
        return f"<Query {self.id or 'not yet sent'}: {self.title}>"

    def estimate(
        self,
        *,
        epsilon: float | str | Decimal | None = None,
        error: float | str | Decimal | None = None,
        figure: str = "",
        rows: int | None = None,
    ) -> Estimate:
        """Return what it would cost and how exact it would be; nothing is stored or spent.

        It is priced at its own ε, at another `epsilon`, or at the least ε that keeps `figure`, or every figure,
        within ± `error` at 95 %. `rows` is how many rows you suppose a group has; means need it.
        """
        asked = {"grant": self.grant, "sql": self.sql, "accounting": self.accounting}
        body: Json = {**asked, "figure": figure, "rows": rows}
        if error is not None:
            body["error"] = epsilon_text(error)
        if epsilon is not None or error is None:
            body["epsilon"] = self.epsilon if epsilon is None else epsilon_text(epsilon)
        return Estimate.of(self._session.post("requests/estimate/", body))

    def edit(
        self,
        *,
        sql: str | None = None,
        epsilon: float | str | Decimal | None = None,
        title: str | None = None,
        accounting: str | None = None,
    ) -> Query:
        """Change what is written, also in answer to a reviewer; then submit it again."""
        self.sql = self.sql if sql is None else sql
        self.epsilon = self.epsilon if epsilon is None else epsilon_text(epsilon)
        self.title = self.title if title is None else title
        self.accounting = self.accounting if accounting is None else accounting
        self._is_written = False
        return self

    def check(self) -> Query:
        """Store it as a draft and have it checked; raise QueryRejected or InvalidInput with the remedy."""
        self._write()
        data = self._details()
        if data["status"] == "ready":
            return self
        found = self._session.post(f"requests/{self.id}/check/")
        for finding in found["findings"]:
            raise _refusal(finding)
        return self

    def _write(self) -> None:
        body = {
            "title": self.title,
            "sql": self.sql,
            "epsilon": self.epsilon,
            "accounting": self.accounting,
        }
        if not self.id:
            self.id = str(self._session.post("requests/", {"grant": self.grant, **body})["id"])
        elif not self._is_written:
            self._session.patch(f"requests/{self.id}/", body)
        self._is_written = True

    def submit(self) -> Query:
        """Check it and hand it to the data owner; policy may answer at once. Return the query itself."""
        self.check()
        revision = self._details()["revision"]
        self._session.post(f"requests/{self.id}/submit/", {"revision": revision})
        return self

    def run_on_mock(self, *, timeout: float = 60.0) -> Json:
        """Check it, run it on mock data and return that answer: free, and about nobody."""
        self.check()
        self._session.post(f"requests/{self.id}/mock-run/")
        found = _poll(lambda: self._session.get(f"requests/{self.id}/mock-result/"), _mock_ended, timeout)
        if found["mock_run"] != "finished":
            raise NoAnswer("The run on mock data did not finish.", code="mock_failed")
        answer: Json = found["answer"]
        return answer

    def details(self) -> Json:
        """Return all that the node shows of the request: revision, votes, thread, findings."""
        return self._details()

    def _details(self) -> Json:
        found: Json = self._session.get(f"requests/{self._sent()}/")
        return found

    def status(self) -> Status:
        """Return where it stands and why."""
        return Status.of(self._session.get(f"requests/{self._sent()}/progress/"))

    def wait(self, *, timeout: float | None = None, progress: bool | None = None) -> Query:
        """Wait until the answer is there; show a progress bar on a terminal, or where `progress` says so.

        Raise WaitTimedOut after `timeout` seconds, NoAnswer when it ended without one or waits for you.
        """
        bar = Bar(progress)
        try:
            status = _poll(self.status, lambda now: _shown(bar, now), timeout)
        finally:
            bar.close()
        if status.code == "released":
            return self
        raise NoAnswer(f"{status.label}: {status.why}", code=status.code)

    def result(self) -> Result:
        """Return the released answer; raise NotFound before it is there."""
        return Result(self._session, self._session.get(f"requests/{self._sent()}/result/"))

    def model(self) -> FittedModel:
        """Return the model fitted to a released workload: it answers other counts by its columns at no charge."""
        return FittedModel(self._session, self._sent(), self._session.get(f"requests/{self._sent()}/model/"))

    def withdraw(self) -> Query:
        """Take it back: before a decision, or after one as long as no private byte was read."""
        self._session.post(f"requests/{self._sent()}/withdraw/")
        return self

    def comment(self, text: str) -> Query:
        """Write into its thread."""
        self._session.post(f"requests/{self._sent()}/comments/", {"text": text})
        return self

    def _sent(self) -> str:
        if not self.id:
            raise IllegalMove("This query was not sent yet: call submit() first.")
        return self.id


def _refusal(finding: Json) -> QueryRejected | InvalidInput:
    code, text = str(finding["code"]), str(finding["text"])
    if finding["clause"]:
        return QueryRejected(
            text, code=code, clause=str(finding["clause"]), alternative=str(finding["alternative"])
        )
    return InvalidInput(text, code=code)


def _shown(bar: Bar, status: Status) -> bool:
    bar.draw(status.code, status.label)
    return status.is_final or status.code in _WITH_THE_AUTHOR


def _mock_ended(found: Json) -> bool:
    return found["mock_run"] in {"finished", "failed"}


def _poll(look: Callable[[], Any], has_ended: Callable[[Any], bool], timeout: float | None) -> Any:
    """Look again and again, from ten times a second to every two seconds, until it ended."""
    end = None if timeout is None else time.monotonic() + timeout
    pause = 0.1
    while not has_ended(found := look()):
        left = pause if end is None else end - time.monotonic()
        if left <= 0:
            raise WaitTimedOut("It is not answered yet; it goes on, and you can wait again.")
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, 2.0)
    return found
