"""What must hold whatever people and workers do at the same time, and what outsiders must not learn from it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.audit.events import Event
from domains.audit.models import AuditEvent
from domains.catalog import actions as catalog
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.jobs import actions as jobs
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.ledger import reconciliation
from domains.ledger.models import Charge
from domains.notices.models import Notice
from domains.people import actions as people
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects import actions as projects
from domains.requests import actions, decisions, execution, releases, upkeep
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest
from domains.requests.policy import Allow, Refer
from domains.requests.queries import progress, verdict_for
from domains.requests.specification import specify
from tests import make


def reload(analysis):
    return AnalysisRequest.objects.select_related("grant__dataset", "author", "job", "revision").get(
        pk=analysis.pk
    )


def held(grant, person):
    balance = next(b for b in books.balances(grant, person) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


def second_owner(grant):
    bea = make.person("bea", Role.OWNER)
    catalog.assign(grant.dataset, bea, role=Role.DATASET_OWNER, by=make.person("alice"))
    return bea


def restore_a_backup():
    """Leave the log without what was last witnessed, as a restored backup does."""
    checkpoints.witness()
    (Path(checkpoints.settings.WITNESS_DIR) / "checkpoint").unlink()


# --- Decisions at the same time --------------------------------------------------------------------------------


def test_the_second_of_two_people_who_approve_at_once_is_told_that_it_changed(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    twin, bea = reload(analysis), second_owner(grant)
    decisions.review(analysis, revision=1, vote="approve", by=cast["alice"])
    with pytest.raises(IllegalMove, match="changed"):
        decisions.review(twin, revision=1, vote="approve", by=bea)
    assert Job.objects.filter(subject=analysis.pk).count() == 1


def test_what_was_edited_meanwhile_is_not_submitted_in_its_old_form(cast, grant):
    analysis = make.request(Status.READY, on=grant)
    opened = reload(analysis)
    actions.edit(
        analysis, title="Other", sql="SELECT COUNT(*) AS n FROM support2", epsilon="0.1", by=cast["sam"]
    )
    assert actions.check(analysis, by=cast["sam"]) == []
    with pytest.raises(IllegalMove, match="changed"):
        actions.submit(opened, revision=1, by=cast["sam"])
    assert reload(analysis).status == Status.READY


# --- What the log tells outsiders ------------------------------------------------------------------------------


def test_nothing_is_written_between_opening_data_and_the_deadline(cast, grant):
    """The size of the log is public, so a leaf in between would tell how long the data took."""
    analysis = make.answered(on=grant)
    due = analysis.job.due_at
    opened = AuditEvent.objects.get(event=Event.CHARGE_COMMITTED)
    persisted = AuditEvent.objects.get(event=Event.ANSWER_PERSISTED)
    assert opened.at < due <= persisted.at


def test_a_charge_is_held_beyond_its_deadline_however_long_the_datasets_tick_is(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    claim = jobs.claim(analysis.job_id)
    claim.job.spec["tick"] = "60"
    jobs.to_running(claim)
    assert execution.open_data(claim) == 1
    lease = Charge.objects.get(pk=analysis.job.charge_id).lease_until
    assert lease >= claim.job.deadline + execution.GRACE - timedelta(seconds=1)


# --- What is lost is told, and stops nobody ----------------------------------------------------------------------


def died_with_data_open(analysis):
    claim = jobs.claim(analysis.job_id)
    jobs.to_running(claim)
    assert execution.open_data(claim) == 1
    later = claim.job.lease_until + timedelta(days=1)
    jobs.expire(later)
    ledger.sweep(later)
    return later


def test_the_author_of_a_run_whose_worker_died_is_told_once_and_it_stays_spent(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    later = died_with_data_open(analysis)
    upkeep.sweep(later)
    upkeep.sweep(later)
    assert progress(reload(analysis), later).code == "failed"
    assert held(grant, cast["sam"]) == (0, analysis.revision.rho)
    assert Notice.objects.filter(recipient=cast["sam"], event=Event.JOB_FAILED).count() == 1


def test_a_request_that_cannot_be_tidied_does_not_hold_up_the_others(cast, grant, monkeypatch):
    stuck = make.request(Status.APPROVED, on=grant)
    other = make.request(Status.APPROVED, on=grant, epsilon="0.11")
    Job.objects.filter(pk__in=[stuck.job_id, other.job_id]).update(status=JobStatus.LOST)
    real = ledger.void

    def void(charge, **kwargs):
        if charge == stuck.job.charge_id:
            raise RuntimeError("planted")
        return real(charge, **kwargs)

    monkeypatch.setattr(ledger, "void", void)
    upkeep.sweep(timezone.now())
    assert reload(other).status == Status.LAPSED
    assert reload(stuck).status == Status.APPROVED


# --- A restored backup -------------------------------------------------------------------------------------------


def test_a_reservation_in_a_restored_backup_is_not_given_back(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    restore_a_backup()
    make.run_jobs()
    upkeep.sweep(timezone.now())
    with pytest.raises(IllegalMove):
        actions.withdraw(reload(analysis), by=cast["sam"])
    assert held(grant, cast["sam"]) == (analysis.revision.rho, 0)


def test_reconciling_spends_what_was_reserved_so_that_it_is_never_drawn_again(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    restore_a_backup()
    bob = make.person("bob", Role.ADMINISTRATOR)
    index = reconciliation.propose(reason="The disk failed.", by=cast["ada"])
    reconciliation.confirm(index, by=bob)
    make.run_jobs()
    upkeep.sweep(timezone.now())
    analysis = reload(analysis)
    assert books.charge(analysis.job.charge_id).state == "BURNT"
    assert held(grant, cast["sam"]) == (0, analysis.revision.rho)
    assert progress(analysis, timezone.now()).code == "failed"
    assert Notice.objects.filter(recipient=cast["sam"], event=Event.JOB_FAILED).count() == 1


# --- Separation of duties ------------------------------------------------------------------------------------------


def test_automation_made_by_somebody_on_the_project_approves_nothing_for_it(cast, grant):
    make.policy(grant.dataset, make.rules(("allow", make.limits("1"))))
    asked = specify(grant, grant.dataset.current, sql=make.QUESTION, epsilon="0.1")
    assert isinstance(verdict_for(grant, asked)[1], Allow)
    people.grant_role(cast["alice"], Role.SCIENTIST, by=cast["ada"])
    projects.add_member(grant.project, User.objects.get(pk=cast["alice"].pk), by=cast["rita"])
    again = make.AccessGrant.objects.get(pk=grant.pk)
    assert isinstance(verdict_for(again, asked)[1], Refer)


def test_who_decided_on_a_projects_requests_cannot_join_it(cast, grant):
    make.request(Status.APPROVED, on=grant)
    people.grant_role(cast["alice"], Role.SCIENTIST, by=cast["ada"])
    with pytest.raises(InvalidInput) as refused:
        projects.add_member(grant.project, User.objects.get(pk=cast["alice"].pk), by=cast["rita"])
    assert refused.value.code == "separation_of_duties"


def test_a_held_answer_is_not_shown_to_a_judge_who_is_on_the_project(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)
    real = execution.conclude

    def frozen_meanwhile(*args):
        catalog.freeze(grant.dataset, reason="Stop.", by=cast["alice"])
        real(*args)

    monkeypatch.setattr(execution, "conclude", frozen_meanwhile)
    make.run_jobs()
    assert reload(analysis).releases.get().status == ReleaseStatus.AWAITING_REVIEW
    people.grant_role(cast["sam"], Role.REVIEWER, by=cast["ada"])
    sam = User.objects.get(pk=cast["sam"].pk)
    catalog.assign(grant.dataset, sam, role=Role.DATASET_REVIEWER, by=cast["alice"])
    with pytest.raises((NotFound, NotAllowed)):
        releases.result(reload(analysis), by=sam)


# --- Lock order ------------------------------------------------------------------------------------------------------


def test_a_persons_first_account_is_opened_after_the_rows_that_the_charge_moves_are_taken(
    cast, grant, monkeypatch
):
    """Whoever holds the log's head waits for no row: else two first approvals deadlock on PostgreSQL."""
    from domains.ledger import accounts

    order = []
    select = accounts.Account.objects.select_for_update

    def taken(**kwargs):
        order.append("rows")
        return select(**kwargs)

    monkeypatch.setattr(accounts.Account.objects, "select_for_update", taken)
    monkeypatch.setattr(accounts, "record", lambda *args, **kwargs: order.append("head"))
    with transaction.atomic():
        accounts.for_charge(grant, cast["sam"])
    assert order == ["rows", "head"]
