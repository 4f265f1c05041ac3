"""What a worker does with a test of a connection: a limited child asks, and a draft version may be bound to a table.

The password goes to the child over its own socket and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog import storage, vault
from domains.catalog.connection import Connection
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion, MockOrigin
from domains.catalog.versions import schema_sha256
from domains.intake.handlers import MOCK_ROWS, PREPARE_SECONDS
from domains.intake.lifecycle import CheckStatus
from domains.intake.models import ConnectionCheck
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.notices.outbox import tell


def check(claim: Claim) -> None:
    """Test a connection; may be called twice for one job, which then asks again."""
    test = ConnectionCheck.objects.select_related("connection", "version__dataset", "created_by").get(
        pk=claim.job.subject
    )
    if test.status != CheckStatus.WAITING:
        jobs.finish(claim, JobStatus.CANCELLED, code="check_gone")
        return
    jobs.to_running(claim)
    try:
        report = _asked(claim, test.connection)
        made = _made_mock(claim, test) if test.version is not None and "refused" not in report else {}
    except ChildFailed as failure:
        if failure.is_passing or claim.lost.is_set():
            jobs.requeue(claim)
            return
        report, made = {"refused": "limits_exceeded"}, {}
    with transaction.atomic(durable=True):
        code = report.pop("refused", "") or _bind(claim, test, report, made)
        _settle(claim, test, report, code)


def _asked(claim: Claim, connection: Connection) -> dict[str, Any]:
    """Return the child's report on a connection and, if the job names one, on a table."""
    if connection.is_retired:
        return {"refused": "connection_retired"}
    seconds = float(claim.job.planned_seconds)
    spec = {key: claim.job.spec.get(key) for key in ("relation", "table")} | {"seconds": seconds / 2}
    spec["engine"] = connection.engine
    return _child(claim, "connection", spec, {"address": vault.address(connection)}, seconds)


def _child(
    claim: Claim, entry: str, spec: dict[str, Any], payload: dict[str, Any], seconds: float, file_mb: int = 0
) -> dict[str, Any]:
    memory, whole = settings.JOB_MEMORY_MB, seconds + PREPARE_SECONDS
    with Child(entry, spec, memory_mb=memory, seconds=whole, file_mb=file_mb, lost=claim.lost) as child:
        child.prepared(PREPARE_SECONDS)
        report: dict[str, Any] = json.loads(child.go(payload, timeout=seconds))
    return report


def _made_mock(claim: Claim, test: ConnectionCheck) -> dict[str, Any]:
    """Draw a mock from the declared schema alone; return what the version says of it."""
    spec = claim.job.spec
    rows = min((test.version and test.version.declared_rows) or MOCK_ROWS, 10 * MOCK_ROWS)
    wanted = {"table": spec["table"], "rows": rows, "seed": spec["schema_sha256"], "memory_mb": 512}
    with storage.workplace() as folder:
        payload = {"parquet": str(folder / "mock.parquet"), "csv": str(folder / "mock.csv")}
        _child(claim, "mock", wanted, payload, float(claim.job.planned_seconds), file_mb=1024)
        mock = storage.store_mock(folder / "mock.parquet", folder / "mock.csv")
    return {"mock_sha256": mock, "mock_origin": MockOrigin.GENERATED, "mock_approved_by": None}


def _bind(claim: Claim, test: ConnectionCheck, report: dict[str, Any], made: dict[str, Any]) -> str:
    """Write into the draft version where its rows stay; return a code if it changed meanwhile."""
    if test.version_id is None:
        return ""
    version = DatasetVersion.objects.select_for_update().get(pk=test.version_id)
    if version.status != VersionStatus.DRAFT:
        return "schema_changed"
    schema = schema_sha256(version.table())
    if schema != claim.job.spec["schema_sha256"]:
        return "schema_changed"
    place = {"relation": test.relation, "fingerprint": report["fingerprint"]}
    sha256 = declaration_sha256(test.connection, schema, place)
    changes = {"connection": test.connection, "sha256": sha256, **place, **made}
    DatasetVersion.objects.filter(pk=version.pk).update(**changes)
    record(
        Event.VERSION_PLACED, by="system", on=version, connection=test.connection_id, sha256=sha256, **place
    )
    return ""


def declaration_sha256(connection: Connection, schema: str, place: dict[str, str]) -> str:
    """Return the SHA-256, in hexadecimal, of what is declared of rows in place; the rows themselves are not hashed."""
    declared = {"connection": connection.pk, "engine": connection.engine, "schema": schema, **place}
    return hashlib.sha256(json.dumps(declared, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _settle(claim: Claim, test: ConnectionCheck, report: dict[str, Any], code: str) -> None:
    """End the job and the test. What was found is for those who asked: neither log nor notice repeats it."""
    jobs.finish(claim, JobStatus.SUCCEEDED)
    move(test, CheckStatus.REFUSED if code else CheckStatus.PASSED, findings=report, status_code=code)
    record(Event.CONNECTION_TESTED, by="system", on=test, connection=test.connection_id, code=code)
    name = test.connection.name
    text = f"The connection “{name}” cannot be used yet." if code else f"The connection “{name}” works."
    path = f"/datasets/{test.version.dataset.slug}/prepare/" if test.version else f"/connections/{name}/"
    tell([test.created_by], Event.CONNECTION_TESTED, text, path)
