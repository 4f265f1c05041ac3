"""Writing an uploaded mock as CSV for people to download. Never called for private data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy.engines.duck import Engine
from privacy.quoting import name_sql, text_sql
from privacy.unit import HIDDEN, ROW_ID


@dataclass(frozen=True)
class Export:
    """An export that is ready to run."""

    memory_mb: int

    def run(self, parquet: str, csv: str) -> bytes:
        """Write the rows of `parquet`, without their ids, to `csv`; return an empty report."""
        row_id = name_sql(ROW_ID)
        shown = (
            f"COLUMNS(lambda name: name != {text_sql(ROW_ID)} AND NOT starts_with(name, {text_sql(HIDDEN)}))"
        )
        rows = f"SELECT {shown} FROM read_parquet({text_sql(parquet)}) ORDER BY {row_id}"
        with Engine().locked(files=[parquet, csv], memory_mb=self.memory_mb) as connection:
            connection.execute(f"COPY ({rows}) TO {text_sql(csv)} (FORMAT csv, HEADER, USE_TMP_FILE false)")
        return b"{}"


def prepare(spec: Mapping[str, Any]) -> Export:
    """Return the export that `spec` describes: memory_mb."""
    return Export(int(spec["memory_mb"]))
