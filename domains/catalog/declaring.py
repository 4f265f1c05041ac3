"""How what an owner declares becomes the engine's own values, and rows that keep it exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from domains.catalog.declared import BoundSource, DeclaredColumn
from domains.errors import InvalidInput
from privacy import schema
from privacy.errors import SchemaInvalid
from privacy.unit import PrivacyUnit

MOST_NAME, MOST_DESCRIPTION = 63, 200  # characters, as PostgreSQL and our own columns hold them
MOST_ROWS = 10**12


def accepted(build: Callable[[], schema.Table]) -> schema.Table:
    """Return what `build` makes, so that what is stored is what the engine accepts; raise InvalidInput."""
    try:
        table = build()
    except SchemaInvalid as error:
        raise InvalidInput(error.message, code="schema_invalid") from error
    for column in table.columns:
        _require_storable(column)
    return table


def read(
    name: str, columns: Sequence[Mapping[str, Any]], unit: Callable[[], PrivacyUnit], **words: Any
) -> tuple[schema.Table, list[str]]:
    """Return a declared table, and where each column's bounds and codes come from; raise InvalidInput."""
    table = accepted(lambda: schema.Table(name=name, columns=columns_of(columns), unit=unit(), **words))
    return table, [source_of(column) for column in columns]


def write_columns(
    model: type[DeclaredColumn], table: schema.Table, sources: list[str], /, **owner: Any
) -> None:
    """Put the rows of a declared table's columns in the place of those that `owner` had."""
    model._default_manager.filter(**owner).delete()
    rows = zip(table.columns, sources, strict=True)
    model._default_manager.bulk_create(
        [model(**owner, **row_of(n, column, source)) for n, (column, source) in enumerate(rows, 1)]
    )


def columns_of(columns: Sequence[Mapping[str, Any]]) -> tuple[schema.Column, ...]:
    """Read columns with the fields of `privacy.schema.Column.to_dict`; raise SchemaInvalid."""
    return tuple(schema.Column.from_dict(_fields(column)) for column in columns)


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


def source_of(column: Mapping[str, Any]) -> str:
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


def row_of(position: int, column: schema.Column, source: str) -> dict[str, Any]:
    """Return a declared column as the fields of `declared.DeclaredColumn`."""
    return {
        "position": position,
        "name": column.name,
        "kind": column.kind.value,
        "description": column.description,
        "lower": column.lower,
        "upper": column.upper,
        "step": column.step,
        "codes": list(column.codes),
        "missing": list(column.missing),
        "nullable": column.nullable,
        "source": source,
    }


def words_of(table: schema.Table, declared_rows: int | None) -> dict[str, Any]:
    """Return a table's unit, bounds and published size as the fields that versions and tables share."""
    if declared_rows is not None and (type(declared_rows) is not int or not 1 <= declared_rows <= MOST_ROWS):
        raise InvalidInput(
            "The size you publish is a whole number from 1, or left out.", code="declared_rows_invalid"
        )
    return {
        "unit_column": table.unit.column or "",
        "max_groups": table.unit.max_groups,
        "max_rows": table.unit.max_rows,
        "max_units": table.max_units,
        "declared_rows": declared_rows,
    }


def together(main: schema.Table, others: Sequence[schema.Table]) -> schema.Table:
    """Return the dataset's tables as one value; raise InvalidInput where they do not belong together.

    Private tables are joined on the privacy unit, so its column has to mean the same in all of them.
    """
    whole = accepted(lambda: replace(main, others=tuple(others)))
    for table in whole.others:
        if not table.is_public and _unit_kind(table) != _unit_kind(main):
            raise InvalidInput(
                f"Table {table.name}: declare {table.unit.column} as the main table declares "
                f"{main.unit.column}: in both or in neither, of the same kind and with the same codes.",
                code="schema_invalid",
            )
    return whole


def unit_column(table: schema.Table) -> schema.Column | None:
    """Return the declaration of the privacy unit's column; None where it is not declared."""
    return None if table.unit.column is None else table.find(table.unit.column)


def _unit_kind(table: schema.Table) -> tuple[schema.Kind, tuple[str | int, ...]] | None:
    column = unit_column(table)
    return None if column is None else (column.kind, column.codes)


def schema_sha256(table: schema.Table) -> str:
    """Return the SHA-256, in hexadecimal, of a declared schema; it is public, so it may leave the node."""
    canonical = json.dumps(table.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
