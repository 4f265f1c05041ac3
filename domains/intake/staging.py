"""Receiving a file as a stream into a folder that nothing serves, with a bound on its size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings

from domains.errors import InvalidInput
from domains.intake.models import Upload, UploadFormat

_CHUNK = 1 << 20
_SUFFIXES = {UploadFormat.CSV: (".csv", ".csv.gz"), UploadFormat.PARQUET: (".parquet",)}


class Readable(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to `size` bytes."""
        ...


@dataclass(frozen=True)
class Received:
    """What arrived: how many bytes, and their SHA-256 in hexadecimal."""

    size: int
    sha256: str


def path_of(upload_id: str) -> Path:
    """Return where an upload's bytes are staged."""
    return Path(settings.STAGING_DIR) / f"{upload_id}.upload"


def receive(upload_id: str, file: Readable) -> Received:
    """Write a stream to the staging folder, 0600, and return its size and hash; leaves nothing if it is refused."""
    path = path_of(upload_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            sha256, size = hashlib.sha256(), 0
            for chunk in _bounded(file, settings.UPLOAD_MAX_MB << 20):
                target.write(chunk)
                sha256.update(chunk)
                size += len(chunk)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Received(size, sha256.hexdigest())


def _bounded(file: Readable, most: int) -> Iterator[bytes]:
    """Yield a stream's pieces; refuse an empty stream and, without reading on, one that is too long."""
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > most:
            raise InvalidInput(
                f"The file is larger than {settings.UPLOAD_MAX_MB} MB, the most this node takes. "
                "Send it as compressed CSV (.csv.gz) or as Parquet.",
                code="upload_too_large",
            )
        yield chunk
    if not size:
        raise InvalidInput("The file is empty.", code="upload_empty")


def clean_name(filename: str, form: str) -> str:
    """Return a file's plain name; refuse an ending that is not of the stated format."""
    name = filename.replace("\\", "/").rpartition("/")[2].strip()
    endings = _SUFFIXES[UploadFormat(form)]
    if not name.isprintable() or not name.lower().endswith(endings):
        raise InvalidInput(
            f"The file's name must end in {' or '.join(endings)}; archives such as zip are not taken.",
            code="upload_format",
        )
    return name[-160:]


def is_intact(upload: Upload) -> bool:
    """Tell whether the staged bytes are still those that were received."""
    path = path_of(upload.pk)
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == upload.sha256


def delete(upload_id: str) -> None:
    """Delete an upload's staged bytes, if they are there."""
    path_of(upload_id).unlink(missing_ok=True)
