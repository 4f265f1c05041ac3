"""What waits for an owner's or reviewer's decision."""

from __future__ import annotations

from gridhouse.session import Session
from gridhouse.values import Estimate, Json


class QueueItem:
    """A request in review, as the queue showed it: a vote counts only if it has not changed since."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self.data = data
        self.id: str = data["id"]
        self.title: str = data["title"]
        self.revision: int = data["revision"]
        self.loss: Json = data["loss"]

    def __repr__(self) -> str:
        return f"<QueueItem {self.id}: {self.title}>"

    def details(self) -> Json:
        """Return the whole request: text, revision with its hash, votes and thread."""
        found: Json = self._session.get(f"requests/{self.id}/")
        return found

    def estimate(self) -> Estimate:
        """Return what it costs, its effect on each budget, and what policy says."""
        return Estimate.of(self._session.get(f"requests/{self.id}/estimate/"))

    def brief(self) -> Json:
        """Return all that the decision page shows: the difference, risk, budgets, policy, what is out already."""
        found: Json = self._session.get(f"requests/{self.id}/decision/")
        return found

    def approve(self, reason: str = "") -> Json:
        """Approve; with enough approvals the loss is reserved and the run queued."""
        return self._vote("approve", reason)

    def deny(self, reason: str) -> Json:
        """Say no for good; its author reads the reason."""
        return self._vote("deny", reason)

    def request_changes(self, reason: str) -> Json:
        """Send it back to its author, who reads the reason."""
        return self._vote("request_changes", reason)

    def recuse(self, reason: str) -> Json:
        """Stand aside from it for good: you can vote on it no more, and are not asked again."""
        found: Json = self._session.post(f"requests/{self.id}/recuse/", {"reason": reason})
        return found

    def assign(self, person: str | None) -> Json:
        """Say by their key who looks at it first, None for nobody in particular; the others still may vote."""
        found: Json = self._session.post(f"requests/{self.id}/assign/", {"person": person})
        return found

    def revoke(self, reason: str) -> Json:
        """Take an approval back for good, as long as no private byte was read; its author reads the reason."""
        found: Json = self._session.post(f"requests/{self.id}/revoke/", {"reason": reason})
        return found

    def comment(self, text: str) -> Json:
        """Write into its thread."""
        line: Json = self._session.post(f"requests/{self.id}/comments/", {"text": text})
        return line

    def _vote(self, vote: str, reason: str) -> Json:
        body = {"revision": self.revision, "vote": vote, "reason": reason}
        found: Json = self._session.post(f"requests/{self.id}/review/", body)
        return found


class HeldAnswer:
    """An answer that was held back because a right ended while it ran."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self.id: str = data["id"]
        self.title: str = data["title"]

    def __repr__(self) -> str:
        return f"<HeldAnswer {self.id}: {self.title}>"

    def look(self) -> Json:
        """Return the answer that is held, with the hash of its bytes."""
        found: Json = self._session.get(f"requests/{self.id}/result/")
        return found

    def release(self, sha256: str) -> Json:
        """Let out the exact bytes that were looked at, named by their hash."""
        found: Json = self._session.post(f"requests/{self.id}/result/release/", {"sha256": sha256})
        return found

    def reject(self, reason: str) -> Json:
        """Keep it back for good; its loss stays spent."""
        found: Json = self._session.post(f"requests/{self.id}/result/reject/", {"reason": reason})
        return found
