"""Versions of a dataset and what their owner declares about them in public, never read from the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import BoundSource, Column, Dataset, DatasetVersion, MockOrigin
from domains.catalog.words import once, stated_reason
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from privacy import schema
from privacy.errors import SchemaInvalid
from privacy.unit import PrivacyUnit

MOST_NAME, MOST_DESCRIPTION = 63, 200  # characters, as PostgreSQL and our own columns hold them
MOST_ROWS = 10**12
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
    Column.objects.bulk_create([_copy(column, version) for column in columns])
    record(Event.VERSION_CREATED, by=by, on=version, dataset=dataset.pk, number=version.number)
    return version


def _copy(column: Column, version: DatasetVersion) -> Column:
    kept = {
        f.attname: getattr(column, f.attname)
        for f in Column._meta.fields
        if f.name not in {"id", "created_at"}
    }
    return Column(**kept | {"version_id": version.pk})


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
    table = _table(version, columns, unit_column or None, max_groups, max_rows, max_units)
    sources = [_source(column) for column in columns]
    if declared_rows is not None and (type(declared_rows) is not int or not 1 <= declared_rows <= MOST_ROWS):
        raise InvalidInput(
            "The size you publish is a whole number from 1, or left out.", code="declared_rows_invalid"
        )
    changes = {
        "unit_column": unit_column or "",
        "max_groups": max_groups,
        "max_rows": max_rows,
        "max_units": max_units,
        "declared_rows": declared_rows,
        **UNMADE,
    }
    if DatasetVersion.objects.filter(pk=version.pk, status=VersionStatus.DRAFT).update(**changes) != 1:
        raise IllegalMove(
            "Only a draft version can be declared; start a new version.", code="version_published"
        )
    Column.objects.filter(version=version).delete()
    Column.objects.bulk_create(
        [_row(version, n, c, s) for n, (c, s) in enumerate(zip(table.columns, sources, strict=True), 1)]
    )
    version.refresh_from_db()
    record(Event.VERSION_DECLARED, by=by, on=version, columns=len(table.columns), schema=schema_sha256(table))


def _table(
    version: DatasetVersion,
    columns: Sequence[Mapping[str, Any]],
    unit_column: str | None,
    max_groups: int,
    max_rows: int,
    max_units: int,
) -> schema.Table:
    """Build the engine's own value, so that what is stored is what the engine accepts; raise InvalidInput."""
    try:
        declared = [_fields(column) for column in columns]
        table = schema.Table(
            name=version.dataset.slug.replace("-", "_"),
            columns=tuple(schema.Column.from_dict(column) for column in declared),
            unit=PrivacyUnit(unit_column, max_groups, max_rows),
            max_units=max_units,
        )
    except SchemaInvalid as error:
        raise InvalidInput(error.message, code="schema_invalid") from error
    for column in table.columns:
        _require_storable(column)
    return table


def _fields(column: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(column, Mapping):
        raise SchemaInvalid("Each column is an object with a name and a kind.")
    return {key: value for key, value in column.items() if key != "source"}


def _require_storable(column: schema.Column) -> None:
    """Refuse what our own rows could only keep by rounding or cutting: a schema stays exactly as declared."""
    grain = Decimal("0.000001")
    if len(column.name) > MOST_NAME or len(column.description) > MOST_DESCRIPTION:
        raise InvalidInput(
            f"Column {column.name[:MOST_NAME]}: at most {MOST_NAME} characters in the name "
            f"and {MOST_DESCRIPTION} in the description.",
            code="schema_invalid",
        )
    numbers = [value for value in (column.lower, column.upper, column.step) if value is not None]
    if any(value % grain for value in numbers) or column.step >= 10**6:
        raise InvalidInput(
            f"Column {column.name}: bounds and step have at most six decimals; a step is below a million.",
            code="schema_invalid",
        )
    if column.lower is not None and column.lower == column.upper:
        raise InvalidInput(f"Column {column.name}: the bounds leave only one value.", code="schema_invalid")


def _source(column: Mapping[str, Any]) -> str:
    """Return where a column's bounds and codes come from, as the owner states it (DECISIONS 22)."""
    has_facts = column.get("lower") is not None or bool(column.get("codes"))
    source = column.get("source") or (None if has_facts else BoundSource.CODEBOOK.value)
    if source not in BoundSource.values:
        raise InvalidInput(
            f"Column {column.get('name')}: say where its bounds or codes come from: "
            f"{', '.join(BoundSource.values)}.",
            code="source_missing",
        )
    return str(source)


def _row(version: DatasetVersion, position: int, column: schema.Column, source: str) -> Column:
    return Column(
        version=version,
        position=position,
        name=column.name,
        kind=column.kind.value,
        description=column.description,
        lower=column.lower,
        upper=column.upper,
        step=column.step,
        codes=list(column.codes),
        missing=list(column.missing),
        nullable=column.nullable,
        source=source,
    )


def schema_sha256(table: schema.Table) -> str:
    """Return the SHA-256, in hexadecimal, of a declared schema; it is public, so it may leave the node."""
    canonical = json.dumps(table.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@transaction.atomic(durable=True)
def retire(version: DatasetVersion, *, reason: str, by: User) -> None:
    """End a published version that a newer one replaces; approvals pinned to it no longer run."""
    require(by, Permission.DATASET_PUBLISH, on=version)
    newest = DatasetVersion.objects.filter(dataset=version.dataset_id, status=VersionStatus.PUBLISHED)
    if version.status == VersionStatus.PUBLISHED and newest.aggregate(n=Max("number"))["n"] == version.number:
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
