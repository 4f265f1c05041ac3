"""DuckDB behind locked doors: named files only, nothing else of the outside, and a bound on its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from privacy.errors import EngineFault
from privacy.quoting import list_sql, text_sql

Files = Sequence[str | Path]


class Engine:
    """Starts engines; one may stand by, for starting takes longer than a small question."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._waiting: Any = None

    def stand_by(self) -> None:
        """Start an engine that the next `locked` gives."""
        self._waiting = _started()

    @contextmanager
    def locked(
        self,
        *,
        files: Files,
        memory_mb: int,
        threads: int = 2,
        scratch: str | Path | None = None,
        keeps_order: bool = True,
    ) -> Iterator[Any]:
        """Give a fresh engine that reads and writes `files` only, and spills into `scratch` if that is named.

        Where the order of rows does not matter, it is faster without. Raises EngineFault for whatever of the
        engine's own errors happens inside: their words can quote a row, and no traceback may hold them.
        """
        import duckdb

        waiting, self._waiting = self._waiting, None
        try:
            with _started() if waiting is None else waiting as connection:
                if not keeps_order:
                    connection.execute("SET preserve_insertion_order = false")
                for setting in lockdown([str(file) for file in files], memory_mb, threads, scratch):
                    connection.execute(setting)
                yield connection
        except duckdb.Error:
            raise EngineFault("The engine could not compute this answer.") from None


def _started() -> Any:
    import duckdb

    return duckdb.connect(":memory:")


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
