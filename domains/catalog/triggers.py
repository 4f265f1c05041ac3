"""What the database itself keeps true of the catalogue: a published version never changes, nor do its columns."""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from collections.abc import Callable
from dataclasses import replace

from domains.triggers import Trigger, append_only, check, guard, kept, register

POLICY, DRY_RUN = "catalog_accesspolicy", "catalog_dryrun"
VERSION, COLUMN = "catalog_datasetversion", "catalog_column"
TABLE, TABLE_COLUMN = "catalog_versiontable", "catalog_tablecolumn"

_FIXED = (
    "id", "created_at", "dataset_id", "number", "unit_column", "max_groups", "max_rows", "max_units", "declared_rows",
    "sha256", "connection_id", "relation", "fingerprint",
    "mock_sha256", "mock_origin", "mock_approved_by_id", "attested_at", "attested_by_id",
    "published_at", "published_by_id",
)  # fmt: skip
_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _FIXED)
_STEPS = (
    "(OLD.status = 'published' AND NEW.status = 'retired') OR (OLD.status = 'retired' AND NEW.status = 'erasing') "
    "OR (OLD.status = 'erasing' AND NEW.status IN ('retired', 'erased')) OR NEW.status = OLD.status"
)
_COLUMNS_FIXED = "the columns of a published version never change"
_TABLES_FIXED = "the tables of a published version never change"


def _is_draft(row: str) -> str:
    return f"EXISTS (SELECT 1 FROM {VERSION} v WHERE v.id = {row}.version_id AND v.status = 'draft')"


def _is_in_draft(row: str) -> str:
    return (
        f"EXISTS (SELECT 1 FROM {TABLE} t JOIN {VERSION} v ON v.id = t.version_id "
        f"WHERE t.id = {row}.table_id AND v.status = 'draft')"
    )


def _delete(name: str, table: str, unless: str, message: str) -> Trigger:
    """Refuse to delete what a published version has; a deletion has no NEW row, so `check` does not fit."""
    sqlite = (
        f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW "
        f"BEGIN SELECT RAISE(ABORT, '{message}') WHERE NOT {unless}; END"
    )
    postgresql = (
        f"CREATE OR REPLACE FUNCTION {name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT {unless} THEN RAISE EXCEPTION USING MESSAGE = '{message}', "
        f"ERRCODE = 'integrity_constraint_violation'; END IF; RETURN OLD; END $$; "
        f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}_f()"
    )
    return Trigger(name, table, sqlite, postgresql)


def _draft_only(name: str, table: str, is_draft: Callable[[str], str], message: str) -> tuple[Trigger, ...]:
    """Refuse INSERT, UPDATE and DELETE on `table` for rows of a version that is no draft."""
    return (
        check(f"{name}_insert_in_draft_only", table, on="INSERT", unless=is_draft("NEW"), message=message),
        check(
            f"{name}_update_in_draft_only",
            table,
            on="UPDATE",
            unless=f"{is_draft('OLD')} AND {is_draft('NEW')}",
            message=message,
        ),
        _delete(f"{name}_delete_of_draft_only", table, is_draft("OLD"), message),
    )


_TERMS = ("id", "created_at", "dataset_id", "number", "document", "sha256", "proposed_by_id")
_TERMS_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _TERMS)
_DECISION = ("activated_at", "activated_by_id", "dry_run_id")
_DECISION_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _DECISION)
_SEEN = (
    f"EXISTS (SELECT 1 FROM {DRY_RUN} d WHERE d.id = NEW.dry_run_id AND d.policy_id = NEW.id "
    "AND d.made_by_id = NEW.activated_by_id)"
)

register(
    guard(
        "catalog_policy_is_fixed",
        POLICY,
        on="UPDATE",
        when=f"({_TERMS_CHANGED}) OR OLD.ended_at IS NOT NULL "
        f"OR (OLD.activated_at IS NOT NULL AND ({_DECISION_CHANGED}))",
        message="a policy never changes: propose the next version",
    ),
    replace(
        check(
            "catalog_policy_was_tried",
            POLICY,
            on="UPDATE",
            unless=f"NEW.activated_at IS NULL OR OLD.activated_at IS NOT NULL OR {_SEEN}",
            message="who activates a policy has seen a dry run of it",
        ),
        needs=(DRY_RUN,),
    ),
    guard(
        "catalog_policy_begins_as_a_proposal",
        POLICY,
        on="INSERT",
        when="NEW.activated_at IS NOT NULL",
        message="a policy begins as a proposal",
    ),
    *kept(POLICY),
    *append_only(DRY_RUN),
    guard(
        "catalog_version_published_is_fixed",
        VERSION,
        on="UPDATE",
        when=f"OLD.status <> 'draft' AND (NOT ({_STEPS}) OR {_CHANGED})",
        message="a published version never changes",
    ),
    *kept(VERSION),
    *kept("catalog_connection"),
    replace(
        check(
            "catalog_version_published_with_all_files",
            VERSION,
            on="UPDATE",
            unless=f"NEW.status = 'draft' OR OLD.status <> 'draft' OR NOT EXISTS "
            f"(SELECT 1 FROM {TABLE} t WHERE t.version_id = NEW.id AND t.sha256 = '')",
            message="a table of this version has no file",
        ),
        needs=(TABLE,),
    ),
    *_draft_only("catalog_column", COLUMN, _is_draft, _COLUMNS_FIXED),
    *_draft_only("catalog_table", TABLE, _is_draft, _TABLES_FIXED),
    *_draft_only("catalog_tablecolumn", TABLE_COLUMN, _is_in_draft, _TABLES_FIXED),
)
