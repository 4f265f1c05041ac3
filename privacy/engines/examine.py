"""Looking at a PostgreSQL database's catalogue: what the role may do, and whether a table fits its declaration.

Only the catalogue is read: names, types and privileges, never a row, a statistic or a size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy.engines.address import ConnectionFault, Relation
from privacy.schema import Column, Kind, Table

_WHOLE = frozenset({"int2", "int4", "int8"})
_NUMBERS = _WHOLE | {"float4", "float8", "numeric"}
_TEXTS = frozenset({"text", "varchar", "bpchar", "uuid"})
# Which types of PostgreSQL each declared kind may lie in. Each has a conversion that cannot fail.
TYPES: dict[Kind, frozenset[str]] = {
    Kind.INTEGER: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.BOOLEAN: frozenset({"bool"}),
    Kind.DATE: frozenset({"date", "timestamp", "timestamptz"}),
    Kind.CATEGORY: _TEXTS | _WHOLE | {"enum"},
    Kind.TEXT: _TEXTS | _WHOLE | {"enum"},
}
UNIT_TYPES = _TEXTS | _WHOLE
# Tables, partitioned tables and materialised views: a plain view computes, and what computes may fail by value.
_KINDS = {"r", "p", "m"}

_ROLE = """
SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
    OR EXISTS (SELECT 1 FROM pg_roles p WHERE (p.rolsuper OR p.rolname IN ('pg_write_server_files',
       'pg_execute_server_program', 'pg_read_server_files', 'pg_write_all_data'))
       AND pg_has_role(r.oid, p.oid, 'MEMBER'))
FROM pg_roles r WHERE r.rolname = current_user"""
_WRITABLE = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
       OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
UNION ALL
SELECT 'schema ' || nspname FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(oid, 'CREATE')
UNION ALL
SELECT 'database ' || current_database() WHERE has_database_privilege(current_database(), 'CREATE')
ORDER BY 1 LIMIT 5"""
_READABLE = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
ORDER BY 1 LIMIT 100"""
_RELATION = """
SELECT c.oid::int8, c.relkind::text, c.relrowsecurity, has_schema_privilege(n.oid, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""
_COLUMNS = """
SELECT a.attname::text, CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'b' THEN t.typname::text ELSE 'other' END,
       has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


@dataclass(frozen=True)
class Found:
    """A table that fits its declaration: its columns' names and types, and the fingerprint of what was found."""

    types: dict[str, str]
    fingerprint: str


def look(connection: Any) -> dict[str, Any]:
    """Return the server's version, whether the wire is encrypted, and which tables may be read."""
    return {
        "server": str(connection.info.server_version),
        "is_encrypted": bool(connection.pgconn.ssl_in_use),
        "relations": readable(connection),
    }


def require_reader(connection: Any) -> None:
    """Refuse a role that could do more than read: a superuser, one that makes roles, one that can write anywhere."""
    if connection.execute("SHOW server_encoding").fetchone() != ("UTF8",):
        raise ConnectionFault("encoding_refused")  # texts of others cannot all be read without an error
    if connection.execute(_ROLE).fetchone() != (False,):
        raise ConnectionFault("role_is_superuser")
    written = tuple(row[0] for row in connection.execute(_WRITABLE).fetchall())
    if written:
        raise ConnectionFault("role_can_write", written)


def readable(connection: Any) -> list[str]:
    """Return the first hundred tables that the role may read, as `schema.table`."""
    return [row[0] for row in connection.execute(_READABLE).fetchall()]


def find(connection: Any, relation: Relation, table: Table) -> Found:
    """Return the relation's columns if it fits the declared `table`; raise ConnectionFault naming what does not.

    The fingerprint covers the relation's own identity and the declared columns' types, so that a table that is
    replaced, restored or retyped is noticed, and one that gains a column is not.
    """
    row = connection.execute(_RELATION, (relation.schema, relation.name)).fetchone()
    if row is None:
        raise ConnectionFault("relation_missing", (str(relation),))
    oid, kind, has_policies, is_usable = row
    if kind not in _KINDS or has_policies:
        raise ConnectionFault("relation_kind", (str(relation),))
    columns = {name: (type_, reads) for name, type_, reads in connection.execute(_COLUMNS, (oid,)).fetchall()}
    types = fitting(columns, table, types_of, UNIT_TYPES)
    if not is_usable or not all(columns[name][1] for name in types):
        raise ConnectionFault("not_readable", (str(relation),))
    known = json.dumps([connection.info.dbname, str(relation), oid, kind, sorted(types.items())])
    return Found(types, hashlib.sha256(known.encode()).hexdigest())


def fitting(
    columns: Mapping[str, tuple[str, bool]],
    table: Table,
    types: Callable[[Column], frozenset[str]],
    unit_types: frozenset[str],
) -> dict[str, str]:
    """Return the type of each declared column and of the unit's; raise ConnectionFault naming those that do not fit.

    `columns` gives the type found of each, `types` those in which a declared one may lie.
    """
    wanted = {column.name: types(column) for column in table.columns}
    unit = table.unit.column
    if unit is not None:
        wanted[unit] = wanted.get(unit, unit_types) & unit_types
    missing = tuple(name for name in wanted if name not in columns)
    if missing:
        raise ConnectionFault("column_missing", missing)
    unfit = tuple(
        f"{name} ({columns[name][0]})" for name, fits in wanted.items() if columns[name][0] not in fits
    )
    if unfit:
        raise ConnectionFault("column_type", unfit)
    return {name: columns[name][0] for name in wanted}


def types_of(column: Column) -> frozenset[str]:
    """Return the types in which a declared column may lie."""
    return _NUMBERS if column.has_number_codes else TYPES[column.kind]
