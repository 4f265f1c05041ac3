"""Answers as files: CSV that a spreadsheet shows and never runs, Parquet, and JSON with all that proves it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.text import slugify

from domains.requests.releases import Result
from portal import parquet
from portal.parquet import Physical, Series
from privacy.query.answer import Answer

# A cell of text that begins like this is taken for a formula by spreadsheets (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_INT64 = 2**63


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
    return to_csv(header(answer), (_line(answer, row) for row in range(len(answer.rows))))


def header(answer: Answer) -> list[str]:
    """Return the names of a file's columns: each figure's is followed by one for its ±, and no two are alike."""
    names: list[str] = []
    taken = {column.name.lower() for column in answer.columns}
    for column in answer.columns:
        names.append(column.name)
        if column.kind != "key":
            # a quantile's ± counts places among the values, in percentile points
            unit = "rank_points" if column.kind == "quantile" else "plus_minus"
            name = f"{column.name}_{unit}_95"
            while name.lower() in taken:
                name += "_"
            taken.add(name.lower())
            names.append(name)
    return names


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


# --- Parquet ----------------------------------------------------------------------------------------------------


def to_parquet(result: Result) -> bytes:
    """Return an answer as Parquet: whole figures as 64-bit integers, others and every ± as doubles.

    The footer holds what the figures need to be read: the notes, the certificate, and the hash that the receipt
    proves.
    """
    answer = result.answer
    lines = [_line(answer, row) for row in range(len(answer.rows))]
    places = [index for index, column in enumerate(answer.columns) for _ in range(1 + (column.kind != "key"))]
    columns = []
    for at, (name, index) in enumerate(zip(header(answer), places, strict=True)):
        is_error = at > 0 and places[at - 1] == index
        values = [line[at] for line in lines]
        columns.append(
            _series(name, values, is_figure=answer.columns[index].kind != "key", is_error=is_error)
        )
    metadata = {
        "gridhouse.notes": json.dumps(answer.notes, ensure_ascii=False),
        "gridhouse.certificate": json.dumps(dict(answer.certificate), sort_keys=True),
        "gridhouse.request": result.release.analysis_id,
        "gridhouse.sha256": result.release.sha256,
    }
    return parquet.write(columns, metadata)


def _series(name: str, values: list[Any], *, is_figure: bool, is_error: bool) -> Series:
    """Return a column in the narrowest storage that holds every value exactly, or as near as a double is."""
    known = [value for value in values if value is not None]
    is_whole = all(type(value) is int and -_INT64 <= value < _INT64 for value in known)
    if is_error or (is_figure and not is_whole):
        return Series(name, Physical.DOUBLE, [None if value is None else float(value) for value in values])
    if known and all(isinstance(value, bool) for value in known):
        return Series(name, Physical.BOOLEAN, values)
    if is_whole and (known or is_figure):
        return Series(name, Physical.INT64, values)
    return Series(name, Physical.TEXT, [None if value is None else str(value) for value in values])


# --- JSON -------------------------------------------------------------------------------------------------------


def bundle(result: Result, receipt: Mapping[str, Any]) -> str:
    """Return an answer as one JSON file: its figures, its certificate, and the exact bytes with their receipt.

    `payload` is the released text itself: its SHA-256 is what the receipt proves, and `verify.py` checks both.
    """
    answer, release = result.answer, result.release
    analysis = release.analysis
    names = [column.name for column in answer.columns]
    rows = [
        dict(zip(names, (plain(answer.value(row, at)) for at in range(len(names))), strict=True))
        for row in range(len(answer.rows))
    ]
    errors = [
        {name: float(error) for name, error in zip(names, line, strict=True) if error is not None}
        for line in answer.accuracy
    ]
    data = {
        "request": analysis.pk,
        "title": analysis.title,
        "dataset": analysis.grant.dataset.slug,
        "sql": analysis.current.sql,
        "released_at": release.released_at.isoformat() if release.released_at else None,
        "columns": [column.to_dict() for column in answer.columns],
        "rows": rows,
        "plus_minus_95": errors,
        "notes": list(answer.notes),
        "certificate": dict(answer.certificate),
        "sha256": release.sha256,
        "payload": result.payload.decode("ascii"),
        "receipt": dict(receipt),
    }
    return json.dumps(data, indent=1, ensure_ascii=False)


def file_name(result: Result, kind: str) -> str:
    """Return a name that says what is inside, such as support2-patients-by-sex-3F9K2C.csv, of plain letters only."""
    analysis = result.release.analysis
    title = slugify(analysis.title)[:50].strip("-")
    parts = [slugify(analysis.grant.dataset.slug), title, analysis.pk[-6:]]
    return f"{'-'.join(part for part in parts if part)}.{kind}"
