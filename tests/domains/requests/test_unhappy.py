"""Every way in which a decision, a run or a right goes wrong: what becomes of it, of the budget, and who is told.

docs/explanation/unhappy-paths.md is the table; `tests/house/test_unhappy_paths.py` holds it to these tests.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.agreements import actions as agreements
from domains.audit.events import Event
from domains.catalog import actions as catalog
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import BudgetExhausted, IllegalMove, NotAllowed, NotFound
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.people.models import User
from domains.projects import actions as projects
from domains.projects.models import AccessGrant
from domains.requests import actions, cuts, decisions, execution, incidents, outputs, releases, rules, upkeep
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import Download, Release, Review
from domains.requests.queries import progress
from tests.domains.requests.test_policy_life import SMALL
from tests.portal.people_kit import sign_in
from tests.stage import Planted, Stage, ask, die, forget, held, reload, run, stage, staged, told

__all__ = ["stage", "staged"]


def vote(analysis, by: User, what: str = "approve", reason: str = "") -> None:
    now = reload(analysis)
    decisions.review(now, revision=now.revision.number, vote=what, reason=reason, by=by)


# --- Taken back ------------------------------------------------------------------------------------------------------


def test_an_author_withdraws_before_the_decision(stage: Stage):
    rules.set_rule(stage.access().dataset, people=2, by=stage.user("alice"))
    analysis = ask(stage)
    vote(analysis, stage.user("alice"))
    forget()
    actions.withdraw(reload(analysis), by=stage.user("sam"))
    assert reload(analysis).status == Status.WITHDRAWN
    assert Review.objects.filter(revision__analysis=analysis).count() == 1  # the vote is kept
    assert held(stage) == (0, 0)
    assert told(Event.REQUEST_WITHDRAWN) == {"alice", "bea", "rita"}


def test_an_author_withdraws_an_approved_request_that_has_not_started(stage: Stage, monkeypatch):
    analysis = ask(stage, Status.APPROVED)
    assert held(stage) == (analysis.revision.rho, 0)
    forget()
    actions.withdraw(analysis, by=stage.user("sam"))
    assert reload(analysis).status == Status.WITHDRAWN
    assert reload(analysis).job.status == JobStatus.CANCELLED
    assert held(stage) == (0, 0)
    assert told(Event.REQUEST_WITHDRAWN) == set()


def test_a_run_is_cancelled_before_it_opens_the_data(stage: Stage, monkeypatch):
    analysis = ask(stage, Status.APPROVED)

    def withdraws():
        actions.withdraw(reload(analysis), by=stage.user("sam"))

    run(analysis, monkeypatch, Planted(preparing=withdraws))
    analysis = reload(analysis)
    assert (analysis.status, analysis.job.status) == (Status.WITHDRAWN, JobStatus.CANCELLED)
    assert held(stage) == (0, 0)


@pytest.mark.parametrize("moment", ["while it computes", "once it is stored"])
def test_a_run_is_stopped_after_it_opened_the_data_and_its_answer_goes_nowhere(
    stage: Stage, monkeypatch, moment
):
    analysis = ask(stage, Status.APPROVED)

    def withdraws(*_args: object) -> None:
        actions.withdraw(reload(analysis), by=stage.user("sam"))

    if moment == "while it computes":
        run(analysis, monkeypatch, Planted(meanwhile=withdraws))
    else:
        conclude = execution.conclude
        monkeypatch.setattr(execution, "conclude", lambda *given: (withdraws(), conclude(*given)))
        run(analysis, monkeypatch)
    analysis = reload(analysis)
    assert (analysis.status, analysis.job.status) == (Status.WITHDRAWN, JobStatus.KILLED)
    assert not Release.objects.filter(analysis=analysis).exists()
    assert held(stage) == (0, analysis.revision.rho)  # what was read stays spent
    assert told(Event.JOB_KILLED) == {"sam"}
    assert "discarded" in progress(analysis, timezone.now()).why
    with pytest.raises(NotFound):
        releases.result(analysis, by=stage.user("sam"))
    with pytest.raises(IllegalMove):
        actions.withdraw(analysis, by=stage.user("sam"))


# --- Two at once -----------------------------------------------------------------------------------------------------


def test_of_two_reviewers_who_click_at_once_the_second_sees_the_new_state(stage: Stage):
    analysis = ask(stage)
    seen = reload(analysis)  # what Bea's page showed
    vote(analysis, stage.user("alice"))
    forget()
    with pytest.raises(IllegalMove, match="changed since you opened it"):
        decisions.review(seen, revision=1, vote="approve", by=stage.user("bea"))
    assert Review.objects.filter(revision__analysis=analysis).count() == 1
    assert held(stage) == (analysis.revision.rho, 0)  # one reservation
    assert told(Event.REQUEST_APPROVED) == set()


def test_an_approval_of_what_was_edited_meanwhile_is_refused_and_names_the_revision(stage: Stage):
    analysis = ask(stage, Status.CHANGES_REQUESTED)
    sam = stage.user("sam")
    for number in (2, 3):
        actions.edit(
            reload(analysis),
            title="Patients",
            sql=f"SELECT COUNT(*) AS n FROM support2 WHERE age > {number}",
            epsilon="0.1",
            by=sam,
        )
        assert actions.check(reload(analysis), by=sam) == []
    actions.submit(reload(analysis), revision=3, by=sam)
    with pytest.raises(IllegalMove, match="its revision is now 3") as refused:
        decisions.review(reload(analysis), revision=1, vote="approve", by=stage.user("alice"))
    assert refused.value.code == "stale"
    assert reload(analysis).status == Status.IN_REVIEW
    assert held(stage) == (0, 0)


def test_the_second_of_two_requests_for_the_last_of_a_budget_stays_in_review(stage: Stage):
    first, second = ask(stage, epsilon="0.8"), ask(stage, epsilon="0.7")
    effects = books.effect(stage.access(), stage.user("sam"), second.revision.loss)
    assert all(effect.fits for effect in effects)
    vote(first, stage.user("alice"))
    # The approver reads it before confirming: the grant's bar no longer holds it.
    effects = books.effect(stage.access(), stage.user("sam"), second.revision.loss)
    assert [effect.balance.scope for effect in effects if not effect.fits] == ["grant"]
    with pytest.raises(BudgetExhausted):
        vote(second, stage.user("alice"))
    second = reload(second)
    assert (second.status, second.status_code) == (Status.IN_REVIEW, "insufficient_budget")
    assert held(stage) == (first.revision.rho, 0)
    assert "larger budget" in progress(second, timezone.now()).why


# --- Budgets and rights that end -------------------------------------------------------------------------------------


def test_a_budget_is_cut_below_what_is_reserved(stage: Stage):
    older, newer = ask(stage, Status.APPROVED, epsilon="0.2"), ask(stage, Status.APPROVED, epsilon="0.3")
    forget()
    account = books.balances(stage.access(), stage.user("sam"))[2].account
    cuts.cut(str(account), epsilon=Decimal("0.3"), reason="Less for all.", by=stage.user("ada"))
    assert reload(older).status == Status.APPROVED
    newer = reload(newer)
    assert (newer.status, newer.status_code) == (Status.IN_REVIEW, "budget_cut")
    assert held(stage) == (older.revision.rho, 0)
    assert told(Event.REQUEST_CUT_BACK) == {"sam", "alice", "bea", "rita"}


def _revoke_grant(stage: Stage) -> None:
    projects.revoke_grant(stage.access(), reason="Ended.", by=stage.user("bea"))


def _suspend_project(stage: Stage) -> None:
    projects.suspend(stage.access().project, reason="Stop.", by=stage.user("rita"))


@pytest.mark.parametrize("take_away", [_revoke_grant, _suspend_project])
def test_what_is_taken_away_in_mid_run_kills_the_run_and_keeps_its_answer_in_quarantine(
    stage: Stage, monkeypatch, take_away
):
    analysis = ask(stage, Status.APPROVED)
    analysis = run(analysis, monkeypatch, Planted(meanwhile=lambda: take_away(stage)))
    assert analysis.job.status == JobStatus.KILLED
    assert analysis.releases.get().status == ReleaseStatus.AWAITING_REVIEW
    assert held(stage) == (0, analysis.revision.rho)
    assert told(Event.JOB_KILLED) == {"sam"}
    assert told(Event.RELEASE_HELD) == {"alice", "bea", "rita"}
    with pytest.raises((NotFound, NotAllowed)):
        releases.result(analysis, by=stage.user("sam"))


@pytest.mark.parametrize("take_away", [_revoke_grant, _suspend_project])
def test_what_is_taken_away_before_the_data_is_opened_gives_the_loss_back(
    stage: Stage, monkeypatch, take_away
):
    analysis = ask(stage, Status.APPROVED)
    analysis = run(analysis, monkeypatch, Planted(preparing=lambda: take_away(stage)))
    assert (analysis.status, analysis.job.status) == (Status.REVOKED, JobStatus.KILLED)
    assert held(stage) == (0, 0)
    assert told(Event.JOB_STOOD_DOWN) == {"sam"}


def test_a_run_whose_grant_expires_may_finish_and_an_owner_releases_it(stage: Stage, monkeypatch):
    analysis = ask(stage, Status.APPROVED)

    def expires() -> None:
        AccessGrant.objects.filter(pk=stage.grant).update(valid_to=timezone.now() - timedelta(seconds=1))

    analysis = run(analysis, monkeypatch, Planted(meanwhile=expires))
    assert analysis.job.status == JobStatus.SUCCEEDED
    release = analysis.releases.get()
    assert release.status == ReleaseStatus.AWAITING_REVIEW
    assert held(stage) == (0, analysis.revision.rho)
    with pytest.raises(NotAllowed):  # S3
        releases.release_held(release, sha256=release.sha256, by=stage.user("alice"))
    releases.release_held(release, sha256=release.sha256, by=stage.user("bea"))
    assert release.status == ReleaseStatus.RELEASED


def test_a_new_version_of_an_agreement_stops_each_person_until_they_accept_it(stage: Stage):
    sam, ada = stage.user("sam"), stage.user("ada")
    made = agreements.create(title="Terms of use", body="Be kind.", by=ada)
    version = agreements.publish(made, edition=1, by=ada)
    ready = ask(stage, Status.READY)
    with pytest.raises(NotAllowed) as refused:
        actions.submit(ready, revision=1, by=sam)
    assert refused.value.code == "agreements_accepted"
    assert stage.access().status == "granted"  # grants stay
    browser = Client()
    sign_in(browser, sam.email, "a long passphrase")
    assert "Terms of use" in browser.get("/").content.decode()  # the banner
    agreements.accept(version, sha256=version.sha256, through="api", by=sam)
    actions.submit(reload(ready), revision=1, by=sam)
    assert held(stage) == (0, 0)


# --- Datasets --------------------------------------------------------------------------------------------------------


def _second_version(stage: Stage) -> DatasetVersion:
    """Publish another version of the dataset, as intake leaves it."""
    old = stage.access().dataset.versions.get()
    catalog.new_version(old.dataset, by=stage.user("alice"))
    now = timezone.now()
    copied = {"sha256": "d" * 64, "mock_sha256": "e" * 64, "mock_origin": "generated"}
    signed = {"attested_at": now, "attested_by": stage.user("alice"), "published_at": now}
    new = DatasetVersion.objects.filter(dataset=old.dataset, number=2)
    new.update(status=VersionStatus.PUBLISHED, published_by=stage.user("alice"), **copied, **signed)
    return old


def test_an_approval_stays_with_its_version_and_lapses_when_that_is_retired(stage: Stage, monkeypatch):
    stays, lapses = ask(stage, Status.APPROVED), ask(stage, Status.APPROVED, epsilon="0.05")
    old = _second_version(stage)
    stays = run(stays, monkeypatch)
    assert stays.releases.get().status == ReleaseStatus.RELEASED
    assert stays.revision.version_id == old.pk
    catalog.retire(old, reason="Replaced.", by=stage.user("alice"))
    lapses = run(lapses, monkeypatch)
    assert (lapses.status, lapses.status_code) == (Status.LAPSED, "version_retired")
    assert held(stage) == (0, stays.revision.rho)
    assert told(Event.JOB_STOOD_DOWN) == {"sam"}


def test_a_withdrawn_dataset_runs_nothing_and_its_owners_are_shown_what_is_out(stage: Stage, monkeypatch):
    out, waiting = ask(stage, Status.APPROVED), ask(stage, Status.APPROVED, epsilon="0.05")
    run(out, monkeypatch)
    forget()
    dataset = stage.access().dataset
    catalog.withdraw(dataset, reason="It should not be here.", by=stage.user("alice"))
    waiting = run(waiting, monkeypatch)
    assert (waiting.status, waiting.status_code) == (Status.REVOKED, "dataset_published")
    assert held(stage) == (0, out.revision.rho)
    assert told(Event.DATASET_WITHDRAWN) == {"alice", "bea", "rita"}
    rows = outputs.released(dataset, by=stage.user("alice"))
    assert [(row.analysis_id, row.fetched) for row in rows] == [(out.pk, 0)]
    for name in ("sam", "max", "charlie", "ada"):
        with pytest.raises(NotFound):
            outputs.released(dataset, by=stage.user(name))
    assert outputs.released(dataset, by=stage.user("theo")).count() == 1
    browser = Client()
    sign_in(browser, "alice@hospital.example", "a long passphrase")
    page = browser.get(reverse("dataset_released", args=[dataset.slug])).content.decode()
    assert out.title in page
    assert reverse("incident", args=[out.pk]) in page
    answer = browser.get(f"/api/v1/datasets/{dataset.slug}/released/").json()
    assert [row["request"] for row in answer["results"]] == [out.pk]


def test_a_dataset_without_released_answers_asks_nobody_to_look(stage: Stage):
    catalog.withdraw(stage.access().dataset, reason="It was empty.", by=stage.user("alice"))
    assert told(Event.DATASET_WITHDRAWN) == {"bea", "rita"}


# --- Automation ------------------------------------------------------------------------------------------------------


def test_what_an_ended_policy_approved_is_judged_again_before_it_runs(stage: Stage, monkeypatch):
    from domains.requests import dry_runs
    from tests import make

    dataset, alice, rita = stage.access().dataset, stage.user("alice"), stage.user("rita")
    policy = catalog.propose_policy(dataset, document=make.rules(SMALL), by=alice)
    catalog.activate_policy(policy, dry_run=dry_runs.try_policy(policy, by=rita), by=rita)
    analysis = ask(stage, epsilon="0.05")
    assert (analysis.status, analysis.decided_by) == (Status.APPROVED, None)
    catalog.end_policy(policy, by=alice)
    analysis = run(analysis, monkeypatch)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "policy_ended")
    assert held(stage) == (0, 0)
    assert told(Event.JOB_STOOD_DOWN) == {"sam"}


def test_an_approval_that_is_never_used_lapses_after_a_reminder(stage: Stage, settings):
    analysis = ask(stage, Status.APPROVED)
    valid = analysis.job.valid_until
    upkeep.sweep(timezone.now())
    assert told(Event.REQUEST_LAPSING) == set()
    soon = valid - timedelta(hours=1)
    for _ in range(2):
        upkeep.sweep(soon)
    assert told(Event.REQUEST_LAPSING) == {"sam", "ada"}
    assert reload(analysis).status == Status.APPROVED
    forget()
    upkeep.sweep(soon)
    assert told(Event.REQUEST_LAPSING) == set()  # once
    upkeep.sweep(valid + timedelta(seconds=1))
    assert reload(analysis).status == Status.LAPSED
    assert held(stage) == (0, 0)
    assert told(Event.REQUEST_LAPSED) == {"sam"}


# --- Machines that die -----------------------------------------------------------------------------------------------


class Died(BaseException):
    """The worker's process ended here."""


def _dies(*_args: object, **_more: object) -> None:
    raise Died


def test_a_worker_that_dies_before_the_data_is_opened_costs_nothing(stage: Stage, monkeypatch):
    analysis = ask(stage, Status.APPROVED)
    for _ in range(5):
        with pytest.raises(Died):
            run(analysis, monkeypatch, Planted(preparing=_dies))
        analysis = die(analysis)
    assert analysis.job.status == JobStatus.LOST
    assert (analysis.status, analysis.status_code) == (Status.LAPSED, "no_worker_finished")
    assert held(stage) == (0, 0)
    assert told(Event.JOB_LOST) == {"ada"}


def test_a_worker_that_dies_with_the_data_open_burns_the_loss(stage: Stage, monkeypatch):
    analysis = ask(stage, Status.APPROVED)
    with pytest.raises(Died):
        run(analysis, monkeypatch, Planted(meanwhile=_dies))
    analysis = die(analysis)
    assert analysis.job.status == JobStatus.LOST
    assert books.charge(analysis.job.charge_id).state == "BURNT"
    assert not analysis.releases.exists()
    assert held(stage) == (0, analysis.revision.rho)
    assert told(Event.JOB_LOST) == {"ada"}
    assert told(Event.JOB_FAILED) == {"sam"}


def test_an_answer_that_the_database_does_not_take_leaves_nothing_but_its_price(stage: Stage, monkeypatch):
    from django.db import OperationalError

    analysis = ask(stage, Status.APPROVED)

    def away(*_args: object, **_more: object) -> str:
        raise OperationalError("the disk is full")

    monkeypatch.setattr(execution.ledger, "persist", away)
    run(analysis, monkeypatch)
    assert books.answer_sha256(analysis.job.charge_id) is None
    analysis = die(analysis)
    assert not analysis.releases.exists()
    assert held(stage) == (0, analysis.revision.rho)


# --- Regret ----------------------------------------------------------------------------------------------------------


def test_a_disclosure_found_after_its_release_is_taken_back_and_its_fetches_are_kept(
    stage: Stage, monkeypatch
):
    analysis = run(ask(stage, Status.APPROVED), monkeypatch)
    release = analysis.releases.get()
    Download.objects.create(release=release, person=stage.user("max"), form="csv")
    forget()
    incidents.revoke_release(release, reason="A small cell.", by=stage.user("alice"))
    assert release.status == ReleaseStatus.REVOKED
    assert held(stage) == (0, analysis.revision.rho)
    found = incidents.incident(analysis, by=stage.user("theo"))
    assert [row.person for row in found.downloads] == [stage.user("max")]
    assert told(Event.RELEASE_REVOKED) == {"sam", "max", "theo", "bea", "rita"}


def test_a_wrong_click_on_approve_is_undone_before_anything_runs(stage: Stage):
    analysis = ask(stage, Status.APPROVED, undo_seconds=60)
    assert held(stage) == (analysis.revision.rho, 0)
    forget()
    decisions.undo_approval(analysis, by=stage.user("alice"))
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.IN_REVIEW, "approval_undone")
    assert held(stage) == (0, 0)
    assert told(Event.REQUEST_APPROVAL_UNDONE) == {"sam"}
