"""Many people on one grant: python -m tests.domains.requests.race_world CLIENTS TURNS. Prints a report as JSON.

Each client is a thread with a connection of its own that plays owners, scientists, a worker and a sign-in at random.
"""

from __future__ import annotations

import collections
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import django

REQUESTS = 16
# Of the grant's 0.3 four such questions use up all; eight are asked, some twice, for a repeat is free once answered.
EPSILON, QUESTIONS = "0.15", 8
# What a move is aimed at three times in four: where it may succeed. The fourth time it falls on any request.
AIM = {
    "approve": {"status": "in_review"},
    "run": {"status": "approved", "job__isnull": False},
    "undo": {"status": "approved"},
    "withdraw": {"status__in": ("in_review", "approved")},
}


class Client:
    """One thread's moves; whatever is no rule's refusal is an error of the node."""

    def __init__(self, number: int, cast: dict[str, Any]) -> None:
        self.cast, self.random = cast, random.Random(number)
        self.seen: collections.Counter[str] = collections.Counter()

    def play(self, turns: int) -> collections.Counter[str]:
        from django.db import connection

        from domains.errors import DomainError
        from domains.requests.models import AnalysisRequest

        moves = (
            [self.approve] * 4
            + [self.run] * 2
            + [self.withdraw, self.undo, self.comment, self.sign_in, self.ask]
        )
        rows = AnalysisRequest.objects.select_related(
            "grant__project", "grant__dataset", "author", "job", "revision"
        )
        try:
            for _ in range(turns):
                move = self.random.choice(moves)
                try:
                    if move(self._aim(move.__name__, rows)) is not False:
                        self.seen[move.__name__] += 1
                except DomainError as refusal:
                    self.seen[f"refused {refusal.code}"] += 1
                except Exception as error:
                    self.seen[f"error {move.__name__} {type(error).__name__} {str(error)[:300]}"] += 1
        finally:
            connection.close()
        return self.seen

    def _aim(self, move: str, rows: Any) -> Any:
        wanted = rows.filter(**AIM.get(move, {})) if self.random.random() < 0.75 else rows
        return self.random.choice(list(wanted) or list(rows))

    def _judge(self) -> Any:
        return self.cast[self.random.choice(["alice", "bea"])]

    def approve(self, analysis: Any) -> None:
        from domains.requests import decisions

        window = self.random.choice([0, 60])
        number = analysis.revision.number if analysis.revision else 0  # one may still be a draft
        decisions.review(analysis, revision=number, vote="approve", by=self._judge(), undo_seconds=window)

    def undo(self, analysis: Any) -> None:
        from domains.requests import decisions

        decisions.undo_approval(analysis, by=self._judge())

    def withdraw(self, analysis: Any) -> None:
        from domains.requests import actions

        actions.withdraw(analysis, by=analysis.author)

    def comment(self, analysis: Any) -> None:
        from domains.requests import actions

        actions.comment(analysis, "And now?", by=self._judge())

    def sign_in(self, analysis: Any) -> None:
        from django.db import transaction

        from domains.audit.events import Event
        from domains.audit.recorder import record

        with transaction.atomic(durable=True):
            record(Event.PERSON_SIGNED_IN, by=analysis.author, on="session:test")

    def ask(self, analysis: Any) -> None:
        waiting(analysis.grant, analysis.author, self.random.randrange(QUESTIONS))

    def run(self, analysis: Any) -> bool:
        """Be the worker up to the point of no return, and then fail or answer; False where another one was."""
        from domains.jobs import actions as jobs
        from domains.ledger import protocol
        from domains.requests import execution

        claim = jobs.claim(analysis.run.pk)
        if claim is None:
            return False
        jobs.to_running(claim)
        fence = execution.open_data(claim)
        if fence is None:
            return False
        if self.random.random() < 0.5:
            protocol.burn(claim.job.charge_key, fence)
            execution.fail(analysis, claim, "failed")
        else:
            sha256 = protocol.persist(claim.job.charge_key, fence=fence, payload=b"x")
            execution.conclude(analysis, claim, sha256)
        return True


def waiting(grant: Any, author: Any, number: int) -> Any:
    """Return a fresh request that waits for a decision; `number` says which of the questions it asks."""
    from domains.requests import actions

    sql = f"SELECT COUNT(*) AS n FROM support2 WHERE age >= {40 + number % QUESTIONS}"
    analysis = actions.draft(grant, title="Ages", sql=sql, epsilon=EPSILON, by=author)
    actions.check(analysis, by=author)
    actions.edit(analysis, title="Ages again", sql=sql, epsilon=EPSILON, by=author)
    actions.check(analysis, by=author)
    actions.submit(analysis, revision=2, by=author)
    return analysis


def build() -> dict[str, Any]:
    """Make a grant that holds a few requests, two judges and two scientists who have no account of their own yet.

    One request may run at once: whether chance approves another before the turns are over is nobody's promise.
    """
    from domains.catalog import actions as catalog
    from domains.people.permissions import Role
    from domains.projects import actions as projects
    from domains.requests import decisions
    from tests import make

    cast = {name: make.person(name) for name in ("alice", "rita", "sam")}
    cast |= {"bea": make.person("bea", Role.OWNER), "pat": make.person("pat", Role.SCIENTIST)}
    grant = make.grant("0.3")
    catalog.assign(grant.dataset, cast["bea"], role=Role.DATASET_OWNER, by=cast["alice"])
    projects.add_member(grant.project, cast["pat"], by=cast["rita"])
    first, *_ = [waiting(grant, cast[("sam", "pat")[number % 2]], number) for number in range(REQUESTS)]
    decisions.review(first, revision=2, vote="approve", by=cast["bea"], undo_seconds=0)
    return cast


def main(clients: int, turns: int) -> dict[str, Any]:
    """Play side by side, then compare what is stored with itself."""
    django.setup()
    from django.db import connection

    from domains.jobs.keeper import keeper

    # Every client keeps its connection to the end, as no web request does: a smaller pool would starve some.
    if pool := connection.settings_dict.get("OPTIONS", {}).get("pool"):
        pool["max_size"] = clients + 2

    cast = build()
    keeper.stop()
    seen: collections.Counter[str] = collections.Counter()
    with ThreadPoolExecutor(clients) as pool:
        for counted in pool.map(lambda number: Client(number, cast).play(turns), range(clients)):
            seen.update(counted)
    return report(seen)


def report(seen: dict[str, int]) -> dict[str, Any]:
    from django.db.models import F
    from django.utils import timezone

    from domains.audit.verify import verify_database
    from domains.ledger.models import Account, Charge
    from domains.requests.models import AnalysisRequest
    from tests.domains.ledger.world import faults

    over = Account.objects.filter(rho_limit__lt=F("rho_reserved") + F("rho_spent"))
    approved = AnalysisRequest.objects.filter(status="approved", job__isnull=False)  # a repeat queues no job
    live = Charge.objects.exclude(state="VOID")
    now = timezone.now() + timedelta(days=1)
    return {
        "seen": seen,
        "errors": {name: count for name, count in seen.items() if name.startswith("error")},
        "overspent": over.count(),
        "approved": sorted(approved.values_list("job__charge_id", flat=True)),
        "charged": sorted(live.values_list("pk", flat=True)),
        "stuck": live.filter(state="COMMITTED", answer=None, lease_until__gt=now).count(),
        "faults": faults(),
        "log": verify_database(),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
