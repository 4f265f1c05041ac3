"""Finding out what a file is before anything parses it in earnest: format, size once expanded, delimiter, names.

Nothing is believed: neither a file's name, nor what its own metadata says about its size.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from privacy.errors import PrivacyError
from privacy.quoting import text_sql
from privacy.schema import MAX_COLUMNS, MAX_NAME
from privacy.unit import is_hidden

CHUNK = 1 << 20
SAMPLE = 1 << 18  # bytes looked at to find delimiter and names
MAX_LINE = 1 << 21
DELIMITERS = ",;\t|"
_ARCHIVES = {b"PK\x03\x04": "zip_refused", b"PK\x05\x06": "zip_refused", b"BZh": "compression_refused"}
_ARCHIVES |= {b"\xfd7zXZ": "compression_refused", b"\x28\xb5\x2f\xfd": "compression_refused"}
_ARCHIVES |= {b"7z\xbc\xaf": "compression_refused", b"Rar!": "compression_refused"}


class FileRefused(PrivacyError):
    """A file cannot become a dataset. The code says why; `line` is for its owner's eyes only.

    `facts` are counts and values that say where to look: of public tables only.
    """

    def __init__(self, code: str, line: int | None = None, *, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"The file is refused: {code}.", code=code)
        self.line = line
        self.facts = dict(facts or {})


@dataclass(frozen=True)
class Source:
    """A file whose outside was looked at: its path, its columns' names, and how an engine reads it as text."""

    path: str
    names: tuple[str, ...]
    delimiter: str | None  # None for Parquet
    is_gzip: bool = False

    def sql(self, *, rejects: bool = False) -> str:
        """Return the table function that reads it; a CSV file's columns are all text."""
        if self.delimiter is None:
            return f"read_parquet({text_sql(self.path)}, binary_as_string = true)"
        columns = ", ".join(f"{text_sql(name)}: 'VARCHAR'" for name in self.names)
        options = [
            "auto_detect = false, header = true, strict_mode = true, nullstr = '', quote = '\"', escape = '\"'",
            f"delim = {text_sql(self.delimiter)}, columns = {{{columns}}}, max_line_size = {MAX_LINE}",
            f"compression = '{'gzip' if self.is_gzip else 'none'}'",
            *(["store_rejects = true, rejects_limit = 1"] if rejects else []),
        ]
        return f"read_csv({text_sql(self.path)}, {', '.join(options)})"


def look(path: str, declared: str) -> Source:
    """Tell what the file at `path` is; `declared` is csv or parquet. Raises FileRefused."""
    with Path(path).open("rb") as file:
        head = file.read(8)
    if not head:
        raise FileRefused("empty")
    for magic, code in _ARCHIVES.items():
        if head.startswith(magic):
            raise FileRefused(code)
    if head.startswith(b"PAR1") != (declared == "parquet"):
        raise FileRefused("format_mismatch")
    if declared == "parquet":
        return Source(path, (), None)
    is_gzip = head.startswith(b"\x1f\x8b")
    sample = b"".join(_until(expanded(path, is_gzip), SAMPLE))
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="strict")
    try:
        lines = text.decode(sample).splitlines(keepends=True)
    except UnicodeDecodeError:
        raise FileRefused("not_utf8") from None
    if len(sample) >= SAMPLE and len(lines) > 1:
        lines = lines[:-1]  # the last one may be cut
    delimiter = _delimiter(lines)
    return Source(path, names_of(lines, delimiter), delimiter, is_gzip)


def expanded(path: str, is_gzip: bool) -> Iterator[bytes]:
    """Yield a file's bytes in pieces, unpacked if need be; a piece never exceeds CHUNK however it was packed."""
    with Path(path).open("rb") as raw:
        file: BinaryIO = gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[assignment]
        try:
            while piece := file.read(CHUNK):
                yield piece
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise FileRefused("gzip_broken") from None


def _until(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:size]
        size -= len(piece)
        if size <= 0:
            return


def require_text(source: Source, *, max_bytes: int) -> None:
    """Read a CSV file through once: refuse one that expands beyond `max_bytes`, is not UTF-8, or holds NUL."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    try:
        for piece in expanded(source.path, source.is_gzip):
            size += len(piece)
            if size > max_bytes:
                raise FileRefused("expands_too_far")
            if b"\0" in piece:
                raise FileRefused("not_text")
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise FileRefused("not_utf8") from None


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("".join(lines[:100])), delimiter=delimiter))
    except csv.Error:
        return []


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter under which the first rows agree most on having many columns; a comma if none does."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in _rows(lines, delimiter) if row]
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(width == widths[0] for width in widths) / len(widths), widths[0])

    return max(DELIMITERS, key=score)


def names_of(lines: list[str], delimiter: str) -> tuple[str, ...]:
    """Return the header's names, or refuse a header that does not name every column once."""
    rows = _rows(lines, delimiter)
    names = tuple(name.strip() for name in rows[0]) if rows else ()
    require_names(names)
    return names


def require_names(names: tuple[str, ...]) -> None:
    """Refuse names that are blank, repeated (upper and lower case being one), unprintable, reserved or too many."""
    if not names or not all(names):
        raise FileRefused("header_blank", 1)
    if len({name.lower() for name in names}) != len(names):
        raise FileRefused("header_duplicate", 1)
    if len(names) > MAX_COLUMNS:
        raise FileRefused("too_many_columns", 1)
    if not all(name.isprintable() and len(name) <= MAX_NAME for name in names):
        raise FileRefused("header_unprintable", 1)
    if any(is_hidden(name) for name in names):
        raise FileRefused("header_reserved", 1)
