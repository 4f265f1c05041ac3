"""Real workers in processes of their own, killed under load: no job is lost, and none draws twice."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection, transaction
from django.utils import timezone

from domains.base import new_id
from domains.jobs import actions, queries
from domains.jobs.lifecycle import FINAL, JobStatus
from domains.jobs.models import Job, JobKind
from tests import services

pytestmark = pytest.mark.django_db(transaction=True)
PROGRAM = Path(__file__).with_name("worker_program.py")
CHILDREN = re.compile(rb"^PPid:\s+(\d+)", re.MULTILINE)


def database_url():
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    password = f":{quote(settings['PASSWORD'])}" if settings["PASSWORD"] else ""
    host = quote(settings["HOST"], safe="")
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"postgresql://{settings['USER']}{password}@{host}{port}/{settings['NAME']}"


class Workers:
    """Starts workers on the test's own database and leaves none behind."""

    def __init__(self, home, **env):
        self.home, self.running = home, []
        self.env = {
            **os.environ,
            "GRIDHOUSE_HOME": str(home),
            "DATABASE_URL": database_url(),
            "JOB_LEASE_SECONDS": "2",
            "DISPATCH_INTERVAL_MS": "20",
            "LOG_LEVEL": "ERROR",
            **env,
        }
        self.draws_file = home / "draws"

    def start(self, variant="right"):
        command = [sys.executable, str(PROGRAM), variant, str(self.draws_file)]
        log = (self.home / "worker.log").open("ab")
        with log:
            process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def draws(self):
        lines = self.draws_file.read_text().splitlines() if self.draws_file.exists() else []
        return Counter(line.split()[0] for line in lines)

    def pids(self):
        lines = self.draws_file.read_text().splitlines()
        return {int(line.split()[1]) for line in lines}

    def stop(self):
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def workers(tmp_path, home):
    made = Workers(tmp_path)
    yield made
    made.stop()


def queue(count, **changes):
    with transaction.atomic():
        for _ in range(count):
            kwargs = {"subject": new_id(), "spec": {}, "planned_seconds": "0.01"}
            actions.queue(JobKind.QUERY, **kwargs | changes)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def all_ended():
    return not Job.objects.exclude(status__in=FINAL).exists()


def children_of(pid):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = CHILDREN.search((entry / "status").read_bytes())
            except OSError:
                continue
            if parent and int(parent[1]) == pid:
                found.append(int(entry.name))
    return found


def is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def kill_under_load(workers, *, jobs, kills, variant):
    """Let workers do `jobs` while each is killed by SIGKILL once it has begun; then let the last one finish."""
    queue(jobs)
    for _ in range(kills):
        before = sum(workers.draws().values())
        worker = workers.start(variant)
        assert until(lambda: sum(workers.draws().values()) >= before + 2 or all_ended())  # noqa: B023
        time.sleep(random.random() * 0.1)
        servers = children_of(worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert until(lambda: not any(map(is_alive, servers)), 5)  # noqa: B023
    workers.start(variant)
    assert until(all_ended, 30 + jobs)


def require_nothing_lost(workers, *, jobs, kills):
    rows = list(Job.objects.all())
    assert len(rows) == jobs
    assert {row.status for row in rows} <= {JobStatus.SUCCEEDED, JobStatus.LOST}
    lost = [row for row in rows if row.status == JobStatus.LOST]
    assert len(lost) <= 2 * kills  # a worker holds two jobs at most
    assert all(row.data_opened_at is not None for row in lost)  # before that, they were done by another
    draws = workers.draws()
    assert max(draws.values()) == 1
    assert all(draws[row.pk] == 1 for row in rows if row.status == JobStatus.SUCCEEDED)


def test_kill_9_under_load_loses_no_job_and_draws_none_twice(workers):
    kill_under_load(workers, jobs=16, kills=2, variant="right")
    require_nothing_lost(workers, jobs=16, kills=2)


@pytest.mark.prove
def test_the_harness_sees_a_worker_that_draws_before_it_opens_data(workers):
    kill_under_load(workers, jobs=6, kills=1, variant="wrong")
    assert max(workers.draws().values()) > 1


@pytest.mark.prove
def test_kill_9_under_load_many_times(workers):
    kill_under_load(workers, jobs=150, kills=20, variant="right")
    require_nothing_lost(workers, jobs=150, kills=20)


@pytest.mark.prove
def test_two_workers_share_the_work_and_never_a_job(workers):
    queue(20)
    workers.start()
    workers.start()
    assert until(all_ended)
    assert set(workers.draws().values()) == {1}
    assert len(workers.draws()) == 20
    assert os.getpid() not in workers.pids()  # a worker is never the process that was asked


def test_a_worker_shows_that_it_lives_and_ends_when_told_leaving_nobody(workers):
    worker = workers.start()
    assert until(lambda: queries.worker_health(timezone.now()).is_ok)
    assert queries.worker_health(timezone.now()).queues == ("default", "query", "workloads")
    queue(1)
    assert until(all_ended)
    servers = children_of(worker.pid)
    assert servers
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert until(lambda: not any(map(is_alive, servers)), 5)


@pytest.mark.redis
def test_on_redis_a_hint_reaches_a_worker_without_the_dispatcher(tmp_path, settings, monkeypatch):
    url = services.redis_url()
    workers = Workers(tmp_path, REDIS_URL=url, DISPATCH_INTERVAL_MS="600000")
    settings.CELERY_BROKER_URL = url
    monkeypatch.setattr(actions, "current_app", broker(url))
    try:
        workers.start()
        workers.start()
        assert until(lambda: len(queries.worker_health(timezone.now()).workers) == 2)
        queue(20)
        assert until(all_ended)
        assert set(workers.draws().values()) == {1}
    finally:
        workers.stop()


@pytest.mark.prove
@pytest.mark.redis
def test_on_redis_the_dispatcher_finds_what_no_hint_told_of(tmp_path):
    workers = Workers(tmp_path, REDIS_URL=services.redis_url())
    try:
        workers.start()
        queue(5)  # this process knows of no broker, as if every hint were lost
        assert until(all_ended)
    finally:
        workers.stop()


def test_a_worker_whose_broker_is_away_does_what_is_due(tmp_path):
    workers = Workers(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")  # nothing listens on this port
    try:
        workers.start()
        queue(5)
        assert until(all_ended)
        assert set(workers.draws().values()) == {1}
    finally:
        workers.stop()


def broker(url):
    from celery import Celery

    app = Celery("web", broker=url, set_as_current=False)
    app.conf.task_default_queue = "default"
    return app
