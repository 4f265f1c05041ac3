"""The first reading of an upload: is it what it says, how big is it unpacked, what are its columns.

The findings are for the owner alone, and never propose a bound or a code list (those must come from public
knowledge): names, the narrowest kind every value fits, and the number of rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from privacy.engines.duck import Engine
from privacy.errors import EngineFault
from privacy.quoting import name_sql, text_sql
from privacy.tabular.source import FileRefused, Source, look, require_names, require_text

_KINDS = ("integer", "decimal", "boolean", "date")
_REJECTS = {
    "MISSING COLUMNS": "ragged_rows",
    "TOO MANY COLUMNS": "ragged_rows",
    "UNQUOTED VALUE": "bad_quotes",
    "LINE SIZE OVER MAXIMUM": "line_too_long",
    "INVALID ENCODING": "not_utf8",
}
_FIRST_REJECT = "SELECT error_type, line FROM reject_errors ORDER BY line LIMIT 1"
_PARQUET_KINDS = {
    "BOOLEAN": "boolean", "DATE": "date", "VARCHAR": "text", "UUID": "text", "TIME": "text",
    "FLOAT": "decimal", "DOUBLE": "decimal", "HUGEINT": "integer", "UHUGEINT": "integer",
    **{f"{sign}{size}INT": "integer" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG")},
    "INTEGER": "integer", "UINTEGER": "integer",
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """A check that is ready to run."""

    declared: str
    max_bytes: int
    memory_mb: int
    threads: int

    def run(self, path: str) -> bytes:
        """Return the findings on the file at `path` as JSON: columns and rows, or the code of a refusal."""
        try:
            findings = self._findings(look(path, self.declared))
        except FileRefused as refusal:
            findings = {"refused": refusal.code, **({"line": refusal.line} if refusal.line else {})}
        except EngineFault:
            findings = {"refused": "unreadable"}
        return json.dumps(findings).encode()

    def _findings(self, source: Source) -> dict[str, Any]:
        if source.delimiter is not None:
            require_text(source, max_bytes=self.max_bytes)
        with Engine().locked(
            files=[source.path], memory_mb=self.memory_mb, threads=self.threads
        ) as connection:
            read = self._csv if source.delimiter is not None else self._parquet
            return read(source, connection)

    def _csv(self, source: Source, connection: Any) -> dict[str, Any]:
        """Parse every row; refuse at the first one that does not fit the header."""
        wanted = ["count(*)"]
        for name in source.names:
            wanted += [f"count({name_sql(name)})", *_fits(name)]
        query = f"SELECT {', '.join(wanted)} FROM {source.sql(rejects=True)}"
        # All of it: only when the reading is over does the engine write its table of rejects.
        [(rows, *counts)] = connection.execute(query).fetchall()
        for reject, line in connection.execute(_FIRST_REJECT).fetchall():
            raise FileRefused(_REJECTS.get(str(reject), "unreadable"), int(line))
        if not rows:
            raise FileRefused("no_rows")
        width = 1 + len(_KINDS)
        found = [_kind(counts[i * width : (i + 1) * width]) for i in range(len(source.names))]
        return _report(source.names, found, int(rows))

    def _parquet(self, source: Source, connection: Any) -> dict[str, Any]:
        """Refuse by metadata what says it is too big, and by reading what hides it."""
        path = text_sql(source.path)
        (rows,) = connection.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata({path})").fetchone()
        (packed,) = connection.execute(
            f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({path})"
        ).fetchone()
        described = connection.execute(f"DESCRIBE SELECT * FROM {source.sql()}").fetchall()
        names = tuple(str(row[0]) for row in described)
        require_names(names)
        if not rows:
            raise FileRefused("no_rows")
        if max(int(packed or 0), int(rows) * len(names) * 8) > self.max_bytes:
            raise FileRefused("expands_too_far")
        kinds = [_parquet_kind(str(row[1])) for row in described]
        texts = [name for name, kind in zip(names, kinds, strict=True) if kind == "text"]
        sizes = " + ".join(f"coalesce(sum(strlen(CAST({name_sql(name)} AS VARCHAR))), 0)" for name in texts)
        (size,) = connection.execute(f"SELECT {sizes or '0'} FROM {source.sql()}").fetchone()
        if int(size) > self.max_bytes:
            raise FileRefused("expands_too_far")
        return _report(replace(source, names=names).names, kinds, int(rows))


def _fits(name: str) -> list[str]:
    """Return, for each kind, how many values of a text column are of it."""
    value = f"trim({name_sql(name)})"
    number = f"TRY_CAST({value} AS DOUBLE)"
    tests = [
        f"isfinite({number}) AND {number} = floor({number})",
        f"isfinite({number})",
        f"TRY_CAST({value} AS BOOLEAN) IS NOT NULL",
        f"TRY_CAST({value} AS DATE) IS NOT NULL",
    ]
    return [f"count_if({test})" for test in tests]


def _kind(counts: list[int]) -> str:
    """Return the narrowest kind that every value fits."""
    filled, *fits = counts
    if not filled:
        return "empty"
    return next((kind for kind, count in zip(_KINDS, fits, strict=True) if count == filled), "text")


def _parquet_kind(found: str) -> str:
    """Return our kind for one of DuckDB's types; nested and binary columns are refused."""
    if found.startswith("DECIMAL"):
        return "decimal"
    if found.startswith("TIMESTAMP"):
        return "date"
    if found not in _PARQUET_KINDS:
        raise FileRefused("nested_columns")
    return _PARQUET_KINDS[found]


def _report(names: tuple[str, ...], kinds: list[str], rows: int) -> dict[str, Any]:
    columns = [{"name": name, "kind": kind} for name, kind in zip(names, kinds, strict=True)]
    return {"columns": columns, "rows": rows}


def prepare(spec: Mapping[str, Any]) -> Check:
    """Return the check that `spec` describes: format, max_expanded_mb, memory_mb, threads."""
    return Check(
        declared=str(spec["format"]),
        max_bytes=int(spec["max_expanded_mb"]) << 20,
        memory_mb=int(spec["memory_mb"]),
        threads=int(spec.get("threads", 2)),
    )
