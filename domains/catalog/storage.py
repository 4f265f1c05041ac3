"""Where versions' files lie: named by their content, sealed, owned by the worker's user, never served.

Mock files are public by nature and lie apart, so that a web process can offer them and reach nothing else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from domains.catalog import seals
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion, VersionTable
from domains.errors import NotFound

_CHUNK = 1 << 20


def path_of(version: DatasetVersion) -> Path:
    """Return the version's private file, which only a worker opens; NotFound for rows in place, which have none."""
    if version.is_in_place:
        raise NotFound("This version's rows stay in place.", code="in_place")
    return _data_path(version.sha256)


def paths_of(version: DatasetVersion) -> dict[str, Path]:
    """Return every table's file by the table's name, the main one first; only a worker opens them."""
    others = {table.name: _data_path(table.sha256) for table in version.tables.all()}
    return {version.main_name: path_of(version)} | others


def ticket(version: DatasetVersion) -> dict[str, Any]:
    """Return what a child needs to read the version's main file, its key included. For a worker's memory only."""
    return seals.ticket(path_of(version), version.sha256)


def tickets(version: DatasetVersion) -> dict[str, dict[str, Any]]:
    """Return the same for every table's file by the table's name; NotFound when one was erased."""
    hashes = {version.main_name: version.sha256}
    hashes |= {table.name: table.sha256 for table in version.tables.all()}
    return {name: seals.ticket(path, hashes[name]) for name, path in paths_of(version).items()}


def mock_paths_of(version: DatasetVersion) -> dict[str, Path]:
    """Return every table's mock by the table's name, as the engine reads it."""
    others = {table.name: _mock_path(table.mock_sha256, "parquet") for table in version.tables.all()}
    return {version.main_name: mock_path(version)} | others


def _data_path(sha256: str) -> Path:
    if not sha256:
        raise NotFound("This version has no data yet.", code="no_data")
    return Path(settings.DATA_DIR) / sha256[:2] / f"{sha256}.sealed"


def mock_path(source: DatasetVersion | VersionTable) -> Path:
    """Return the mock of a version's main table, or of a further one, as Parquet with row ids for the engine."""
    return _mock_path(source.mock_sha256, "parquet")


def mock_csv_path(source: DatasetVersion | VersionTable) -> Path:
    """Return the same mock as CSV, as people download it."""
    return _mock_path(source.mock_sha256, "csv")


def synthetic_path(sha256: str, kind: str) -> Path:
    """Return the file of synthetic rows, parquet or csv, which lies beside the mocks."""
    return _mock_path(sha256, kind)


def erase(sha256: str) -> None:
    """Destroy a private file's key, and the file, unless a version that is not erased holds it too."""
    versions = DatasetVersion.objects.exclude(status=VersionStatus.ERASED).filter(sha256=sha256)
    tables = VersionTable.objects.exclude(version__status=VersionStatus.ERASED).filter(sha256=sha256)
    if not versions.exists() and not tables.exists():
        seals.destroy(sha256)
        _data_path(sha256).unlink(missing_ok=True)


def _mock_path(sha256: str, kind: str) -> Path:
    if not sha256:
        raise NotFound("This version has no mock data yet.", code="no_mock")
    return Path(settings.MOCK_DIR) / f"{sha256}.{kind}"


@contextmanager
def workplace() -> Iterator[Path]:
    """Give an empty folder beside the data, 0700, that is gone afterwards with all that was left in it."""
    parent = Path(settings.DATA_DIR) / "work"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def store(file: Path) -> str:
    """Seal a finished private file in its place and return its content's SHA-256; it is on disk when this returns."""
    sha256 = digest(file)
    sealed = file.with_suffix(".sealed")
    seals.sealed(file, sealed, sha256)
    file.unlink()
    _settle(sealed, _data_path(sha256), 0o600)
    return sha256


def store_mock(parquet: Path, csv: Path) -> str:
    """Move a finished mock to its place, readable by the web process; return the SHA-256 of its Parquet file."""
    sha256 = digest(parquet)
    _settle(csv, _mock_path(sha256, "csv"), 0o644)
    _settle(parquet, _mock_path(sha256, "parquet"), 0o644)
    return sha256


def _settle(file: Path, place: Path, mode: int) -> None:
    """Make a file durable under its final name: contents first, then the name, each flushed to disk."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if mode == 0o600 else 0o755)
    if file.stat().st_dev != place.parent.stat().st_dev:  # a rename is only atomic within one file system
        file = Path(shutil.copyfile(file, place.with_name(f"{place.name}.{os.getpid()}")))
    file.chmod(mode)
    _flush(file)
    file.replace(place)
    _flush(place.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(file: Path) -> str:
    """Return the SHA-256 of a file's contents, in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def remove(sha256: str) -> None:
    """Delete a made file and its key if no version and no table holds it, with the mock of the same name."""
    if not any(model.objects.filter(sha256=sha256).exists() for model in (DatasetVersion, VersionTable)):
        seals.destroy(sha256)
        _data_path(sha256).unlink(missing_ok=True)
    # An uploaded mock, and a public table's, is named by the same hash as the file that was made.
    if not any(model.objects.filter(mock_sha256=sha256).exists() for model in (DatasetVersion, VersionTable)):
        for kind in ("parquet", "csv"):
            _mock_path(sha256, kind).unlink(missing_ok=True)
