"""Whom we protect, and how much of one such unit an answer may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from privacy.errors import SchemaInvalid

ROW_ID = "_row"  # made at publication in every dataset; never queried
HIDDEN = f"{ROW_ID}:"  # how the names of what else is made at publication begin


def is_hidden(name: str) -> bool:
    """Say whether `name` is kept for what publication makes, so that nobody may declare, upload or query it."""
    return name.lower() == ROW_ID or name.lower().startswith(HIDDEN)


@dataclass(frozen=True)
class PrivacyUnit:
    """One value of `column`, or one row where `column` is None.

    An answer counts a unit in at most `max_groups` groups, and at most `max_rows` rows of it in each.
    """

    column: str | None
    max_groups: int
    max_rows: int

    def __post_init__(self) -> None:
        """Refuse bounds that are not positive, or that a row cannot have."""
        for value in (self.max_groups, self.max_rows):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**6:
                raise SchemaInvalid("A contribution bound is a whole number from 1 to 1,000,000.")
        if self.column is None and (self.max_groups, self.max_rows) != (1, 1):
            raise SchemaInvalid("Where the row itself is the privacy unit, both contribution bounds are 1.")
        if self.column is not None and (not self.column or is_hidden(self.column)):
            raise SchemaInvalid("The privacy unit's column must be named; for the row itself, name none.")

    @property
    def name(self) -> str:
        """Return the name that COUNT(DISTINCT …) uses for this unit."""
        return ROW_ID if self.column is None else self.column

    def to_dict(self) -> dict[str, object]:
        """Return the unit as canonical JSON values."""
        return {"column": self.column, "max_groups": self.max_groups, "max_rows": self.max_rows}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> PrivacyUnit:
        """Read what `to_dict` wrote; raise SchemaInvalid on anything else."""
        column, groups, rows = (data.get(name) for name in ("column", "max_groups", "max_rows"))
        if not (column is None or isinstance(column, str)):
            raise SchemaInvalid("The privacy unit's column is a name or nothing.")
        if not isinstance(groups, int) or not isinstance(rows, int):
            raise SchemaInvalid("Both contribution bounds must be given as whole numbers.")
        return cls(column, groups, rows)
