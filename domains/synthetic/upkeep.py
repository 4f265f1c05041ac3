"""Sweeps that tidy synthetic mocks. Each is idempotent, and no rule depends on one having run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from domains.audit.checkpoints import witness
from domains.catalog import storage
from domains.errors import IllegalMove
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.synthetic.lifecycle import MockStatus
from domains.synthetic.measuring import conclude, fail, lapse
from domains.synthetic.models import SyntheticMock

log = logging.getLogger(__name__)
_GIVEN_UP = (JobStatus.LOST, JobStatus.FAILED)


def sweep(now: datetime) -> None:
    """Lapse unused confirmations, conclude what a dying worker left behind, and own up to what was lost."""
    confirmed = SyntheticMock.objects.filter(status=MockStatus.CONFIRMED)
    _each(expire, confirmed.filter(job__status=JobStatus.QUEUED, job__valid_until__lte=now))
    stranded = confirmed.filter(job__status=JobStatus.LOST, job__charge__answer__isnull=False)
    _each(rescue, stranded.filter(job__due_at__lte=now))
    _each(give_back, confirmed.filter(job__status__in=_GIVEN_UP, job__data_opened_at=None))
    unanswered = Q(job__status=JobStatus.LOST) | Q(job__status=JobStatus.FAILED, job__data_opened_at=None)
    _each(own_up, confirmed.filter(unanswered, job__charge__state="BURNT"))
    _each(give_up, SyntheticMock.objects.filter(status=MockStatus.MEASURED))
    _each(clear, SyntheticMock.objects.filter(status=MockStatus.RETRACTED))


def _each(step: Callable[[SyntheticMock], bool], found: QuerySet[SyntheticMock]) -> None:
    """Take the step for each; one that fails does not stop the others and is tried again next time."""
    for mock in found.select_related("version__dataset", "proposed_by", "decided_by", "job")[:100]:
        try:
            step(mock)
        except IllegalMove:  # somebody moved it first, which is as good
            continue
        except Exception as error:
            log.error("a synthetic mock could not be tidied", extra={"mock": mock.pk}, exc_info=error)


def expire(mock: SyntheticMock) -> bool:
    """Void a confirmation that no worker took up in time."""
    with transaction.atomic(durable=True):
        if not jobs.cancel(mock.run, code="confirmation_expired"):
            return False
        lapse(mock, "confirmation_expired")
    return True


def rescue(mock: SyntheticMock) -> bool:
    """Go on with the persisted answer of a worker that died before it could."""
    sha256 = books.answer_sha256(mock.run.charge_key)
    if sha256 is None:
        return False
    witness()
    with transaction.atomic(durable=True):
        conclude(mock, sha256=sha256, at=mock.run.deadline)
    return True


def give_back(mock: SyntheticMock) -> bool:
    """Void the reservation of a job that was given up before data was read."""
    if books.charge(mock.run.charge_key).state != "RESERVED":
        return False
    with transaction.atomic(durable=True):
        lapse(mock, "no_worker_finished")
    return True


def own_up(mock: SyntheticMock) -> bool:
    """Say that a charged measurement will never be answered."""
    with transaction.atomic(durable=True):
        fail(mock, "no_answer")
    return True


def give_up(mock: SyntheticMock) -> bool:
    """Say that no worker could make the rows of a measured mock."""
    if not job_queries.is_given_up(mock.pk):
        return False
    with transaction.atomic(durable=True):
        fail(mock, "no_worker_finished")
    return True


def clear(mock: SyntheticMock) -> bool:
    """Delete the files of retracted rows, unless rows that stand are the same bytes."""
    if not storage.synthetic_path(mock.file_sha256, "parquet").exists():
        return False
    same = SyntheticMock.objects.filter(file_sha256=mock.file_sha256)
    if same.exclude(status=MockStatus.RETRACTED).exists():
        return False
    storage.remove(mock.file_sha256)
    return True
