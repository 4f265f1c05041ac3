"""What the books must say of requests that were decided, looked at from outside, in SQL alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.journeys.production import Database

_QUERY = """
SELECT r.id, j.status, j.attempts, c.state, c.fence,
       (SELECT count(*) FROM ledger_answer a WHERE a.charge_id = c.id),
       (SELECT count(*) FROM requests_release l WHERE l.charge_id = c.id AND NOT l.is_repeat),
       (SELECT count(*) FROM audit_auditevent e WHERE e.subject = c.id AND e.event = 'charge.committed'),
       (SELECT count(*) FROM audit_auditevent e WHERE e.subject = c.id AND e.event = 'answer.persisted')
FROM requests_analysisrequest r JOIN jobs_job j ON j.id = r.job_id JOIN ledger_charge c ON c.id = j.charge_id
WHERE r.id = ANY(%s) ORDER BY r.id
"""


@dataclass(frozen=True)
class Run:
    """One decided request: its job, its charge, and how often each thing happened to it."""

    request: str
    job: str
    attempts: int
    charge: str
    fence: int
    answers: int
    releases: int
    commits: int
    draws: int

    @property
    def was_interrupted(self) -> bool:
        """Whether a worker died while it held the job."""
        return self.attempts > 1 or self.job == "lost"


def runs(database: Database, keys: list[str]) -> list[Run]:
    """Return the runs of these requests."""
    return [Run(*row) for row in database.rows(_QUERY, keys)]


def faults(run: Run) -> list[str]:
    """Return what is wrong with a run that is over; an empty list means: released once, or burnt."""
    is_over = run.job in {"succeeded", "lost", "failed", "timed_out"}
    is_answered = run.charge == "COMMITTED" and run.answers == run.releases == 1
    is_burnt = run.charge == "BURNT" and run.answers == run.releases == 0
    checks = {
        "lost: its job is not over": is_over,
        "uncharged or unaccounted: neither answered nor burnt": is_answered or is_burnt,
        "committed other than once": run.commits == 1 and run.fence == 1,
        "drawn twice": run.draws <= 1,
    }
    return [f"{run.request}: {fault}" for fault, holds in checks.items() if not holds]


_BALANCES = """
SELECT a.id, a.scope, a.rho_reserved, a.rho_spent, a.delta_reserved, a.delta_spent,
       coalesce(sum(c.rho) FILTER (WHERE c.state IN ('COMMITTED', 'BURNT')), 0),
       coalesce(sum(c.delta) FILTER (WHERE c.state IN ('COMMITTED', 'BURNT')), 0)
FROM ledger_account a
LEFT JOIN ledger_entry e ON e.account_id = a.id AND e.kind = 'RESERVE'
LEFT JOIN ledger_charge c ON c.id = e.charge_id
GROUP BY a.id
"""


def unbalanced(database: Database) -> list[tuple[Any, ...]]:
    """Return the accounts with something reserved, or with another sum than their charges'."""
    return [
        row for row in database.rows(_BALANCES) if (row[2], row[4]) != (0, 0) or (row[3], row[5]) != row[6:]
    ]
