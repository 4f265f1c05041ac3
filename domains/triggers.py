"""Promises that the database itself keeps: triggers, installed by migration and again after each migrate.

SQLite rebuilds a table on some schema changes and silently drops its triggers, so they are compared with
the expected set after every migrate, in a house test and at `/readyz`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Trigger:
    """One named trigger with its text for each database; an empty text means there is none on that one.

    `needs` names the other tables that it reads: while migrations have not made them, it is not installed.
    """

    name: str
    table: str
    sqlite: str
    postgresql: str
    needs: tuple[str, ...] = ()

    def text(self, vendor: str) -> str:
        """Return the statements that make this trigger on `vendor`; empty where that database needs none."""
        return self.sqlite if vendor == "sqlite" else self.postgresql


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


def check(name: str, table: str, *, on: str, unless: str, message: str, before: str = "") -> Trigger:
    """Build a trigger that refuses `on` (INSERT or UPDATE) on `table` unless `unless` is true.

    `unless` is a condition over NEW and OLD that may look into other tables, in words that both databases
    understand; null counts as false. `before` is a PL/pgSQL statement that PostgreSQL runs first, such as
    taking a row lock that SQLite does not need.
    """
    quoted = message.replace("'", "''")
    sqlite = (
        f"CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW "
        f"BEGIN SELECT RAISE(ABORT, '{quoted}') WHERE ({unless}) IS NOT TRUE; END"
    )
    postgresql = (
        f"CREATE OR REPLACE FUNCTION {name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {before} "
        f"IF ({unless}) IS NOT TRUE THEN "
        f"RAISE EXCEPTION USING MESSAGE = '{quoted}', ERRCODE = 'integrity_constraint_violation'; "
        f"END IF; RETURN NEW; END $$; "
        f"CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}_f()"
    )
    return Trigger(name, table, sqlite, postgresql)


def no_truncate(table: str) -> Trigger:
    """Refuse TRUNCATE on `table`, which row triggers do not see; SQLite has no such statement."""
    name = f"{table}_no_truncate"
    postgresql = (
        f"CREATE OR REPLACE FUNCTION {name}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION USING MESSAGE = '{table} is never emptied', "
        f"ERRCODE = 'integrity_constraint_violation'; END $$; "
        f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}_f()"
    )
    return Trigger(name, table, "", postgresql)


def append_only(table: str) -> tuple[Trigger, ...]:
    """Refuse every UPDATE, DELETE and TRUNCATE on `table`."""
    rows = tuple(
        guard(f"{table}_no_{verb.lower()}", table, on=verb, message=f"{table} is append-only")
        for verb in ("UPDATE", "DELETE")
    )
    return (*rows, no_truncate(table))


def kept(table: str) -> tuple[Trigger, ...]:
    """Refuse DELETE and TRUNCATE on `table`; its rows may change."""
    return (
        guard(f"{table}_no_delete", table, on="DELETE", message=f"{table} is never deleted"),
        no_truncate(table),
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
    return sorted({t.name for t in expected() if t.text(connection.vendor)} - present)


def install(connection: BaseDatabaseWrapper) -> None:
    """Create afresh each expected trigger whose table exists and has every column that its model has.

    A table that a later migration still widens is left without: that migration, or `post_migrate`, comes back.
    """
    tables = set(connection.introspection.table_names())
    lift(connection, tables)
    tables -= _outdated(connection, tables)
    with connection.cursor() as cursor:
        for trigger in expected():
            if tables.issuperset({trigger.table, *trigger.needs}) and trigger.text(connection.vendor):
                cursor.execute(trigger.text(connection.vendor))


_COLUMNS = {
    "sqlite": "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'",
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema()",
}


def _outdated(connection: BaseDatabaseWrapper, tables: set[str]) -> set[str]:
    """Name the tables that lack a column of their model as the code has it now.

    One statement for all tables: Django's own introspection parses the text of each, at half a second in all.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS[connection.vendor])
        present = set(cursor.fetchall())
    return {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if model._meta.db_table in tables and (model._meta.db_table, field.column) not in present
    }


def lift(connection: BaseDatabaseWrapper, tables: set[str] | None = None) -> None:
    """Drop the triggers; only test fixtures that must empty append-only tables call this by itself."""
    with connection.cursor() as cursor:
        for trigger in expected():
            if tables is None or trigger.table in tables:
                drop = f"DROP TRIGGER IF EXISTS {trigger.name}"
                cursor.execute(drop if connection.vendor == "sqlite" else f"{drop} ON {trigger.table}")
