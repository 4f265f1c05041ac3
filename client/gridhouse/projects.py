"""Projects and their access grants, for scientists, reviewers and administrators."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from gridhouse.errors import NotFound
from gridhouse.queries import Query
from gridhouse.session import Session
from gridhouse.values import Json, epsilon_text


class Grant:
    """A project's right to ask one dataset within a budget."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self.data = data
        self.id: str = data["id"]
        self.status: str = data["status"]
        self.project: Json = data["project"]
        self.dataset: Json = data["dataset"]

    def __repr__(self) -> str:
        return f"<Grant {self.id}: {self.project['title']} × {self.dataset['slug']}, {self.status}>"

    def budget(self) -> list[Json]:
        """Return every cap that a question under this grant passes through, and what is left."""
        found: list[Json] = self._session.get(f"budgets/grants/{self.id}/")
        return found

    def allocate(
        self,
        *,
        epsilon: float | str | Decimal,
        person_epsilon: float | str | Decimal | None = None,
        pure_epsilon: float | str | Decimal | None = None,
        person_pure_epsilon: float | str | Decimal | None = None,
        valid_days: int = 365,
    ) -> Grant:
        """Give it a budget, for all its members together and at most `person_epsilon` for each.

        `pure_epsilon` stands beside it, for answers with Laplace noise that are paid as pure ε.
        """
        body: dict[str, Any] = {"epsilon": epsilon_text(epsilon), "valid_days": valid_days}
        others = {
            "person_epsilon": person_epsilon,
            "pure_epsilon": pure_epsilon,
            "person_pure_epsilon": person_pure_epsilon,
        }
        body |= {name: epsilon_text(value) for name, value in others.items() if value is not None}
        return Grant(self._session, self._session.post(f"grants/{self.id}/allocate/", body))

    def ask_for_more(
        self,
        *,
        epsilon: float | str | Decimal,
        reason: str,
        pure_epsilon: float | str | Decimal | None = None,
    ) -> Json:
        """Ask that its limit be raised to ε altogether; two people who are not on the project answer.

        Return the ask as JSON; `topups` says later what became of it.
        """
        return self._larger("ask_for_more", epsilon, reason, pure_epsilon)

    def top_up(
        self,
        *,
        epsilon: float | str | Decimal,
        reason: str,
        pure_epsilon: float | str | Decimal | None = None,
    ) -> Json:
        """Propose, as an administrator, that its limit be raised to ε altogether; a second person confirms."""
        return self._larger("top_up", epsilon, reason, pure_epsilon)

    def _larger(self, what: str, epsilon: Any, reason: str, pure_epsilon: Any) -> Json:
        body = {"epsilon": epsilon_text(epsilon), "reason": reason}
        if pure_epsilon is not None:
            body["pure_epsilon"] = epsilon_text(pure_epsilon)
        made: Json = self._session.post(f"grants/{self.id}/{what}/", body)
        return made

    def topups(self) -> list[Json]:
        """Return the larger budgets that were asked for it, newest first."""
        return list(self._session.pages("budgets/topups/", grant=self.id))

    def revoke(self, reason: str) -> Grant:
        """End it; the members read the reason."""
        return Grant(self._session, self._session.post(f"grants/{self.id}/revoke/", {"reason": reason}))

    def sql(
        self, sql: str, *, epsilon: float | str | Decimal, title: str = "", accounting: str = "zcdp"
    ) -> Query:
        """Return a question under this grant, paid in ρ ("zcdp"), pure ε ("pure") or the more exact ("auto")."""
        return Query(
            self._session, grant=self.id, sql=sql, epsilon=epsilon, title=title, accounting=accounting
        )


class Project:
    """A purpose, the people who pursue it, and the datasets they ask for."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self._read(data)

    def _read(self, data: Json) -> Project:
        self.data = data
        self.id: str = data["id"]
        self.title: str = data["title"]
        self.status: str = data["status"]
        self.version: int = data["version"]
        return self

    def __repr__(self) -> str:
        return f"<Project {self.id}: {self.title}, {self.status}>"

    @property
    def grants(self) -> list[Grant]:
        """Its access grants, as they were when it was read."""
        return [Grant(self._session, row) for row in self.data["grants"]]

    def refresh(self) -> Project:
        """Read it again."""
        return self._read(self._session.get(f"projects/{self.id}/"))

    def edit(self, **changes: str | Sequence[str]) -> Project:
        """Change title, lay_summary, purpose or datasets; refused if it changed since it was read."""
        return self._read(self._session.patch(f"projects/{self.id}/", {"version": self.version, **changes}))

    def application(self) -> Json:
        """Return its application: the form, the answers, and which pages lack some."""
        found: Json = self._session.get(f"projects/{self.id}/application/")
        return found

    def answer(self, **answers: str | Sequence[str] | None) -> Project:
        """Answer questions of its application, by their ids; the others stay as they are."""
        body = {"version": self.version, "answers": answers}
        self._session.patch(f"projects/{self.id}/application/", body)
        return self.refresh()

    def versions(self) -> list[Json]:
        """Return what was handed in, newest first, with what reviewers think of each section."""
        found: list[Json] = self._session.get(f"projects/{self.id}/versions/")
        return found

    def review_section(self, section: str, verdict: str, note: str = "") -> Json:
        """Say as a reviewer that a section is "fine" or needs a "change"; `approve` and the others decide."""
        body = {"version": self.version, "section": section, "verdict": verdict, "note": note}
        made: Json = self._session.post(f"projects/{self.id}/sections/", body)
        return made

    def amendment(self) -> Json:
        """Return its amendment that is under way, or the last one: what it changes, and how it stands."""
        found: Json = self._session.get(f"projects/{self.id}/amendment/")
        return found

    def amend(self, reason: str, **changes: Any) -> Json:
        """Hand in an amendment of it, approved as it is; what was approved stays in force until reviewers decide.

        `changes` are title, datasets, people, valid_until and answers. One that was sent back is handed in again.
        """
        address = f"projects/{self.id}/amendment/"
        try:
            now = self.amendment()
        except NotFound:
            now = {"status": ""}
        if now["status"] not in {"draft", "changes_requested"}:
            now = self._session.post(address)
        self._session.patch(address, {"version": now["version"], "reason": reason, **changes})
        made: Json = self._session.post(f"{address}submit/")
        return made

    def renew(self, reason: str, valid_until: str) -> Json:
        """Ask for a later end of it, as "2027-12-31", with what was done and what is left to do."""
        body = {"reason": reason, "valid_until": valid_until}
        made: Json = self._session.post(f"projects/{self.id}/renew/", body)
        return made

    def decide_amendment(self, vote: str, reason: str = "") -> Json:
        """Vote "approve", "request_changes" or "deny" on its amendment, as a reviewer who is not on it."""
        body = {"version": self.amendment()["handed_in"], "vote": vote, "reason": reason}
        made: Json = self._session.post(f"projects/{self.id}/amendment/review/", body)
        return made

    def submit(self) -> Project:
        """Hand it in for review."""
        return self._read(self._session.post(f"projects/{self.id}/submit/"))

    def withdraw(self) -> Project:
        """Take it back before a decision."""
        return self._read(self._session.post(f"projects/{self.id}/withdraw/"))

    def approve(self, reason: str = "") -> Project:
        """Approve it, as a reviewer of its research area who is not on it."""
        return self._vote("approve", reason)

    def deny(self, reason: str) -> Project:
        """Reject it for good; its members read the reason."""
        return self._vote("deny", reason)

    def request_changes(self, reason: str) -> Project:
        """Send it back to its lead, who reads the reason."""
        return self._vote("request_changes", reason)

    def _vote(self, vote: str, reason: str) -> Project:
        body = {"version": self.version, "vote": vote, "reason": reason}
        return self._read(self._session.post(f"projects/{self.id}/review/", body))

    def evidence(self, path: str | Path | None = None) -> Path:
        """Save everything about it, provable offline, as a ZIP; for its lead and for auditors.

        Check it with `gridhouse.verify.verify_pack(path)`.
        """
        target = Path(path or f"evidence-{self.id}.zip")
        target.write_bytes(self._session.content(f"projects/{self.id}/evidence/"))
        return target
