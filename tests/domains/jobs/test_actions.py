"""The job table is the truth: one holder at a time, a fence against sleepers, and no way back once data was opened."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.base import new_id
from domains.jobs import actions, queries
from domains.jobs.actions import ClaimLost
from domains.jobs.lifecycle import FINAL, JOB, JobStatus
from domains.jobs.models import Job, JobKind, Result

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)  # slow: for tests of real transactions only
S = JobStatus


def queued(**changes):
    with transaction.atomic():
        kwargs = {"subject": new_id(), "spec": {"a": 1}, "planned_seconds": Decimal("0.5")}
        return actions.queue(JobKind.PROFILE, **kwargs | changes)


def claimed(**changes):
    claim = actions.claim(queued(**changes).pk)
    assert claim is not None
    return claim


def opened(**changes):
    claim = claimed(**changes)
    actions.to_running(claim)
    actions.open_data(claim, tick=0.25)
    return claim


def expired(claim):
    Job.objects.filter(pk=claim.job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    return claim


def status(claim):
    return Job.objects.get(pk=claim.job.pk).status


@committing
def test_a_job_is_queued_in_the_transaction_of_its_decision():
    with pytest.raises(RuntimeError):
        actions.queue(JobKind.PROFILE, subject=new_id(), spec={}, planned_seconds=1)


def test_a_decision_that_fails_leaves_no_job():
    with transaction.atomic():
        queued()
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_one_worker_takes_a_job_and_every_other_gets_nothing():
    job = queued()
    assert actions.claim(job.pk).fence == 1
    assert actions.claim(job.pk) is None


@committing
def test_of_twenty_workers_at_once_exactly_one_takes_it():
    job, gate, found = queued(), threading.Barrier(20), []

    def take():
        try:
            gate.wait()
            found.append(actions.claim(job.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert sum(claim is not None for claim in found) == 1


@pytest.mark.parametrize("changes", [
    {"not_before": timezone.now() + timedelta(hours=1)},
    {"valid_until": timezone.now() - timedelta(seconds=1)},
])  # fmt: skip
def test_a_job_that_is_not_due_or_no_longer_valid_never_starts(changes):
    job = queued(**changes)
    assert actions.claim(job.pk) is None
    assert job not in queries.ready(timezone.now(), ["query"])


def test_a_job_whose_validity_ends_while_it_prepares_does_not_open_data():
    claim = claimed()
    actions.to_running(claim)
    Job.objects.update(valid_until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ClaimLost):
        actions.open_data(claim)
    assert status(claim) == S.RUNNING


def test_the_road_of_a_job():
    claim = opened()
    job = claim.job
    assert job.data_opened_at < job.due_at <= job.lease_until
    assert job.due_at - job.data_opened_at >= timedelta(seconds=0.5)
    assert job.due_at.timestamp() % 0.25 == 0
    actions.finish(claim, S.SUCCEEDED)
    assert status(claim) == S.SUCCEEDED


def test_an_uncharged_job_may_end_without_opening_data_and_keeps_its_bytes():
    claim = claimed()
    actions.to_running(claim)
    actions.finish(claim, S.SUCCEEDED, payload=b"mock")
    assert queries.result(Job.objects.get(pk=claim.job.pk)) == b"mock"
    assert queries.result(queued()) is None


def test_an_end_is_an_end():
    claim = claimed()
    actions.finish(claim, S.FAILED, code="x")
    for step in (actions.to_running, actions.open_data, actions.renew, actions.requeue):
        with pytest.raises(ClaimLost):
            step(claim)
    with pytest.raises(ClaimLost):
        actions.finish(claim, S.SUCCEEDED)
    assert not actions.cancel(claim.job, code="late")
    with pytest.raises(RuntimeError):
        actions.finish(claim, S.RUNNING)


def test_a_charged_jobs_bytes_never_lie_here():
    claim = claimed()
    claim.job.charge_id = "charge"
    with pytest.raises(RuntimeError):
        actions.finish(claim, S.SUCCEEDED, payload=b"noisy")


def test_an_expired_lease_before_data_makes_the_job_claimable_again():
    claim = expired(claimed())
    assert actions.expire(timezone.now()) == 1
    again = actions.claim(claim.job.pk)
    assert (again.fence, again.job.attempts) == (2, 2)


def test_a_worker_that_overslept_its_lease_can_do_nothing_any_more():
    sleeper = expired(claimed())
    actions.expire(timezone.now())
    holder = actions.claim(sleeper.job.pk)
    for step in (actions.to_running, actions.open_data, actions.renew, actions.requeue):
        with pytest.raises(ClaimLost):
            step(sleeper)
    assert sleeper.lost.is_set()
    actions.to_running(holder)
    actions.open_data(holder)
    assert status(holder) == S.DATA_OPEN


def test_without_the_fence_the_sleeper_would_write(monkeypatch):
    """The planted fault: a step that asks for the state alone lets two workers open data."""
    sleeper = expired(claimed())
    actions.expire(timezone.now())
    holder = actions.claim(sleeper.job.pk)
    sleeper.fence = holder.fence
    actions.to_running(sleeper)
    with pytest.raises(ClaimLost):
        actions.to_running(holder)


def test_an_expired_lease_with_data_open_is_lost_for_good():
    claim = expired(opened())
    actions.expire(timezone.now())
    assert status(claim) == S.LOST
    assert actions.claim(claim.job.pk) is None
    assert actions.expire(timezone.now()) == 0


def test_after_the_last_attempt_a_job_is_lost_instead_of_going_round_for_ever():
    job = queued()
    for _ in range(actions.MAX_ATTEMPTS):
        expired(actions.claim(job.pk))
        actions.expire(timezone.now())
    job.refresh_from_db()
    assert (job.status, job.status_code) == (S.LOST, "attempts_exhausted")


def test_a_job_given_back_waits_and_is_lost_after_its_last_attempt():
    claim = claimed()
    actions.requeue(claim, delay=60)
    assert status(claim) == S.QUEUED
    assert actions.claim(claim.job.pk) is None  # not yet
    Job.objects.update(not_before=timezone.now(), attempts=actions.MAX_ATTEMPTS - 1)
    last = actions.claim(claim.job.pk)
    actions.requeue(last)
    assert status(last) == S.LOST


def test_a_lease_is_renewed_and_never_shortened():
    claim = opened()
    far = timezone.now() + timedelta(hours=1)
    Job.objects.update(lease_until=far)
    actions.renew(claim)
    assert Job.objects.get().lease_until == far
    expired(claim)
    actions.renew(claim)
    assert Job.objects.get().lease_until > timezone.now()


def test_an_uncharged_job_lapses_and_a_charged_one_waits_for_its_own_sweep():
    job = queued(valid_until=timezone.now() - timedelta(seconds=1))
    actions.expire(timezone.now())
    job.refresh_from_db()
    assert (job.status, job.status_code) == (S.CANCELLED, "lapsed")


@pytest.mark.parametrize("make", [lambda: actions.Claim(queued(), 0), claimed])
def test_a_job_can_be_cancelled_until_it_opened_data(make):
    claim = make()
    assert actions.cancel(claim.job, code="withdrawn")
    assert claim.job.status == S.CANCELLED
    with pytest.raises(ClaimLost):
        actions.to_running(claim)


def test_a_job_that_opened_data_is_not_cancelled():
    assert not actions.cancel(opened().job, code="withdrawn")


def test_outsiders_learn_an_end_only_when_it_was_due():
    claim = opened()
    before, after = claim.job.due_at - timedelta(milliseconds=1), claim.job.due_at
    actions.finish(claim, S.SUCCEEDED)
    assert queries.public_status(claim.job, before) == "running"
    assert queries.public_status(claim.job, after) == "finished"


@pytest.mark.parametrize("end", sorted(FINAL - {S.SUCCEEDED, S.CANCELLED}))
def test_every_way_of_failing_looks_the_same_and_shows_at_the_same_moment(end):
    claim = opened()
    actions.finish(claim, end)
    assert queries.public_status(claim.job, claim.job.due_at - timedelta(seconds=0.1)) == "running"
    assert queries.public_status(claim.job, claim.job.due_at) == "failed"


def test_before_data_was_opened_an_end_rests_on_public_facts_and_shows_at_once():
    claim = claimed()
    now = timezone.now()
    assert queries.public_status(queued(), now) == "queued"
    assert queries.public_status(claim.job, now) == "running"
    actions.finish(claim, S.FAILED, code="grant_not_usable")
    assert queries.public_status(claim.job, now) == "failed"


def test_the_state_machine_has_no_way_from_open_data_to_another_draw():
    assert not JOB[S.DATA_OPEN].to & {S.QUEUED, S.PREFLIGHT, S.RUNNING}
    assert all(JOB[end].is_final for end in FINAL)


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("change", [
    "status = 'queued'", "status = 'running'", "due_at = created_at", "data_opened_at = NULL", "spec_sha256 = 'x'",
    "subject = 'x'", "kind = 'query'", "fence = 0", "status = 'unheard_of'",
])  # fmt: skip
def test_the_database_refuses_a_second_draw_and_a_changed_job(change):
    opened()
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(f"UPDATE jobs_job SET {change}")


@pytest.mark.parametrize("sql", [
    "UPDATE jobs_job SET status = 'running'", "DELETE FROM jobs_job", "UPDATE jobs_result SET sha256 = 'x'",
    "DELETE FROM jobs_result",
])  # fmt: skip
def test_the_database_keeps_what_ended_and_what_was_produced(sql):
    claim = claimed()
    actions.to_running(claim)
    actions.finish(claim, S.SUCCEEDED, payload=b"mock")
    assert Result.objects.count() == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        execute(sql)


def test_web_sends_nothing_to_the_embedded_broker_and_survives_a_dead_real_one(
    settings, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []

    def send(*args, **kwargs):
        sent.append(kwargs)
        raise OSError("connection refused")

    monkeypatch.setattr(actions.current_app, "send_task", send)
    with django_capture_on_commit_callbacks(execute=True):
        queued()
    assert sent == []
    settings.CELERY_BROKER_URL = "redis://localhost:1/0"
    with django_capture_on_commit_callbacks(execute=True):
        job = queued()
        assert sent == []  # only once the decision is committed
        queued(not_before=timezone.now() + timedelta(hours=1))  # the dispatcher finds this one when it is due
    assert sent == [{"args": [job.pk], "queue": "query", "retry": False}]
