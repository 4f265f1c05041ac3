"""An answer: noisy integers over public scales, each with how far off it may be.

A released figure is an integer and its column's scale; value = integer / scale, exactly. Nothing else about
the private rows is in it, so its bytes can be stored, hashed and shown as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from privacy.errors import EngineFault

Cell = str | int | bool | None
VERSION = 1


@dataclass(frozen=True)
class AnswerColumn:
    """One column: kind is key, count, units, sum, mean, variance, stddev, quantile, running or formula.

    `scale` divides the integers; a key has none. `plus_minus` holds at 95 % for every row, or is None where it
    differs by row. Of a quantile (also MIN and MAX) it is not in the column's unit: it says by how many percentile
    points the rank of the value may be off.
    """

    name: str
    kind: str
    scale: int | None = None
    plus_minus: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        return {"name": self.name, "kind": self.kind, "scale": self.scale, "plus_minus": self.plus_minus}


@dataclass(frozen=True)
class Answer:
    """Rows of keys and scaled integers; `accuracy` has the same shape, with ± as text or None for keys."""

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    accuracy: tuple[tuple[str | None, ...], ...]
    notes: tuple[str, ...]
    certificate: Mapping[str, Any]

    def value(self, row: int, column: int) -> Cell | Decimal:
        """Return one cell as people read it: a key as it is, a figure as integer / scale."""
        cell, scale = self.rows[row][column], self.columns[column].scale
        if scale is None or not isinstance(cell, int):
            return cell
        return Decimal(cell) / Decimal(scale)

    def records(self) -> list[dict[str, Cell | Decimal]]:
        """Return every row as {column name: value}."""
        names = [column.name for column in self.columns]
        return [
            {name: self.value(row, index) for index, name in enumerate(names)}
            for row in range(len(self.rows))
        ]

    def to_bytes(self) -> bytes:
        """Return the answer as canonical JSON: the bytes that are stored and released."""
        data = {
            "version": VERSION,
            "columns": [column.to_dict() for column in self.columns],
            "rows": [list(row) for row in self.rows],
            "accuracy": [list(row) for row in self.accuracy],
            "notes": list(self.notes),
            "certificate": dict(self.certificate),
        }
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Answer:
        """Read what `to_bytes` wrote; raise EngineFault on anything else."""
        try:
            data = json.loads(payload)
            if data["version"] != VERSION:
                raise KeyError
            return cls(
                tuple(AnswerColumn(**column) for column in data["columns"]),
                tuple(tuple(row) for row in data["rows"]),
                tuple(tuple(row) for row in data["accuracy"]),
                tuple(data["notes"]),
                data["certificate"],
            )
        except (ValueError, KeyError, TypeError):
            raise EngineFault(
                "These bytes are not an answer of this version.", code="answer_unreadable"
            ) from None
