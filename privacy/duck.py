"""DuckDB behind locked doors: named files only, nothing else of the outside, and a bound on its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def name_sql(name: str) -> str:
    """Return `name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_sql(text: str) -> str:
    """Return `text` as a quoted literal."""
    return "'" + text.replace("'", "''") + "'"


def list_sql(texts: Sequence[str]) -> str:
    """Return `texts` as a bracketed list of literals."""
    return "[" + ", ".join(text_sql(text) for text in texts) + "]"


@contextmanager
def locked(
    *, files: Sequence[str | Path], memory_mb: int, threads: int = 2, scratch: str | Path | None = None
) -> Iterator[Any]:
    """Give a connection that reads and writes `files` only, and spills into the folder `scratch` if one is named."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        for setting in lockdown([str(file) for file in files], memory_mb, threads, scratch):
            connection.execute(setting)
        yield connection


def lockdown(
    files: Sequence[str], memory_mb: int, threads: int, scratch: str | Path | None = None
) -> list[str]:
    """Return the settings that leave an engine these files, in the order in which it accepts them."""
    folder = "" if scratch is None else str(scratch).rstrip("/") + "/"
    allowed = [] if scratch is None else [f"SET allowed_directories = {list_sql([folder])}"]
    return [
        f"SET memory_limit = '{int(memory_mb)}MB'",
        f"SET threads = {int(threads)}",
        f"SET temp_directory = {text_sql(folder)}",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET allowed_paths = {list_sql(files)}",
        *allowed,
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ]
