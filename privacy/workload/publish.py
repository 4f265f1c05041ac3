"""Synthetic rows for everybody: from a released answer to a model, its rows as files, and a report on both.

All of it follows from the released bytes: the same answer gives the same files. No private data is opened here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privacy.engines.duck import Engine
from privacy.query.answer import Answer, Cell
from privacy.quoting import name_sql, text_sql
from privacy.workload import fit
from privacy.workload.model import Attribute, sha256
from privacy.workload.rows import draw

LABEL = "gridhouse_synthetic"  # in the Parquet file's own metadata: the ε that paid for its rows


@dataclass(frozen=True)
class Prepared:
    """A fit whose rows will be written."""

    fit: fit.Prepared
    epsilon: str
    memory_mb: int

    @property
    def facts(self) -> dict[str, object]:
        """Return what the worker may know before."""
        return self.fit.facts

    def run(self, answer: str, parquet: str, csv: str) -> bytes:
        """Fit a released answer (JSON text), write its rows to both files; return the report and the model as JSON.

        The report: `columns`, `rows` and `total` (their number, and the estimate), `method`, and for each released
        table and column the total variation distance from it, 0 to 1, noise included.
        """
        measured = fit.measured_of(Answer.from_bytes(answer.encode()), self.fit.scales)
        model = fit.fit(self.fit.attributes, measured)
        payload = model.to_bytes()
        drawn = draw(model, sha256(payload))
        rows = drawn.rows()
        Path(csv).write_text(to_csv(model.attributes, rows), encoding="utf-8", newline="")
        self._to_parquet(model.attributes, csv, parquet)
        report = {
            "columns": [each.name for each in model.attributes],
            "rows": len(rows),
            "total": round(model.total),
            "method": model.method,
            "closeness": [
                {"name": each.name, "columns": each.columns, "distance": round(each.distance, 6)}
                for each in drawn.closeness()
            ],
        }
        return json.dumps({"report": report, "model": payload.decode()}, ensure_ascii=True).encode()

    def _to_parquet(self, attributes: Sequence[Attribute], csv: str, parquet: str) -> None:
        """Write the rows of the CSV file as Parquet, with the ε that paid for them in its metadata."""
        types = ", ".join(f"{text_sql(each.name)}: '{sql_type(each)}'" for each in attributes)
        read = (
            f"read_csv({text_sql(csv)}, header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '',"
            f" allow_quoted_nulls = false, parallel = false, auto_detect = false, columns = {{{types}}})"
        )
        names = ", ".join(name_sql(each.name) for each in attributes)
        form = f"FORMAT parquet, USE_TMP_FILE false, KV_METADATA {{{LABEL}: {text_sql(self.epsilon)}}}"
        with Engine().locked(files=[parquet, csv], memory_mb=self.memory_mb, threads=1) as connection:
            connection.execute(f"COPY (SELECT {names} FROM {read}) TO {text_sql(parquet)} ({form})")


def sql_type(attribute: Attribute) -> str:
    """Return the type that holds an attribute's public values."""
    kinds = {type(value) for value in attribute.values if value is not None}
    return {frozenset({bool}): "BOOLEAN", frozenset({int}): "BIGINT"}.get(frozenset(kinds), "VARCHAR")


def to_csv(attributes: Sequence[Attribute], rows: Sequence[tuple[Cell, ...]]) -> str:
    """Return RFC 4180 text; a missing value is empty, and texts are quoted, so that an empty text is not missing."""
    lines = [[each.name for each in attributes], *rows]
    return "".join(",".join(_written(cell) for cell in line) + "\r\n" for line in lines)


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return '"' + cell.replace('"', '""') + '"'
    return str(cell).lower()


def prepare(spec: Mapping[str, Any]) -> Prepared:
    """Return the writer that `spec` describes: what `fit.prepare` takes, with `epsilon` and `memory_mb`."""
    own = {name: spec[name] for name in ("plan", "table", "scales")}
    return Prepared(fit.prepare(own), str(spec["epsilon"]), int(spec["memory_mb"]))
