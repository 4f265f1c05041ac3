"""Sealed files give back what was put in, to whoever has their key, and nothing at all once a byte was touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from privacy.errors import EngineFault
from privacy.sealing import PIECE, new_key, opened, seal, unseal

SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE)
WHOLE = PIECE + 16  # a full piece with its tag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_bytes(bytes(range(256)) * (3 * PIECE // 256) + b"the end")
    return tmp_path


def sealed(folder: Path, key: bytes, name: str = "a") -> Path:
    seal(folder / "plain", folder / "sealed", key, name=name)
    return folder / "sealed"


def contents(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_back(tmp_path: Path, size: int) -> None:
    plain, key = os.urandom(size), new_key()
    (tmp_path / "plain").write_bytes(plain)
    file = sealed(tmp_path, key)
    assert contents(unseal(file, key, name="a")) == plain
    assert size < 16 or plain not in file.read_bytes()


@pytest.mark.parametrize("change", [
    lambda data: bytes([data[0] ^ 1]) + data[1:],
    lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    lambda data: data[:-1],
    lambda data: data[: 3 * WHOLE],  # the last piece is gone
    lambda data: data + data[-23:],
    lambda data: data[WHOLE : 2 * WHOLE] + data[:WHOLE] + data[2 * WHOLE :],  # two pieces change places
    lambda data: data[:WHOLE] * 2 + data[2 * WHOLE :],
    lambda data: b"",
])  # fmt: skip
def test_no_byte_can_be_touched(folder: Path, change) -> None:
    key = new_key()
    file = sealed(folder, key)
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(EngineFault):
        unseal(file, key, name="a")


def test_a_file_opens_under_its_own_key_and_name_alone(folder: Path) -> None:
    key = new_key()
    file = sealed(folder, key)
    for wrong, name in ((new_key(), "a"), (key, "b")):
        with pytest.raises(EngineFault):
            unseal(file, wrong, name=name)
    with pytest.raises(EngineFault):
        unseal(folder / "gone", key, name="a")


def test_a_child_is_given_paths_of_its_own(folder: Path) -> None:
    key = new_key()
    ticket = {"sealed": str(sealed(folder, key)), "key": key.hex(), "name": "a"}
    before = sorted(path.name for path in folder.iterdir())
    told = opened({"paths": {"t": ticket, "u": "/mock"}, "salt": 7})
    assert (told["salt"], told["paths"]["u"]) == (7, "/mock")
    path = told["paths"]["t"]
    assert path.startswith("/proc/self/fd/")
    assert Path(path).read_bytes() == (folder / "plain").read_bytes()
    assert sorted(entry.name for entry in folder.iterdir()) == before  # nothing lies beside it
    assert os.readlink(path).startswith("/memfd:")
    os.close(int(path.rsplit("/", 1)[1]))


def test_a_broken_file_leaves_no_descriptor_open(folder: Path) -> None:
    file = sealed(folder, new_key())
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EngineFault):
        unseal(file, new_key(), name="a")
    assert len(os.listdir("/proc/self/fd")) == before
