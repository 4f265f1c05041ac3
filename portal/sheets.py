"""Answers as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

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
