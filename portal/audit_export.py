"""A selection of the log as JSON lines or CSV, streamed, each with the checkpoint of the log it was taken from."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from domains.audit import checkpoints, notes, queries, search
from domains.audit.keys import log_key
from domains.audit.notes import Checkpoint
from domains.audit.search import Filters
from portal.sheets import safe

KIND = "gridhouse-audit-selection/1"
COLUMNS = ("index", "at", "event", "actor", "subject_type", "subject", "details", "leaf_sha256")


def json_lines(filters: Filters, typed: dict[str, str], head: Checkpoint) -> Iterator[str]:
    """Yield one line that says what was selected and from which checkpoint, then one event a line."""
    chosen = {name: value for name, value in typed.items() if value}
    note = notes.sign(head, log_key())
    yield _line({"kind": KIND, "filters": chosen, "checkpoint": note, "public_key": checkpoints.public_key()})
    for row in search.exported(filters, head.size):
        leaf = base64.b64encode(bytes(row.body)).decode()
        yield _line({"index": row.index, "leaf": leaf, "event": queries.body(row)})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


class _Echo:
    """Hands each line that a CSV writer writes straight on."""

    def write(self, text: str) -> str:
        return text


def sheet(filters: Filters, typed: dict[str, str], head: Checkpoint) -> Iterator[str]:
    """Yield the same as CSV, safe for spreadsheets; the last two columns name the checkpoint."""
    writer = csv.writer(_Echo())
    yield writer.writerow([*COLUMNS, "log_size", "log_root"])
    for row in search.exported(filters, head.size):
        yield writer.writerow([safe(cell) for cell in (*_cells(row), head.size, head.root.hex())])


def _cells(row: Any) -> tuple[object, ...]:
    body = queries.body(row)
    details = json.dumps(body["details"], ensure_ascii=False, sort_keys=True)
    said = (body[name] for name in ("event", "actor", "subject_type", "subject"))
    return row.index, body["at"], *said, details, bytes(row.leaf).hex()


FORMATS: dict[str, tuple[Callable[[Filters, dict[str, str], Checkpoint], Iterator[str]], str]] = {
    "jsonl": (json_lines, "application/x-ndjson"),
    "csv": (sheet, "text/csv; charset=utf-8"),
}


def response(kind: str, filters: Filters, typed: dict[str, str]) -> StreamingHttpResponse:
    """Answer with the events that match, as `kind`, under a name that says how long the log was."""
    write, content_type = FORMATS[kind]
    head = checkpoints.head()
    answer = StreamingHttpResponse(write(filters, typed, head), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="audit-at-{head.size}.{kind}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
