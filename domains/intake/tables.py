"""Which of a version's tables a file is for: the main one, or a further one by its name."""

from __future__ import annotations

from typing import Any

from domains.catalog import declaring, queries
from domains.catalog.declaring import schema_sha256
from domains.catalog.models import DatasetVersion, VersionTable
from domains.errors import IllegalMove, NotFound
from domains.intake.models import Upload, UploadPurpose
from privacy import schema


def find(version: DatasetVersion, name: str) -> VersionTable:
    """Return a version's further table of that name, or raise NotFound."""
    return queries.table(DatasetVersion.objects.prefetch_related("tables").get(pk=version.pk), name)


def declared(version: DatasetVersion, name: str) -> tuple[schema.Table, dict[str, Any] | None]:
    """Return the declared table that a file is made under, and how the main table declares the unit's column."""
    if not version.columns.exists() and not (name and find(version, name).is_public):
        raise IllegalMove("Declare the schema first; then the file can be made.", code="schema_missing")
    if not name:
        return version.main_table(), None
    table = find(version, name)
    if not table.is_declared:
        raise IllegalMove("Declare the schema first; then the file can be made.", code="schema_missing")
    unit = None if table.is_public else declaring.unit_column(version.main_table())
    return table.value(), None if unit is None else unit.to_dict()


def is_still(version: DatasetVersion, upload: Upload, spec: dict[str, Any]) -> bool:
    """Say whether the declaration that a job was queued with is the one in force."""
    try:
        table, unit = declared(version, upload.table)
    except (IllegalMove, NotFound):
        return False
    return schema_sha256(table) == spec["schema_sha256"] and unit == spec["unit"]


def enter(version: DatasetVersion, upload: Upload, made: dict[str, Any]) -> None:
    """Write what was made of an upload into its draft version or its table."""
    if upload.table:
        VersionTable.objects.filter(version=version, name=upload.table).update(**made)
    else:
        DatasetVersion.objects.filter(pk=version.pk).update(**made)


def let_go(version: DatasetVersion, upload: Upload) -> None:
    """Take a discarded file out of its draft version or its table."""
    rows = DatasetVersion.objects.filter(pk=version.pk)
    no_mock = {"mock_sha256": "", "mock_origin": "", "mock_approved_by": None}
    if upload.table:
        held = VersionTable.objects.filter(version=version, name=upload.table, sha256=upload.made_sha256)
        held.update(sha256="", mock_sha256="")
    elif upload.purpose == UploadPurpose.DATA:
        rows.filter(sha256=upload.made_sha256).update(sha256="", **no_mock)
    else:
        rows.filter(mock_sha256=upload.made_sha256).update(**no_mock)


def require_made(version: DatasetVersion) -> None:
    """Refuse a version one of whose tables has no file, or does not go with the main table."""
    others = list(version.tables.prefetch_related("columns"))
    if others and version.is_in_place:
        raise IllegalMove(
            "A dataset whose rows stay in a database of their own has one table: remove the others.",
            code="in_place",
        )
    for table in others:
        if not table.sha256:
            raise IllegalMove(
                f"The table {table.name} has no file yet: send one and make it under its declared schema, "
                "or remove the table.",
                code="not_conformed",
            )
    declaring.together(version.main_table(), [table.value() for table in others])
