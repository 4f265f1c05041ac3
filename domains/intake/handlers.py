"""What a worker does with an upload, always in a limited child: check it, then make the version's file and mock.

Each handler may be called twice for one job; it starts again from the staged bytes and overwrites nothing.
"""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog import storage
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion, MockOrigin
from domains.intake import staging, tables
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import Upload, UploadPurpose
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.notices.outbox import tell

PREPARE_SECONDS = 20
MOCK_ROWS = 1_000
MOCK_SECONDS = 60


class Refused(Exception):
    """A file is not taken; `code` says why, `findings` what its owner may see of it."""

    def __init__(self, code: str, findings: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.findings = findings or {}


def check(claim: Claim) -> None:
    """Read an upload for the first time and report to its owner what it is."""
    upload = _upload(claim)
    if upload.status == UploadStatus.RECEIVED:
        move(upload, UploadStatus.CHECKING)
    if upload.status != UploadStatus.CHECKING:
        jobs.finish(claim, JobStatus.CANCELLED, code="upload_gone")
        return
    jobs.to_running(claim)
    spec = _limits(upload) | {"max_expanded_mb": settings.UPLOAD_MAX_EXPANDED_MB}
    try:
        _require_intact(upload)
        findings = _ask(claim, "check", spec, {"path": str(staging.path_of(upload.pk))})
    except Refused as refusal:
        _conclude(claim, upload, UploadStatus.REFUSED, Event.UPLOAD_REFUSED, refusal.findings, refusal.code)
        staging.delete(upload.pk)
        return
    except ChildFailed:
        jobs.requeue(claim)
        return
    _conclude(claim, upload, UploadStatus.READY, Event.UPLOAD_CHECKED, findings, "")


def conform(claim: Claim) -> None:
    """Make the version's file from a checked upload; for private data also the mock, from the schema alone."""
    upload = _upload(claim)
    if upload.status != UploadStatus.CONFORMING:
        jobs.finish(claim, JobStatus.CANCELLED, code="upload_gone")
        return
    jobs.to_running(claim)
    try:
        _require_intact(upload)
        with storage.workplace() as folder:
            findings = _make(claim, upload, folder)
            made = _made(claim, upload, folder)
    except Refused as refusal:
        findings = upload.findings | {"made": refusal.findings}
        _conclude(claim, upload, UploadStatus.READY, Event.UPLOAD_REFUSED, findings, refusal.code)
        return
    except ChildFailed:
        jobs.requeue(claim)
        return
    _enter(claim, upload, made, upload.findings | {"made": findings})


def _upload(claim: Claim) -> Upload:
    return Upload.objects.select_related("version__dataset", "created_by").get(pk=claim.job.subject)


def _is_mock(upload: Upload) -> bool:
    return upload.purpose == UploadPurpose.MOCK


def _limits(upload: Upload) -> dict[str, Any]:
    """Return what every child is told: the format, and how much memory and how many threads its engine may use."""
    return {
        "format": upload.format,
        "memory_mb": settings.JOB_MEMORY_MB // 2,
        "threads": settings.JOB_THREADS,
    }


def _require_intact(upload: Upload) -> None:
    if not staging.is_intact(upload):
        raise Refused("upload_changed")


def _ask(
    claim: Claim, entry: str, spec: dict[str, Any], payload: dict[str, Any], *, file_mb: int = 0
) -> dict[str, Any]:
    """Let a child do one thing and return its report. Raises Refused, and ChildFailed if another try may help."""
    seconds = float(claim.job.planned_seconds)
    memory = settings.JOB_MEMORY_MB
    child = Child(
        entry, spec, memory_mb=memory, seconds=seconds + PREPARE_SECONDS, file_mb=file_mb, lost=claim.lost
    )
    try:
        with child:
            child.prepared(PREPARE_SECONDS)
            report: dict[str, Any] = json.loads(child.go(payload, timeout=seconds))
    except ChildFailed as failure:
        if failure.is_passing or claim.lost.is_set():
            raise
        # Its memory or its time was not enough, or the file is one that breaks a reader: refused either way.
        is_limit = failure.code in ("timed_out", "computation_failed", "engine_fault")
        raise Refused("limits_exceeded" if is_limit else failure.code) from failure
    if "refused" in report:
        raise Refused(report.pop("refused"), report)
    return report


def _make(claim: Claim, upload: Upload, folder: Path) -> dict[str, Any]:
    """Write the upload's rows under the declared schema to `folder`; return the owner's counts."""
    spec = _limits(upload) | {"table": claim.job.spec["table"]}
    payload = {
        "path": str(staging.path_of(upload.pk)),
        "out": str(folder / "made.parquet"),
        "scratch": str(folder),
    }
    return _ask(claim, "conform", spec, payload, file_mb=2 * settings.UPLOAD_MAX_EXPANDED_MB)


def _made(claim: Claim, upload: Upload, folder: Path) -> dict[str, Any]:
    """Store what `_make` wrote, with its mock; return what the version, or its table, says of both."""
    if _is_mock(upload):
        return _made_mock(claim, upload, folder)
    if claim.job.spec["table"]["is_public"]:
        return _made_public(claim, folder)
    made = _made_data(claim, upload, folder)
    return {name: made[name] for name in ("sha256", "mock_sha256")} if upload.table else made


def _made_public(claim: Claim, folder: Path) -> dict[str, Any]:
    """Store a public table, which is its own mock, for people to download as it is."""
    made, copy, csv = folder / "made.parquet", folder / "mock.parquet", folder / "mock.csv"
    _ask(claim, "export", {"memory_mb": 512}, {"parquet": str(made), "csv": str(csv)}, file_mb=1024)
    shutil.copyfile(made, copy)
    return {"mock_sha256": storage.store_mock(copy, csv), "sha256": storage.store(made)}


def _made_data(claim: Claim, upload: Upload, folder: Path) -> dict[str, Any]:
    """Store the private file and a mock drawn from the schema; return what the version says of both."""
    table = claim.job.spec["table"]
    source = tables.find(upload.version, upload.table) if upload.table else upload.version
    rows = min(source.declared_rows or MOCK_ROWS, 10 * MOCK_ROWS)
    words = {"seed": claim.job.spec["schema_sha256"], "unit": claim.job.spec["unit"], "memory_mb": 512}
    spec = {"table": table, "rows": rows, **words}
    payload = {"parquet": str(folder / "mock.parquet"), "csv": str(folder / "mock.csv")}
    _ask(claim, "mock", spec, payload, file_mb=1024)
    mock = storage.store_mock(folder / "mock.parquet", folder / "mock.csv")
    changes: dict[str, Any] = {"sha256": storage.store(folder / "made.parquet")}
    changes |= {"connection": None, "relation": "", "fingerprint": ""}
    return changes | {"mock_sha256": mock, "mock_origin": MockOrigin.GENERATED, "mock_approved_by": None}


def _made_mock(claim: Claim, upload: Upload, folder: Path) -> dict[str, Any]:
    """Store an uploaded mock once it was compared with the private file; a second person must still approve it."""
    made = folder / "made.parquet"
    data = storage.ticket(upload.version)
    spec = _limits(upload) | {"table": claim.job.spec["table"]}
    _ask(claim, "compare", spec, {"mock": str(made), "data": data})
    csv = folder / "made.csv"
    _ask(claim, "export", {"memory_mb": 512}, {"parquet": str(made), "csv": str(csv)}, file_mb=1024)
    return {
        "mock_sha256": storage.store_mock(made, csv),
        "mock_origin": MockOrigin.UPLOADED,
        "mock_approved_by": None,
    }


def _enter(claim: Claim, upload: Upload, made: dict[str, Any], findings: dict[str, Any]) -> None:
    """Write what was made into the draft version, unless its schema changed or it was published meanwhile."""
    with transaction.atomic(durable=True):
        version = DatasetVersion.objects.select_for_update().get(pk=upload.version_id)
        fits = version.status == VersionStatus.DRAFT and tables.is_still(version, upload, claim.job.spec)
        if not fits:
            _settle(claim, upload, UploadStatus.READY, Event.UPLOAD_REFUSED, findings, "schema_changed")
            return
        tables.enter(version, upload, made)
        made_sha256 = made["mock_sha256"] if _is_mock(upload) else made["sha256"]
        Upload.objects.filter(pk=upload.pk).update(made_sha256=made_sha256)
        if upload.made_sha256 not in ("", made_sha256):  # made before, and replaced now
            transaction.on_commit(partial(storage.remove, upload.made_sha256))
        _settle(claim, upload, UploadStatus.CONFORMED, Event.UPLOAD_CONFORMED, findings, "")


def _conclude(
    claim: Claim, upload: Upload, to: UploadStatus, event: Event, findings: dict[str, Any], code: str
) -> None:
    with transaction.atomic(durable=True):
        _settle(claim, upload, to, event, findings, code)


_TOLD = {
    Event.UPLOAD_CHECKED: "“{0}” was checked; declare its schema and make the version's file.",
    Event.UPLOAD_REFUSED: "“{0}” could not be used. Its page says why.",
    Event.UPLOAD_CONFORMED: "The version's file was made from “{0}”; it may be published.",
}


def _settle(
    claim: Claim, upload: Upload, to: UploadStatus, event: Event, findings: dict[str, Any], code: str
) -> None:
    """End the job and move the upload. What was counted is for its owner: neither log nor notice repeats it."""
    jobs.finish(claim, JobStatus.SUCCEEDED)
    move(upload, to, findings=findings, status_code=code)
    record(event, by="system", on=upload, version=upload.version_id, code=code)
    path = f"/datasets/{upload.version.dataset.slug}/"
    tell([upload.created_by], event, _TOLD[event].format(upload.filename), path)
