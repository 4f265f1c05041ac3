"""Versions of a dataset and what their owner declares about them in public, never read from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog import declaring, tables
from domains.catalog.declaring import schema_sha256
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import Column, Dataset, DatasetVersion, MockOrigin
from domains.errors import IllegalMove, NotAllowed
from domains.node.queries import require_running
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.words import once, stated_reason
from privacy import schema
from privacy.unit import PrivacyUnit

# A version of which nothing was made yet: neither file nor place, nor a mock.
UNMADE: dict[str, Any] = {
    "sha256": "",
    "connection": None,
    "relation": "",
    "fingerprint": "",
    "mock_sha256": "",
    "mock_origin": "",
    "mock_approved_by": None,
}
_COPIED = ("unit_column", "max_groups", "max_rows", "max_units", "declared_rows")


@transaction.atomic(durable=True)
def new_version(dataset: Dataset, *, by: User) -> DatasetVersion:
    """Start the next draft version, with the declarations of the last one to begin from."""
    require(by, Permission.DATASET_EDIT, on=dataset)
    last = _last(dataset)
    if last is not None and last.status == VersionStatus.DRAFT:
        raise IllegalMove(f"Version {last.number} is still a draft; finish that one.", code="draft_exists")
    return _start(dataset, last, by=by)


@transaction.atomic(durable=True)
def open_draft(dataset: Dataset, *, by: User) -> DatasetVersion:
    """Return the draft that its owner works on, starting one where there is none."""
    require(by, Permission.DATASET_EDIT, on=dataset)
    last = _last(dataset)
    return last if last is not None and last.status == VersionStatus.DRAFT else _start(dataset, last, by=by)


def _last(dataset: Dataset) -> DatasetVersion | None:
    return (
        DatasetVersion.objects.filter(dataset=dataset).select_related("dataset").order_by("-number").first()
    )


def _start(dataset: Dataset, last: DatasetVersion | None, *, by: User) -> DatasetVersion:
    if dataset.status == DatasetStatus.WITHDRAWN:
        raise IllegalMove("A withdrawn dataset gets no new versions.")
    # Until it is declared, a first draft has no columns, and without columns nothing can be published.
    copied = {name: getattr(last, name) for name in _COPIED} if last else {"max_units": 1}
    with once("Somebody else has just started this version; open it again.", code="draft_exists"):
        version = DatasetVersion.objects.create(
            dataset=dataset, number=last.number + 1 if last else 1, **copied
        )
    columns = list(last.columns.all()) if last else []
    Column.objects.bulk_create(
        [Column(**tables.fields(column) | {"version_id": version.pk}) for column in columns]
    )
    if last:
        tables.copy_tables(last, version)
    record(Event.VERSION_CREATED, by=by, on=version, dataset=dataset.pk, number=version.number)
    return version


@transaction.atomic(durable=True)
def declare(
    version: DatasetVersion,
    *,
    columns: Sequence[Mapping[str, Any]],
    max_units: int,
    by: User,
    unit_column: str | None = None,
    max_groups: int = 1,
    max_rows: int = 1,
    declared_rows: int | None = None,
) -> None:
    """Set a draft's schema, privacy unit and contribution bound, all in public terms.

    Each of `columns` has the fields of `privacy.schema.Column.to_dict`, and `source`, a code of `BoundSource`
    that a column with bounds or codes must give. An earlier mock or conformed file is let go.
    """
    require(by, Permission.DATASET_EDIT, on=version)
    table, sources = declaring.read(
        version.main_name,
        columns,
        lambda: PrivacyUnit(unit_column or None, max_groups, max_rows),
        max_units=max_units,
    )
    changes = declaring.words_of(table, declared_rows) | UNMADE
    if DatasetVersion.objects.filter(pk=version.pk, status=VersionStatus.DRAFT).update(**changes) != 1:
        raise IllegalMove(
            "Only a draft version can be declared; start a new version.", code="version_published"
        )
    _fit_others(version, table)
    declaring.write_columns(Column, table, sources, version=version)
    version.refresh_from_db()
    record(Event.VERSION_DECLARED, by=by, on=version, columns=len(table.columns), schema=schema_sha256(table))


def _fit_others(version: DatasetVersion, main: schema.Table) -> None:
    """Hold the further tables to a main table declared anew; where its unit changed, their files are let go."""
    others = [table.value() for table in version.tables.prefetch_related("columns") if table.is_declared]
    declaring.together(main, others)
    before = declaring.unit_column(version.main_table()) if version.columns.exists() else None
    if others and before != declaring.unit_column(main):
        tables.forget_units(version)


@transaction.atomic(durable=True)
def retire(version: DatasetVersion, *, reason: str, by: User) -> None:
    """End a published version that a newer one replaces; approvals pinned to it no longer run."""
    require(by, Permission.DATASET_PUBLISH, on=version)
    if version.status != VersionStatus.PUBLISHED:  # one about to be erased is kept, not retired again
        raise IllegalMove(f"This version is {version.state.label.lower()}; only a published one is retired.")
    newest = DatasetVersion.objects.filter(dataset=version.dataset_id, status=VersionStatus.PUBLISHED)
    is_in_use = version.dataset.status != DatasetStatus.WITHDRAWN
    if is_in_use and newest.aggregate(n=Max("number"))["n"] == version.number:
        raise IllegalMove(
            "This is the newest version; freeze or withdraw the dataset instead.", code="newest_version"
        )
    why = stated_reason(reason)
    move(version, VersionStatus.RETIRED)
    record(Event.VERSION_RETIRED, by=by, on=version, reason=why)


@transaction.atomic(durable=True)
def approve_mock(version: DatasetVersion, *, by: User) -> None:
    """Let an uploaded mock out, as the second person who looked at it (DECISIONS 23)."""
    require(by, Permission.MOCK_APPROVE, on=version)
    if Role.DATASET_OWNER in version.dataset.roles_of(by) or by.pk == version.dataset.created_by_id:
        raise NotAllowed("An owner of the dataset cannot be the second person.", code="separation_of_duties")
    require_running()
    # The hash says which mock was looked at; one that was replaced meanwhile is not approved unseen.
    waiting = DatasetVersion.objects.filter(
        pk=version.pk,
        status=VersionStatus.DRAFT,
        mock_origin=MockOrigin.UPLOADED,
        mock_approved_by=None,
        mock_sha256=version.mock_sha256,
    )
    if waiting.update(mock_approved_by=by) != 1:
        raise IllegalMove(
            "There is no uploaded mock here that waits for a second person.", code="no_mock_waiting"
        )
    version.mock_approved_by = by
    record(Event.MOCK_APPROVED, by=by, on=version, mock=version.mock_sha256)
