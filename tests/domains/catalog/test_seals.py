"""Each version's file has a key of its own, wrapped under the node's; without it the file is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from domains.catalog import seals, storage
from domains.errors import NotFound
from privacy.sealing import opened


def stored(home: Path, text: str = "rows") -> str:
    with storage.workplace() as folder:
        (folder / "made.parquet").write_text(text)
        sha256 = storage.store(folder / "made.parquet")
        assert not (folder / "made.parquet").exists()
    return sha256


def place(sha256: str) -> Path:
    return storage._data_path(sha256)


def test_a_stored_file_cannot_be_read_where_it_lies(home: Path, settings: Any) -> None:
    sha256 = stored(home, "a secret row" * 10)
    everything = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"secret" not in everything
    assert Path(opened(seals.ticket(place(sha256), sha256))).read_text() == "a secret row" * 10
    modes = {path.stat().st_mode & 0o777 for path in Path(settings.SEAL_DIR).iterdir()}
    assert modes == {0o600}


def test_each_file_has_a_key_of_its_own(home: Path) -> None:
    first, second = stored(home, "one"), stored(home, "two")
    assert seals.key(first) != seals.key(second)
    assert stored(home, "one") == first  # made twice: the same bytes under the same key
    assert Path(opened(seals.ticket(place(first), first))).read_text() == "one"


def test_a_destroyed_key_takes_every_copy_of_the_file_with_it(home: Path) -> None:
    sha256 = stored(home)
    copy = place(sha256).read_bytes()
    seals.destroy(sha256)
    seals.destroy(sha256)
    assert place(sha256).read_bytes() == copy
    with pytest.raises(NotFound) as refused:
        seals.ticket(place(sha256), sha256)
    assert refused.value.code == "erased"


def test_the_keys_are_wrapped_under_a_key_that_may_lie_elsewhere(home: Path, settings: Any) -> None:
    settings.SEAL_KEY_FILE = str(home / "elsewhere")
    sha256 = stored(home)
    assert not (Path(settings.SEAL_DIR) / seals.SEAL_KEY).exists()
    assert seals.key(sha256) not in (Path(settings.SEAL_DIR) / f"{sha256}.key").read_bytes()
    (home / "elsewhere").write_text("ab" * 32)
    with pytest.raises(ImproperlyConfigured, match="put back"):
        seals.key(sha256)
    (home / "elsewhere").write_text("no key")
    with pytest.raises(ImproperlyConfigured, match="hexadecimal"):
        seals.key(sha256)
    (home / "elsewhere").chmod(0o644)
    with pytest.raises(ImproperlyConfigured, match="chmod"):
        seals.key(sha256)


def test_what_nobody_holds_is_removed_with_its_key(home: Path, db: None) -> None:
    sha256 = stored(home)
    storage.remove(sha256)
    assert not place(sha256).exists()
    with pytest.raises(NotFound):
        seals.key(sha256)
