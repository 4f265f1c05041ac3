"""Files encrypted at rest: sealed by the worker that made them, unsealed in memory by the child that reads them.

AES-256-GCM over pieces of 1 MiB by the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online
authenticated-encryption and its nonce-reuse misuse-resistance", CRYPTO 2015): the nonce counts the pieces and
marks the last, so that none can be changed, moved, dropped or added. A key seals one file and no other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.errors import EngineFault

PIECE = 1 << 20  # bytes of plain text
_TAG = 16
KEY_BYTES = 32


def new_key() -> bytes:
    """Return a key for one file, 32 bytes from the system's own source."""
    return os.urandom(KEY_BYTES)


def seal(plain: Path, sealed: Path, key: bytes, *, name: str) -> None:
    """Write the contents of `plain` to `sealed`, which can only be read under `key` and as the file `name`."""
    cipher = AESGCM(key)
    with plain.open("rb") as source, sealed.open("wb") as target:
        for nonce, piece in _pieces(source, PIECE):
            target.write(cipher.encrypt(nonce, piece, name.encode()))


def unseal(sealed: Path, key: bytes, *, name: str) -> int:
    """Return the descriptor of a file in memory with the plain contents of `sealed`; nothing touches a disk.

    Raises EngineFault when the key is another file's, or a byte was changed, moved or cut off.
    """
    cipher, plain = AESGCM(key), _in_memory()
    try:
        with sealed.open("rb") as source:
            for nonce, piece in _pieces(source, PIECE + _TAG):
                _write(plain, cipher.decrypt(nonce, piece, name.encode()))
    except (InvalidTag, OSError):
        os.close(plain)
        raise EngineFault("A sealed file cannot be read.") from None
    return plain


def opened(value: Any) -> Any:
    """Return `value` with each `{"sealed": path, "key": hexadecimal, "name": …}` in it as the path of its contents.

    The path is this process's own (`/proc/self/fd/…`) and is gone with it.
    """
    if not isinstance(value, Mapping):
        return value
    if "sealed" in value:
        descriptor = unseal(Path(value["sealed"]), bytes.fromhex(value["key"]), name=value["name"])
        return f"/proc/self/fd/{descriptor}"
    return {name: opened(each) for name, each in value.items()}


def _pieces(source: BinaryIO, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Cut a file into pieces, each with its nonce: 11 bytes of its place and one that says whether it is the last."""
    place, piece = 0, source.read(size)
    while True:
        following = source.read(size)
        yield place.to_bytes(11, "big") + (b"\0" if following else b"\1"), piece
        if not following:
            return
        place, piece = place + 1, following


def _in_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rows", os.MFD_CLOEXEC)
    handle, path = tempfile.mkstemp()  # where there is no such thing, a file without a name
    os.unlink(path)
    return handle


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
