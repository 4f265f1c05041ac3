"""The thread in every worker that looks at the job table: passes on what is due, sweeps, shows it lives.

On the embedded broker it is the only way a job reaches the pool; on a real broker it is the safety net, and
so goes past the broker: a consumer that found Redis again may stay deaf (celery/celery#8091). It never claims:
`jobs.run` does, so a job that is passed on twice is still done once.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone

from domains.jobs import queries, sweeps, tasks
from domains.jobs.keeper import keeper
from domains.jobs.models import WorkerBeat

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
FORGET = timedelta(days=1)


class Dispatcher:
    """Looks at the table every `DISPATCH_INTERVAL` seconds until stopped."""

    def __init__(self, name: str, queues: list[str], send: Callable[[str, str], object]) -> None:
        """Speak for the worker `name`, which serves `queues`; `send(job_id, queue)` passes a job on."""
        self._name, self._queues, self._send = name, queues, send
        self._sent: dict[tuple[str, int], float] = {}
        self._swept = self._beaten = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _loop(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self.look(time.monotonic())
                except Exception as error:  # a database that is briefly away must not end the thread
                    log.error("the job table could not be read", exc_info=error)
                    self._stopping.wait(1.0)
                close_old_connections()
                self._stopping.wait(settings.DISPATCH_INTERVAL)
        finally:
            connection.close()

    def look(self, moment: float) -> int:
        """Do what is due at `moment` (monotonic seconds); return how many jobs were passed on."""
        if moment - self._beaten >= BEAT_SECONDS or not self._beaten:
            self._beaten = moment
            self._beat()
        if moment - self._swept >= min(2.0, settings.JOB_LEASE_SECONDS / 4) or not self._swept:
            self._swept = moment
            sweeps.run_all(timezone.now())
        return self._pass_on(moment)

    def _pass_on(self, moment: float) -> int:
        """Send due jobs to the pool; one that stays unclaimed for a whole lease is sent again."""
        again = moment - settings.JOB_LEASE_SECONDS
        self._sent = {key: at for key, at in self._sent.items() if at > again}
        count = 0
        for job in queries.ready(timezone.now(), self._queues):
            key = (job.pk, job.attempts)
            if key not in self._sent:
                self._send(job.pk, job.queue)
                self._sent[key] = moment
                count += 1
        return count

    def _beat(self) -> None:
        now = timezone.now()
        WorkerBeat.objects.update_or_create(
            name=self._name, defaults={"queues": self._queues, "pid": os.getpid(), "seen_at": now}
        )
        WorkerBeat.objects.filter(seen_at__lt=now - FORGET).delete()


class DispatcherStep(bootsteps.StartStopStep):
    """Starts the fork server and the dispatcher with the worker, and stops them with it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        self._dispatcher: Dispatcher | None = None
        super().__init__(worker, **options)

    def start(self, worker: Any) -> None:
        keeper.start()
        queues = sorted(worker.app.amqp.queues.consume_from)
        self._dispatcher = Dispatcher(worker.hostname, queues, partial(_to_pool, worker.pool))
        self._dispatcher.start()

    def stop(self, worker: Any) -> None:
        if self._dispatcher is not None:
            self._dispatcher.stop()

    def terminate(self, worker: Any) -> None:
        self.stop(worker)
        keeper.stop()


def _to_pool(pool: Any, job_id: str, queue: str) -> None:
    """Have this worker's own pool take up a job that is due in one of its queues."""
    pool.apply_async(tasks.take_up, (job_id,), callback=_nothing_to_tell)


def _nothing_to_tell(outcome: object) -> None:
    """Receive what the pool reports of a job; the job table says it."""
