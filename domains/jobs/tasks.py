"""The one Celery task: take a job by its id and do it. May be delivered twice, late, or never."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import DatabaseError, connections

from domains.jobs import actions, handlers
from domains.jobs.heartbeat import Heartbeat
from domains.jobs.lifecycle import FINAL, JobStatus

log = logging.getLogger(__name__)


@shared_task(name="jobs.run", ignore_result=True)
def run(job_id: str) -> bool:
    """Do a job if it can be claimed; False when somebody else has it or it is not due.

    Celery closes the thread's database connection before and after each task.
    """
    claim = actions.claim(job_id)
    if claim is None:
        return False
    with Heartbeat(claim):
        work(claim)
    return True


def take_up(job_id: str) -> None:
    """Do the same without a message, in a thread of the pool; its database connection is closed afterwards."""
    try:
        run(job_id)
    except Exception as error:  # as with a message: the job stays in the table and is passed on again
        log.error("a job could not be taken up", extra={"job": job_id}, exc_info=error)
    finally:
        connections.close_all()


def work(claim: actions.Claim) -> None:
    """Call the handler; whatever it raises, the job is settled and no error text leaves the worker."""
    try:
        handlers.of(claim.job.kind)(claim)
    except actions.ClaimLost:
        log.info("a job was taken away while it ran", extra={"job": claim.job.pk})
        return
    except DatabaseError as error:
        _settle(claim, error, passing=True)
        return
    except Exception as error:
        _settle(claim, error, passing=False)
        return
    if claim.job.status not in FINAL and claim.job.status != JobStatus.QUEUED:
        log.info("a handler returned without ending its job", extra={"job": claim.job.pk})
        _settle(claim, None, passing=True)


def _settle(claim: actions.Claim, error: Exception | None, *, passing: bool) -> None:
    """End or give back a job whose handler did not; with data open it stays as it is until its lease ends.

    The ledger decides what became of an opened job (a persisted answer is released, anything else burnt), so
    there this function does nothing. Only an error's kind is logged: its text may hold private values.
    """
    if error is not None:
        log.error("a handler failed", extra={"job": claim.job.pk}, exc_info=error)
    try:
        if claim.job.status == JobStatus.DATA_OPEN:
            return
        if passing:
            actions.requeue(claim)
        else:
            actions.finish(claim, JobStatus.FAILED, code="handler_failed")
    except (actions.ClaimLost, DatabaseError):
        log.info("a job was left to its lease", extra={"job": claim.job.pk})
