"""Sweeps that tidy intake: uploads whose job was given up, and bytes that belong to nothing."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove
from domains.intake import staging
from domains.intake.lifecycle import CheckStatus, UploadStatus
from domains.intake.models import ConnectionCheck, Upload
from domains.jobs import queries as jobs

STALE_SECONDS = 6 * 3600  # longer than any upload or job takes
_U = UploadStatus
_GIVEN_UP = {_U.RECEIVED: _U.CHECKING, _U.CHECKING: _U.REFUSED, _U.CONFORMING: _U.READY}


def sweep(now: datetime) -> None:
    """Free uploads that wait for a job that ended without them, and delete stray bytes."""
    for upload in Upload.objects.filter(status__in=_GIVEN_UP)[:100]:
        if jobs.is_given_up(upload.pk):
            give_up(upload)
    for check in ConnectionCheck.objects.filter(status=CheckStatus.WAITING)[:100]:
        if jobs.is_given_up(check.pk):
            _give_up_check(check)
    _clear(Path(settings.DATA_DIR) / "work")
    _clear(Path(settings.STAGING_DIR))


def give_up(upload: Upload) -> None:
    """Tell an owner that no worker could finish with their file."""
    try:
        with transaction.atomic(durable=True):
            if upload.status == _U.RECEIVED:
                move(upload, _U.CHECKING)
            move(upload, _GIVEN_UP[_U(upload.status)], status_code="no_worker_finished")
            record(Event.UPLOAD_REFUSED, by="system", on=upload, code="no_worker_finished")
    except IllegalMove:  # somebody moved it first, which is as good
        return


def _give_up_check(check: ConnectionCheck) -> None:
    """Say that no worker could finish a test."""
    try:
        with transaction.atomic(durable=True):
            move(check, CheckStatus.REFUSED, status_code="no_worker_finished")
            record(Event.CONNECTION_TESTED, by="system", on=check, code="no_worker_finished")
    except IllegalMove:  # somebody moved it first, which is as good
        return


def _clear(folder: Path) -> None:
    """Delete what a killed process left behind: old entries that no upload stands for."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if time.time() - entry.stat().st_mtime < STALE_SECONDS:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif not Upload.objects.filter(pk=entry.stem).exclude(status=_U.DISCARDED).exists():
            staging.delete(entry.stem)
