"""From a stored answer to published rows: fitted, drawn and written by a worker's child, uncharged.

Nothing but the answer's bytes and public metadata goes in, so it may be done again and gives the same files.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import coarse, move
from domains.catalog import storage
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.notices.outbox import tell
from domains.requests.fitting import FIT_SECONDS
from domains.requests.fitting import PREPARE_SECONDS as FIT_PREPARE_SECONDS
from domains.synthetic.actions import address, lock, seconds
from domains.synthetic.lifecycle import MockStatus
from domains.synthetic.measuring import fail, of_job
from domains.synthetic.models import SyntheticMock
from privacy.workload.model import sha256

MOST_FILE_MB = 1_024


def run(claim: Claim) -> None:
    """Make and publish the rows of one measured mock. May be delivered twice: the same answer gives the same rows."""
    mock = of_job(claim)
    answer = books.answer(mock.charge_id) if mock.charge_id else None
    if mock.status != MockStatus.MEASURED or answer is None:
        jobs.finish(claim, JobStatus.CANCELLED, code="not_measured")
        return
    try:
        with storage.workplace() as folder:
            files = {kind: folder / f"rows.{kind}" for kind in ("parquet", "csv")}
            made = _made(claim, answer, {kind: str(file) for kind, file in files.items()})
            file_sha256 = storage.store_mock(files["parquet"], files["csv"])
    except ChildFailed as failure:
        if failure.is_passing:
            jobs.requeue(claim)
            return
        with transaction.atomic(durable=True):
            jobs.finish(claim, JobStatus.FAILED, code=failure.code)
            fail(mock, failure.code)
        return
    _publish(mock, claim, made, file_sha256)


def _made(claim: Claim, answer: bytes, files: dict[str, str]) -> dict[str, Any]:
    """Let a child fit the answer and write the rows of its model; return the report and the model."""
    child = Child(
        "synthesis",
        claim.job.spec,
        memory_mb=settings.JOB_MEMORY_MB,
        seconds=FIT_SECONDS + FIT_PREPARE_SECONDS,
        file_mb=MOST_FILE_MB,
        lost=claim.lost,
    )
    with child:
        child.prepared(FIT_PREPARE_SECONDS)
        jobs.to_running(claim)
        made: dict[str, Any] = json.loads(child.go({"answer": answer.decode(), **files}, timeout=FIT_SECONDS))
    return made


def _publish(mock: SyntheticMock, claim: Claim, made: dict[str, Any], file_sha256: str) -> None:
    """Store the model, and let the rows out for everybody who may see the dataset."""
    model = made["model"].encode()
    now = coarse(timezone.now(), float(mock.dataset.tick))
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.SUCCEEDED, payload=model)
        lock(mock)
        move(
            mock,
            MockStatus.PUBLISHED,
            model_sha256=sha256(model),
            file_sha256=file_sha256,
            report=made["report"],
            published_at=now,
        )
        record(
            Event.SYNTHETIC_PUBLISHED,
            by="system",
            on=mock,
            charge=mock.charge_id,
            answer=mock.answer_sha256,
            model=mock.model_sha256,
            file=file_sha256,
        )
        text = f"Synthetic rows of “{mock.dataset.title}” at ε = {mock.epsilon} are published."
        told = seconds(mock.dataset) | {mock.proposed_by}
        tell(told, Event.SYNTHETIC_PUBLISHED, text, address(mock))
