"""The tables that a draft version has beside its main one: added and declared by its owner in public terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog import declaring
from domains.catalog.declared import TableColumn, VersionTable
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import IllegalMove, InvalidInput
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.words import once
from privacy import schema
from privacy.unit import PrivacyUnit

MOST_TABLES = schema.MAX_OTHERS
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@transaction.atomic(durable=True)
def add_table(version: DatasetVersion, *, name: str, by: User, is_public: bool = False) -> VersionTable:
    """Give a draft version a further table: a private one about the same units, or a public look-up table."""
    require(by, Permission.DATASET_EDIT, on=version)
    locked_draft(version)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == version.main_name:
        raise InvalidInput(
            "A table's name has small letters, digits and underscores, begins with a letter, "
            "and differs from the main table's.",
            code="table_name_invalid",
        )
    if version.tables.count() >= MOST_TABLES:
        raise InvalidInput(f"At most {MOST_TABLES} tables beside the main one.", code="too_many_tables")
    last = version.tables.aggregate(last=Max("position"))["last"] or 0
    with once(f"This version has a table {name} already.", code="table_exists"):
        table = VersionTable.objects.create(
            version=version, name=name, is_public=bool(is_public), position=last + 1
        )
    record(Event.TABLE_ADDED, by=by, on=version, table=name, is_public=table.is_public)
    return table


@transaction.atomic(durable=True)
def declare_table(  # noqa: PLR0913 - a table's whole declaration, by keyword
    table: VersionTable,
    *,
    columns: Sequence[Mapping[str, Any]],
    max_units: int,
    by: User,
    unit_column: str | None = None,
    max_groups: int = 1,
    max_rows: int = 1,
    key: str | None = None,
    declared_rows: int | None = None,
) -> None:
    """Set the schema of a draft version's further table; a file that was made of an earlier one is let go.

    A private table names its privacy unit's column and contribution bound. A public one names its key, the
    column whose values are all there and all different, and `max_units` bounds its rows.
    """
    version = table.version
    require(by, Permission.DATASET_EDIT, on=version)
    locked_draft(version)
    value, sources = declaring.read(
        table.name,
        columns,
        lambda: PrivacyUnit(unit_column or None, max_groups, max_rows),
        max_units=max_units,
        is_public=table.is_public,
        key=key or None,
    )
    words = declaring.words_of(value, declared_rows)
    _require_place(version, value)
    changes = words | {"key": key or "", "sha256": "", "mock_sha256": ""}
    if VersionTable.objects.filter(pk=table.pk).update(**changes) != 1:
        raise IllegalMove("This table was removed meanwhile.", code="table_gone")
    declaring.write_columns(TableColumn, value, sources, table=table)
    table.refresh_from_db()
    stated = declaring.schema_sha256(value)
    record(Event.TABLE_DECLARED, by=by, on=version, table=table.name, columns=len(columns), schema=stated)


def _require_place(version: DatasetVersion, value: schema.Table) -> None:
    """Refuse a private table that is not about the main table's units; public ones stand by themselves."""
    if value.is_public:
        return
    if not version.columns.exists():
        raise IllegalMove(
            "Declare the main table first: this one is about the same units.", code="main_table_first"
        )
    if value.unit.column is None:
        raise InvalidInput(
            f"Table {value.name}: name the column that holds the privacy unit.", code="schema_invalid"
        )
    declaring.together(version.main_table(), [value])


def locked_draft(version: DatasetVersion) -> DatasetVersion:
    """Lock a version for the rest of the transaction and return it, or refuse one that is published."""
    found = DatasetVersion.objects.select_for_update().get(pk=version.pk)
    if found.status != VersionStatus.DRAFT:
        raise IllegalMove("A published version is immutable; start a new version.", code="version_published")
    return found


def forget_units(version: DatasetVersion) -> None:
    """Let go of the files of private further tables, whose units are declared by the main table."""
    VersionTable.objects.filter(version=version, is_public=False).update(sha256="", mock_sha256="")


def copy_tables(last: DatasetVersion, version: DatasetVersion) -> None:
    """Give a new draft the declarations of the last version's tables; public tables keep their file, too."""
    for table in last.tables.prefetch_related("columns"):
        columns = list(table.columns.all())
        made = {name: getattr(table, name) if table.is_public else "" for name in ("sha256", "mock_sha256")}
        copied = VersionTable.objects.create(**fields(table) | made | {"version_id": version.pk})
        TableColumn.objects.bulk_create(
            [TableColumn(**fields(column) | {"table_id": copied.pk}) for column in columns]
        )


def fields(row: Any) -> dict[str, Any]:
    """Return what a declared row says, without its key and the time of its making."""
    kept = (f.attname for f in row._meta.fields if f.name not in {"id", "created_at"})
    return {name: getattr(row, name) for name in kept}
