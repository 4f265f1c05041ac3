"""Erasing a version's data for good: asked by an owner, done by a worker a day later by destroying the files' keys.

For a person who must be forgotten: publish a version without them, retire the old one and erase it. The ledger stays
as it is, for what was learnt about them was learnt.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog import storage
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import IllegalMove
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.words import stated_reason

DELAY = timedelta(days=1)  # in which it can be taken back


@transaction.atomic(durable=True)
def erase(version: DatasetVersion, *, reason: str, by: User) -> None:
    """Have a retired version's data erased a day from now; until then `keep` takes it back. Its owners are told."""
    require(by, Permission.DATASET_ERASE, on=version)
    why = stated_reason(reason)
    if version.is_in_place:
        raise IllegalMove("Rows in place are not here; erase them in their own database.", code="in_place")
    due = timezone.now() + DELAY
    move(version, VersionStatus.ERASING, erase_due_at=due)
    record(Event.VERSION_ERASURE_ASKED, by=by, on=version, reason=why)
    text = f"The data of {version} will be erased for good in a day, unless an owner keeps it."
    _tell(version, Event.VERSION_ERASURE_ASKED, text)


@transaction.atomic(durable=True)
def keep(version: DatasetVersion, *, by: User) -> None:
    """Take back the erasing of a version, before a worker did it."""
    require(by, Permission.DATASET_ERASE, on=version)
    if version.status != VersionStatus.ERASING:
        raise IllegalMove("This version's data is not about to be erased.", code="not_erasing")
    move(version, VersionStatus.RETIRED, erase_due_at=None)
    record(Event.VERSION_KEPT, by=by, on=version)
    _tell(version, Event.VERSION_KEPT, f"The data of {version} is kept after all.")


def sweep(now: datetime) -> None:
    """Erase what is due: only a worker can. Doing so twice, or dying half-way, does no harm."""
    due = DatasetVersion.objects.filter(status=VersionStatus.ERASING, erase_due_at__lte=now)
    for version in due.select_related("dataset")[:10]:
        _erase(version)


def _erase(version: DatasetVersion) -> None:
    """Destroy the keys and then the files of a version, and say so: from here on nothing can read it."""
    try:
        with transaction.atomic(durable=True):
            move(version, VersionStatus.ERASED)
            record(Event.VERSION_ERASED, by="system", on=version)
            _tell(version, Event.VERSION_ERASED, f"The data of {version} was erased.")
            # Inside, so that no version is called erased whose keys are there; outside it could be forgotten.
            for sha256 in hashes(version):
                storage.erase(sha256)
    except IllegalMove:  # an owner kept it this very moment
        return


def hashes(version: DatasetVersion) -> Iterable[str]:
    """Return the hashes of all of a version's private files; a public table's is its mock, which stays."""
    return [version.sha256, *(table.sha256 for table in version.tables.all() if not table.is_public)]


def _tell(version: DatasetVersion, event: Event, text: str) -> None:
    owners = version.dataset.stewards.filter(role=Role.DATASET_OWNER, ended_at=None).select_related("user")
    tell({row.user for row in owners}, event, text, f"/datasets/{version.dataset.slug}/versions/")
