"""Promises that the database itself keeps: triggers, installed by migration and again after each migrate.

SQLite rebuilds a table on some schema changes and silently drops its triggers, so they are compared with
the expected set after every migrate, in a house test and at `/readyz`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Trigger:
    """One named trigger with its text for each database; `sqlite` and `postgresql` are whole statements."""

    name: str
    table: str
    sqlite: str
    postgresql: str


_registry: dict[str, Trigger] = {}


def register(*triggers: Trigger) -> None:
    """Add triggers to the expected set; called from each app's `triggers` module."""
    for trigger in triggers:
        _registry[trigger.name] = trigger


def expected() -> tuple[Trigger, ...]:
    return tuple(_registry.values())


def guard(name: str, table: str, *, on: str, when: str = "", message: str) -> Trigger:
    """Build a trigger that refuses `on` (such as "UPDATE") on `table` where `when` holds.

    `when` is a condition over OLD and NEW that both databases understand; empty means always.
    """
    quoted = message.replace("'", "''")
    condition = f" WHEN ({when})" if when else ""
    sqlite = (
        f"CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW{condition} "
        f"BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
    )
    postgresql = (
        f"CREATE OR REPLACE FUNCTION {name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION USING MESSAGE = '{quoted}', ERRCODE = 'integrity_constraint_violation'; END $$; "
        f"CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW{condition} EXECUTE FUNCTION {name}_f()"
    )
    return Trigger(name, table, sqlite, postgresql)


def append_only(table: str) -> tuple[Trigger, ...]:
    """Refuse every UPDATE and DELETE on `table`."""
    return tuple(
        guard(f"{table}_no_{verb.lower()}", table, on=verb, message=f"{table} is append-only")
        for verb in ("UPDATE", "DELETE")
    )


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Name the expected triggers that this database lacks."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return sorted(set(_registry) - present)


def install(connection: BaseDatabaseWrapper) -> None:
    """Create afresh each expected trigger whose table exists."""
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for trigger in expected():
            if trigger.table not in tables:
                continue
            drop = f"DROP TRIGGER IF EXISTS {trigger.name}"
            cursor.execute(drop if connection.vendor == "sqlite" else f"{drop} ON {trigger.table}")
            cursor.execute(trigger.sqlite if connection.vendor == "sqlite" else trigger.postgresql)


def lift(connection: BaseDatabaseWrapper, tables: set[str] | None = None) -> None:
    """Drop the triggers; only test fixtures that must empty append-only tables call this."""
    with connection.cursor() as cursor:
        for trigger in expected():
            if tables is None or trigger.table in tables:
                drop = f"DROP TRIGGER IF EXISTS {trigger.name}"
                cursor.execute(drop if connection.vendor == "sqlite" else f"{drop} ON {trigger.table}")
