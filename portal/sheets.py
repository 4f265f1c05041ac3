"""Answers as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from privacy.query.answer import Answer

# A cell of text that begins like this is taken for a formula by spreadsheets (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(cell: object) -> object:
    """Return `cell`, with an apostrophe before text that a spreadsheet would run; numbers stay numbers."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return "'" + cell
    return "" if cell is None else cell


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return RFC 4180 text: the header and one line a row, each cell made safe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([safe(name) for name in header])
    for row in rows:
        writer.writerow([safe(cell) for cell in row])
    return out.getvalue()


def of(answer: Answer) -> str:
    """Return an answer as CSV: each figure's column is followed by its ± at 95 %."""
    header: list[str] = []
    for column in answer.columns:
        header += [column.name] if column.kind == "key" else [column.name, f"{column.name}_plus_minus_95"]
    return to_csv(header, (_line(answer, row) for row in range(len(answer.rows))))


def _line(answer: Answer, row: int) -> list[object]:
    cells: list[object] = []
    for index, column in enumerate(answer.columns):
        cells.append(plain(answer.value(row, index)))
        if column.kind != "key":
            error = answer.accuracy[row][index]
            cells.append(None if error is None else float(error))
    return cells


def plain(value: object) -> object:
    """Return a cell as a JSON number or text; whole numbers stay exact."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)
