"""What a worker does around a handler: it settles every job, keeps its lease, sweeps, and shows that it lives."""

import logging
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from domains.base import new_id
from domains.jobs import actions, handlers, queries, sweeps, tasks
from domains.jobs.dispatcher import Dispatcher, DispatcherStep, keeper
from domains.jobs.heartbeat import Heartbeat
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job, JobKind, WorkerBeat

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)  # slow: for tests with threads only
S = JobStatus
SECRET = "canary 4711"


@pytest.fixture
def handled(monkeypatch):
    """Let a test say what the handler of PROFILE jobs does."""

    def handle(handler):
        monkeypatch.setitem(handlers._registry, str(JobKind.PROFILE), handler)

    return handle


def queued(**changes):
    with transaction.atomic():
        kwargs = {"subject": new_id(), "spec": {}, "planned_seconds": 1}
        return actions.queue(JobKind.PROFILE, **kwargs | changes)


def run(job):
    done = tasks.run(job.pk)
    job.refresh_from_db()
    return done


def test_a_job_is_done_once_however_often_it_is_delivered(handled):
    calls = []

    def handler(claim):
        calls.append(claim.fence)
        actions.to_running(claim)
        actions.finish(claim, S.SUCCEEDED)

    handled(handler)
    job = queued()
    assert [run(job), run(job), tasks.run("no such job")] == [True, False, False]
    assert (calls, job.status) == ([1], S.SUCCEEDED)


def test_a_handler_that_fails_ends_its_job_and_its_words_stay_inside(handled, caplog):
    def handler(claim):
        raise ValueError(SECRET)

    handled(handler)
    job = queued()
    run(job)
    assert (job.status, job.status_code) == (S.FAILED, "handler_failed")
    assert SECRET not in " ".join(record.getMessage() for record in caplog.records)


def test_a_database_that_was_away_is_met_again(handled):
    def handler(claim):
        raise OperationalError("database is locked")

    handled(handler)
    job = queued()
    run(job)
    assert (job.status, job.attempts) == (S.QUEUED, 1)


def test_a_handler_that_forgets_to_end_its_job_gives_it_back(handled):
    handled(lambda claim: None)
    job = queued()
    run(job)
    assert job.status == S.QUEUED


@pytest.mark.parametrize("error", [ValueError, OperationalError])
def test_with_data_open_only_the_lease_and_the_ledger_decide(handled, error):
    def handler(claim):
        actions.to_running(claim)
        actions.open_data(claim)
        raise error

    handled(handler)
    job = queued()
    run(job)
    assert job.status == S.DATA_OPEN
    assert tasks.run(job.pk) is False


def test_a_job_that_was_cancelled_while_it_ran_stays_cancelled(handled):
    def handler(claim):
        actions.cancel(Job.objects.get(pk=claim.job.pk), code="withdrawn")
        actions.to_running(claim)

    handled(handler)
    job = queued()
    run(job)
    assert job.status == S.CANCELLED


def test_a_claim_lost_at_the_end_is_left_alone(handled):
    def handler(claim):
        actions.cancel(Job.objects.get(pk=claim.job.pk), code="withdrawn")
        raise ValueError

    handled(handler)
    job = queued()
    run(job)
    assert job.status == S.CANCELLED


@committing
def test_the_heartbeat_keeps_a_lease_alive(settings):
    settings.JOB_LEASE_SECONDS = 0.3
    claim = actions.claim(queued().pk)
    with Heartbeat(claim):
        time.sleep(1)
        assert actions.expire(timezone.now()) == 0
        assert not claim.lost.is_set()
    assert claim.lost.is_set()


@committing
def test_the_heartbeat_notices_a_claim_that_is_gone(settings):
    settings.JOB_LEASE_SECONDS = 0.3
    claim = actions.claim(queued().pk)
    with Heartbeat(claim):
        actions.cancel(claim.job, code="withdrawn")
        assert claim.lost.wait(3)


def test_a_heartbeat_outlives_a_database_that_is_briefly_away(settings, monkeypatch):
    settings.JOB_LEASE_SECONDS = 0.15
    claim = actions.claim(queued().pk)
    beats = []

    def renew(claim):
        beats.append(claim)
        raise OperationalError("database is locked")

    monkeypatch.setattr(actions, "renew", renew)
    with Heartbeat(claim):
        time.sleep(0.5)
    assert len(beats) >= 2


def dispatcher(sent, queues=("query",)):
    return Dispatcher("worker-1@here", list(queues), lambda job, queue: sent.append((job, queue)))


def test_the_dispatcher_passes_on_what_is_due_once_and_again_after_a_lease(settings):
    sent = []
    one = dispatcher(sent)
    job = queued()
    queued(queue="code")
    queued(not_before=timezone.now() + timedelta(hours=1))
    assert [one.look(100.0), one.look(100.1)] == [1, 0]
    assert sent == [(job.pk, "query")]
    assert one.look(100.2 + settings.JOB_LEASE_SECONDS) == 1


def test_a_job_that_was_given_back_is_passed_on_at_once():
    sent = []
    one = dispatcher(sent)
    job = queued()
    one.look(100.0)
    actions.requeue(actions.claim(job.pk), delay=0)
    assert one.look(100.1) == 1


@committing
def test_the_dispatcher_goes_on_when_a_look_fails(settings, monkeypatch):
    settings.DISPATCH_INTERVAL = 0.01
    sent, real = [], queries.ready
    looks = iter([OperationalError("away")])

    def ready(*args):
        for error in looks:
            raise error
        return real(*args)

    monkeypatch.setattr(queries, "ready", ready)
    job = queued()
    one = dispatcher(sent)
    one.start()
    end = time.monotonic() + 10
    while not sent and time.monotonic() < end:
        time.sleep(0.02)
    one.stop()
    assert sent == [(job.pk, "query")]


class Pool:
    """A worker's pool that keeps what it is given to do."""

    def __init__(self):
        self.given = []

    def apply_async(self, target, args, callback):
        self.given.append((target, args))
        callback(True)


@committing
def test_the_dispatcher_begins_and_ends_with_its_worker(settings, monkeypatch):
    settings.DISPATCH_INTERVAL = 0.01
    said = []
    monkeypatch.setattr(keeper, "start", lambda: said.append("start"))
    monkeypatch.setattr(keeper, "stop", lambda: said.append("stop"))
    queues = SimpleNamespace(consume_from={"query": None, "default": None})
    app = SimpleNamespace(amqp=SimpleNamespace(queues=queues))
    worker = SimpleNamespace(hostname="worker-1@here", pool=Pool(), app=app)
    step = DispatcherStep(worker)
    step.stop(worker)  # before it began
    job = queued()
    step.start(worker)
    end = time.monotonic() + 10
    while not worker.pool.given and time.monotonic() < end:
        time.sleep(0.02)
    step.terminate(worker)
    assert worker.pool.given == [(tasks.take_up, (job.pk,))]
    assert said == ["start", "stop"]
    assert WorkerBeat.objects.get().queues == ["default", "query"]
    queued()
    time.sleep(0.1)
    assert len(worker.pool.given) == 1, "nothing is passed on any more"


@committing
def test_a_job_that_could_not_be_taken_up_stays_for_another_look(monkeypatch, caplog):
    def away(job_id):
        raise OperationalError(SECRET)

    job = queued()
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(tasks, "run", away)
        tasks.take_up(job.pk)
    assert [record.getMessage() for record in caplog.records] == ["a job could not be taken up"]
    assert [row.pk for row in queries.ready(timezone.now(), ["query"])] == [job.pk]


def test_a_sweep_that_fails_stops_no_other(monkeypatch, caplog):
    seen = []

    def broken(now):
        raise ValueError(SECRET)

    monkeypatch.setattr(sweeps, "_registry", [broken])
    sweeps.register(seen.append)
    sweeps.register(seen.append)
    with caplog.at_level(logging.ERROR):
        sweeps.run_all("now")
    assert seen == ["now"]
    assert SECRET not in " ".join(record.getMessage() for record in caplog.records)


def test_health_names_the_workers_that_live_and_what_waits():
    now = timezone.now()
    assert not queries.worker_health(now).is_ok
    queued()
    dispatcher([], ("query", "default")).look(1.0)
    WorkerBeat.objects.create(name="dead", queues=["code"], pid=1, seen_at=now - timedelta(minutes=1))
    health = queries.worker_health(timezone.now())
    assert (health.workers, health.queues, health.waiting) == (("worker-1@here",), ("default", "query"), 1)
    assert health.is_ok
    assert health.oldest_seconds > 0


def test_signs_of_life_of_long_gone_workers_are_cleared():
    WorkerBeat.objects.create(name="dead", queues=[], pid=1, seen_at=timezone.now() - timedelta(days=2))
    dispatcher([]).look(1.0)
    assert [beat.name for beat in WorkerBeat.objects.all()] == ["worker-1@here"]


def test_a_subject_is_given_up_when_its_newest_job_ended_badly():
    job = queued()
    assert not queries.is_given_up(job.subject)
    actions.finish(actions.claim(job.pk), S.LOST)
    assert queries.is_given_up(job.subject)
    again = actions.claim(queued(subject=job.subject).pk)
    actions.to_running(again)
    actions.finish(again, S.SUCCEEDED)
    assert not queries.is_given_up(job.subject)
