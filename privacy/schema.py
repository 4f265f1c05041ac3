"""What a data owner declares in public about a table: columns, bounds, code lists, the privacy unit.

Nothing here is ever read from the private rows; the engine holds the rows to it instead: values are clamped
to the bounds, and what is not in a code list counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from privacy.column import (
    MAX_CODES,
    MAX_NAME,
    NUMERIC,
    Column,
    Kind,
    bound_text,
    check_name,
    day_of,
    decimal_text,
)
from privacy.errors import SchemaInvalid
from privacy.unit import PrivacyUnit

__all__ = [
    "MAX_CODES",
    "MAX_COLUMNS",
    "MAX_NAME",
    "NUMERIC",
    "Column",
    "Kind",
    "Table",
    "bound_text",
    "day_of",
    "decimal_text",
]

MAX_COLUMNS = 1_000
MAX_OTHERS = 31  # further tables beside the main one


@dataclass(frozen=True)
class Table:
    """A declared table: what may be asked of it, whom it protects, and a public bound on how many there are.

    The main table of a dataset carries the dataset's further tables in `others`. A private one has the
    privacy unit's column too; a public one (`is_public`) is a look-up table that protects nobody: its unit is
    PrivacyUnit(None, 1, 1), its `max_units` bounds its rows, and `key` names the one column whose values are
    all there and all different.
    """

    name: str
    columns: tuple[Column, ...]
    unit: PrivacyUnit
    max_units: int
    others: tuple[Table, ...] = ()
    is_public: bool = False
    key: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table without columns, with two of one name, or without a public size bound."""
        check_name(self.name, "A table")
        if not 1 <= len(self.columns) <= MAX_COLUMNS:
            raise SchemaInvalid(f"A table has from 1 to {MAX_COLUMNS} columns.")
        names = [column.name.lower() for column in self.columns]
        if len(set(names)) != len(names):
            raise SchemaInvalid("Column names must differ by more than upper and lower case.")
        if not isinstance(self.max_units, int) or not 1 <= self.max_units <= 10**12:
            raise SchemaInvalid("The declared largest number of units is a whole number from 1 to 10^12.")
        if self.unit.column is not None:
            check_name(self.unit.column, "The privacy unit")
        self._check_public()
        self._check_others()

    def _check_public(self) -> None:
        """Refuse a public table without a key column or with a privacy unit, and a key anywhere else."""
        if not isinstance(self.is_public, bool):
            raise SchemaInvalid(f"Table {self.name}: is_public is true or false.")
        if not self.is_public:
            if self.key is not None:
                raise SchemaInvalid(f"Table {self.name}: only a public table declares a key.")
            return
        if self.unit != PrivacyUnit(None, 1, 1):
            raise SchemaInvalid(f"Table {self.name}: a public table has no privacy unit.")
        if not isinstance(self.key, str) or all(column.name != self.key for column in self.columns):
            raise SchemaInvalid(f"Table {self.name}: a public table's key is one of its columns.")

    def _check_others(self) -> None:
        """Refuse tables within tables, two of one name, and private ones that share no privacy unit."""
        if self.others and self.is_public:
            raise SchemaInvalid("A dataset's main table is private.")
        if len(self.others) > MAX_OTHERS:
            raise SchemaInvalid(f"A dataset has at most {MAX_OTHERS} tables beside its main one.")
        names = [table.name.lower() for table in (self, *self.others)]
        if len(set(names)) != len(names):
            raise SchemaInvalid("Table names must differ by more than upper and lower case.")
        for table in self.others:
            if table.others:
                raise SchemaInvalid(f"Table {table.name}: only a main table has further tables.")
            if table.is_public:
                continue
            if self.unit.column is None:
                raise SchemaInvalid(
                    f"Table {table.name}: a dataset whose privacy unit is the row has one private table."
                )
            if table.unit.column is None:
                raise SchemaInvalid(f"Table {table.name}: a private table needs the privacy unit's column.")

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return every table of the dataset, the main one first."""
        return (self, *self.others)

    def find(self, name: str) -> Column | None:
        """Return the column of that name, ignoring case as SQL does, or None."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def find_table(self, name: str) -> Table | None:
        """Return the dataset's table of that name, ignoring case as SQL does, or None."""
        return next((table for table in self.tables if table.name.lower() == name.lower()), None)

    def to_dict(self) -> dict[str, object]:
        """Return the table as canonical JSON values."""
        return {
            "name": self.name,
            "columns": [column.to_dict() for column in self.columns],
            "unit": self.unit.to_dict(),
            "max_units": self.max_units,
            "others": [table.to_dict() for table in self.others],
            "is_public": self.is_public,
            "key": self.key,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Table:
        """Read what `to_dict` wrote, or a single private table without the last three fields."""
        needed = {"name", "columns", "unit", "max_units"}
        if not needed <= set(data) <= needed | {"others", "is_public", "key"}:
            raise SchemaInvalid(
                "A table has a name, columns, a unit and max_units, and may have others, is_public and a key."
            )
        if not isinstance(data["columns"], Sequence) or not isinstance(data["unit"], Mapping):
            raise SchemaInvalid("A table's columns are a list and its unit is an object.")
        others = data.get("others", ())
        if not isinstance(others, Sequence) or not all(isinstance(table, Mapping) for table in others):
            raise SchemaInvalid("A table's others are a list of tables.")
        return cls(
            name=data["name"],
            columns=tuple(Column.from_dict(column) for column in data["columns"]),
            unit=PrivacyUnit.from_dict(data["unit"]),
            max_units=data["max_units"],
            others=tuple(cls.from_dict(table) for table in others),
            is_public=data.get("is_public", False),
            key=data.get("key"),
        )
