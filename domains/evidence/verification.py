"""The check of everything, by a worker: the log from its leaves up, its witness, the ledger, answers and releases."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.audit.verify import inner_faults, witness_faults
from domains.evidence.snapshot import snapshot
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs.actions import Claim
from domains.jobs.lifecycle import FINAL, JobStatus
from domains.jobs.models import Job, JobKind
from domains.ledger import checking
from domains.ledger import queries as books
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.requests.models import Release

SUBJECT = "log"
PLANNED_SECONDS = 3600
MOST_FINDINGS = 200  # of one check; a log that was tampered with may have one for each event


@dataclass(frozen=True)
class Check:
    """One check: where it stands, and what it found once it is done."""

    key: str
    status: str  # queued, running, finished or failed
    asked_at: datetime
    finished_at: datetime | None
    report: dict[str, Any]

    @property
    def is_open(self) -> bool:
        return self.status in ("queued", "running")

    @property
    def is_whole(self) -> bool:
        return self.status == "finished" and not self.report.get("findings")


@transaction.atomic(durable=True)
def ask(*, by: User) -> Check:
    """Have a worker check everything; while a check is under way, return that one and ask for no second."""
    require(by, Permission.AUDIT_READ)
    running = Job.objects.filter(kind=JobKind.VERIFICATION).exclude(status__in=FINAL).first()
    if running is not None:
        return _shown(running)
    job = jobs.queue(
        JobKind.VERIFICATION,
        subject=SUBJECT,
        spec={"asked_by": by.pk},
        planned_seconds=PLANNED_SECONDS,
        queue="default",
    )
    record(Event.LOG_CHECK_ASKED, by=by, on=f"log:{checkpoints.origin()}", job=job.pk)
    return _shown(job)


def latest(user: User, count: int = 10) -> list[Check]:
    """Return the newest checks, newest first."""
    require(user, Permission.AUDIT_READ)
    rows = Job.objects.filter(kind=JobKind.VERIFICATION).select_related("result").order_by("-id")
    return [_shown(row) for row in rows[:count]]


def _shown(job: Job) -> Check:
    words = {JobStatus.QUEUED: "queued", JobStatus.SUCCEEDED: "finished"}
    status = words.get(JobStatus(job.status), "failed" if job.status in FINAL else "running")
    payload = job_queries.result(job) if status == "finished" else None
    return Check(job.pk, status, job.created_at, job.finished_at, json.loads(payload) if payload else {})


def run(claim: Claim) -> None:
    """Do one check, in any worker. May be delivered twice: it changes nothing but its own report."""
    jobs.to_running(claim)
    began = time.monotonic()
    with snapshot():
        head, note = checkpoints.head(), checkpoints.current()
        findings, ledger = inner_faults(), checking.check()
        releases, wrong = _releases()
    findings += [*witness_faults(is_whole=not findings), *ledger.findings, *wrong]
    report = {
        "checkpoint": note,
        "events": head.size,
        "root": head.root.hex(),
        "accounts": ledger.accounts,
        "charges": ledger.charges,
        "answers": ledger.answers,
        "releases": releases,
        "faults": len(findings),
        "findings": findings[:MOST_FINDINGS],
        "at": timezone.now().isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began),
    }
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.SUCCEEDED, payload=json.dumps(report).encode())
        record(
            Event.LOG_CHECKED,
            by="system",
            on=f"log:{checkpoints.origin()}",
            job=claim.job.pk,
            size=head.size,
            root=head.root.hex(),
            faults=len(findings),
        )


def _releases() -> tuple[int, list[str]]:
    """Compare what each release says it let out with the answer that the ledger holds."""
    wrong, seen = [], 0
    for key, charge, sha256 in Release.objects.values_list("pk", "charge_id", "sha256").iterator(2000):
        seen += 1
        if books.answer_sha256(charge) != sha256:
            wrong.append(f"release {key} let out other bytes than the ledger's answer")
    return seen, wrong
