"""What stops a run before it reads a private byte: a new agreement stands it down, a paused node lets it wait."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from domains.agreements import actions as agreements
from domains.catalog import actions as catalog
from domains.errors import IllegalMove, NotAllowed
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs.lifecycle import JobStatus
from domains.ledger import actions as allocations
from domains.ledger import limits, topups
from domains.ledger import queries as books
from domains.node import actions as node_actions
from domains.requests import actions, decisions, dry_runs, execution, releases, rules
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest
from tests import make


class Prepared:
    """A child that is ready and is never asked to compute, in place of the fork server's."""

    def __init__(self, *args: object, **options: object) -> None:
        pass

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def prepared(self, timeout: float) -> dict[str, object]:
        return {}

    def go(self, payload: object, *, timeout: float) -> bytes:
        raise AssertionError("nothing private may be read here")


def held(grant, person) -> tuple[int, int]:
    balance = next(b for b in books.balances(grant, person) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


def reload(analysis) -> AnalysisRequest:
    return AnalysisRequest.objects.select_related("job", "revision").get(pk=analysis.pk)


def terms(cast):
    made = agreements.create(title="Terms of use", body="Be kind.", by=cast["ada"])
    return agreements.publish(made, edition=1, by=cast["ada"])


def test_a_version_published_after_approval_stands_the_run_down_and_gives_the_loss_back(
    cast, grant, monkeypatch
):
    monkeypatch.setattr(execution, "Child", Prepared)
    analysis = make.request(Status.APPROVED, on=grant)
    version = terms(cast)
    make.run_jobs()
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "agreements_accepted")
    assert f"/agreements/{version.agreement_id}/" in analysis.reasons[0]
    assert held(grant, cast["sam"]) == (0, 0)


def test_nothing_is_submitted_or_approved_before_its_author_accepts(cast, grant):
    ready, waiting = make.request(Status.READY, on=grant), make.request(Status.IN_REVIEW, on=grant)
    version = terms(cast)
    with pytest.raises(NotAllowed) as refused:
        actions.submit(ready, revision=1, by=cast["sam"])
    assert refused.value.code == "agreements_accepted"
    with pytest.raises(NotAllowed) as refused:
        decisions.review(waiting, revision=1, vote="approve", by=cast["alice"])
    assert refused.value.code == "agreements_accepted"
    assert held(grant, cast["sam"]) == (0, 0)
    agreements.accept(version, sha256=version.sha256, through="api", by=cast["sam"])
    actions.submit(ready, revision=1, by=cast["sam"])
    decisions.review(waiting, revision=1, vote="approve", by=cast["alice"])
    assert reload(waiting).status == Status.APPROVED


def test_while_the_node_is_paused_a_queued_job_waits_and_afterwards_it_runs(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    node_actions.pause(reason="Stop.", by=cast["ada"])
    assert make.run_jobs() == 0
    assert jobs.claim(analysis.job_id) is None  # a hint from the broker does not get past it either
    assert reload(analysis).job.status == JobStatus.QUEUED
    assert held(grant, cast["sam"]) == (analysis.revision.rho, 0)  # reserved as before, nothing spent
    node_actions.resume(reason="Go on.", by=cast["ada"])
    make.run_jobs()
    assert reload(analysis).releases.get().status == ReleaseStatus.RELEASED
    assert held(grant, cast["sam"]) == (0, analysis.revision.rho)


@pytest.mark.parametrize("step", ["before", "prepared"])
def test_a_job_that_a_pause_overtakes_goes_back_to_the_queue(cast, grant, monkeypatch, step):
    analysis = make.request(Status.APPROVED, on=grant)

    class Overtaken(Prepared):
        def prepared(self, timeout: float) -> dict[str, object]:
            if step == "prepared":
                node_actions.pause(reason="Stop.", by=cast["ada"])
            return {}

    monkeypatch.setattr(execution, "Child", Overtaken)
    claim = jobs.claim(analysis.job_id)
    if step == "before":
        node_actions.pause(reason="Stop.", by=cast["ada"])
    execution.run_query(claim)
    analysis = reload(analysis)
    assert (analysis.status, analysis.job.status) == (Status.APPROVED, JobStatus.QUEUED)
    assert held(grant, cast["sam"]) == (analysis.revision.rho, 0)
    assert not job_queries.ready(timezone.now(), ["query"]).exists()


def test_a_pause_lets_no_held_answer_out_and_refuses_approvals(cast, grant, monkeypatch):
    waiting = make.request(Status.IN_REVIEW, on=grant)
    node_actions.pause(reason="Stop.", by=cast["ada"])
    with pytest.raises(NotAllowed) as refused:
        decisions.review(waiting, revision=1, vote="approve", by=cast["alice"])
    assert refused.value.code == "node_running"
    decisions.review(
        waiting, revision=1, vote="deny", reason="No.", by=cast["alice"]
    )  # saying no is no approval
    release = releases.Release(analysis=waiting, sha256="a" * 64, status=ReleaseStatus.AWAITING_REVIEW)
    with pytest.raises(IllegalMove) as refused:
        releases.release_held(release, sha256="a" * 64, by=cast["alice"])
    assert refused.value.code == "node_paused"


def _cap(cast, grant) -> Callable[[], object]:
    account = books.balances(grant, cast["sam"])[1].account
    row = limits.propose_raise(account, epsilon=Decimal(4), reason="More.", by=cast["alice"])
    return lambda: limits.confirm_raise(row, by=cast["rita"])


def _own_cap(cast, grant) -> Callable[[], object]:
    account = books.balances(grant, cast["sam"])[3].account
    lower = {"epsilon": Decimal("0.5"), "reason": "Less.", "by": cast["ada"]}
    limits.change_limit(account, **lower)
    return lambda: limits.change_limit(account, **lower | {"epsilon": Decimal(1)})


def _topup(cast, grant) -> Callable[[], object]:
    row = topups.ask(grant, epsilon=Decimal(2), reason="More.", by=cast["sam"])
    topups.propose(row, epsilon=Decimal(2), by=cast["ada"])
    return lambda: topups.confirm(row, by=cast["alice"])


def _policy(cast, grant) -> Callable[[], object]:
    row = make.policy(grant.dataset, make.rules(("allow", make.limits("0.1"))), activated=False)
    seen = dry_runs.try_policy(row, by=cast["rita"])
    return lambda: catalog.activate_policy(row, dry_run=seen, by=cast["rita"])


def _rule(cast, grant) -> Callable[[], object]:
    rules.set_rule(grant.dataset, people=2, by=cast["alice"])
    row = rules.set_rule(grant.dataset, people=1, by=cast["alice"])
    return lambda: rules.confirm_rule(row, by=cast["rita"])


def _allocation(cast, grant) -> Callable[[], object]:
    row = make.project(title="Another").grants.get()
    return lambda: allocations.allocate(row, epsilon=Decimal(1), by=cast["ada"])


@pytest.mark.parametrize("decided", [_cap, _own_cap, _topup, _policy, _rule, _allocation])
def test_while_the_node_is_paused_nothing_is_raised_or_put_in_force(cast, grant, decided):
    if decided is _own_cap:
        make.request(Status.APPROVED, on=grant)  # opens Sam's own account
    decide = decided(cast, grant)
    node_actions.pause(reason="Stop.", by=cast["ada"])
    with pytest.raises(IllegalMove) as refused:
        decide()
    assert refused.value.code == "node_paused"
    node_actions.resume(reason="Go on.", by=cast["ada"])
    decide()


def test_while_the_node_is_paused_a_budget_can_still_be_cut(cast, grant):
    node_actions.pause(reason="Stop.", by=cast["ada"])
    account = books.balances(grant, cast["sam"])[2].account
    limits.change_limit(account, epsilon=Decimal("0.5"), reason="Less.", by=cast["ada"])
