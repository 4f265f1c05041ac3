"""What the database itself keeps true of the catalogue: a published version never changes, nor do its columns."""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from domains.triggers import Trigger, check, guard, kept, register

VERSION, COLUMN = "catalog_datasetversion", "catalog_column"

_FIXED = (
    "id", "created_at", "dataset_id", "number", "unit_column", "max_groups", "max_rows", "max_units", "declared_rows",
    "sha256", "connection_id", "relation", "fingerprint",
    "mock_sha256", "mock_origin", "mock_approved_by_id", "attested_at", "attested_by_id",
    "published_at", "published_by_id",
)  # fmt: skip
_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _FIXED)
_STEPS = "(OLD.status = 'published' AND NEW.status IN ('published', 'retired')) OR NEW.status = OLD.status"
_COLUMNS_FIXED = "the columns of a published version never change"


def _is_draft(row: str) -> str:
    return f"EXISTS (SELECT 1 FROM {VERSION} v WHERE v.id = {row}.version_id AND v.status = 'draft')"


def _column_delete() -> Trigger:
    """Refuse to delete a published version's column; a deletion has no NEW row, so `check` does not fit."""
    name = "catalog_column_delete_of_draft_only"
    sqlite = (
        f"CREATE TRIGGER {name} BEFORE DELETE ON {COLUMN} FOR EACH ROW "
        f"BEGIN SELECT RAISE(ABORT, '{_COLUMNS_FIXED}') WHERE NOT {_is_draft('OLD')}; END"
    )
    postgresql = (
        f"CREATE OR REPLACE FUNCTION {name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT {_is_draft('OLD')} THEN RAISE EXCEPTION USING MESSAGE = '{_COLUMNS_FIXED}', "
        f"ERRCODE = 'integrity_constraint_violation'; END IF; RETURN OLD; END $$; "
        f"CREATE TRIGGER {name} BEFORE DELETE ON {COLUMN} FOR EACH ROW EXECUTE FUNCTION {name}_f()"
    )
    return Trigger(name, COLUMN, sqlite, postgresql)


register(
    guard(
        "catalog_version_published_is_fixed",
        VERSION,
        on="UPDATE",
        when=f"OLD.status <> 'draft' AND (NOT ({_STEPS}) OR {_CHANGED})",
        message="a published version never changes",
    ),
    *kept(VERSION),
    *kept("catalog_connection"),
    check(
        "catalog_column_insert_in_draft_only",
        COLUMN,
        on="INSERT",
        unless=_is_draft("NEW"),
        message=_COLUMNS_FIXED,
    ),
    check(
        "catalog_column_update_in_draft_only",
        COLUMN,
        on="UPDATE",
        unless=f"{_is_draft('OLD')} AND {_is_draft('NEW')}",
        message=_COLUMNS_FIXED,
    ),
    _column_delete(),
)
