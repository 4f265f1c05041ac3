"""The key of each version's file: 32 random bytes, kept wrapped under the node's own sealing key.

Only a worker's user can read `SEAL_DIR`. Destroying a file's key destroys its contents wherever copies of the file
may lie; a backup of the keys therefore has to forget it as well (docs/how-to/erase-data.md).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from domains.audit import keys
from domains.errors import NotFound
from privacy.sealing import KEY_BYTES, new_key, seal

SEAL_KEY = "seal.key"


def sealed(plain: Path, place: Path, sha256: str) -> None:
    """Write `plain`, whose contents have this SHA-256, to `place` under its key, made on first use."""
    path = _path(sha256)
    if not path.exists():
        keys.create(path, aes_key_wrap(_sealing_key(), new_key()))
    seal(plain, place, key(sha256), name=sha256)


def key(sha256: str) -> bytes:
    """Return the key of the file with this content; NotFound once it was destroyed.

    Raises ImproperlyConfigured when the node's sealing key is not the one that wrapped it.
    """
    try:
        wrapped = _path(sha256).read_bytes()
    except FileNotFoundError:
        raise NotFound("This version's data was erased.", code="erased") from None
    try:
        return aes_key_unwrap(_sealing_key(), wrapped)
    except InvalidUnwrap:
        raise ImproperlyConfigured(
            "The sealing key is not the one that these files were sealed with: put back SEAL_KEY_FILE."
        ) from None


def ticket(place: Path, sha256: str) -> dict[str, Any]:
    """Return what a child needs to read one sealed file (`privacy.sealing.opened`). For its own socket only."""
    return {"sealed": str(place), "key": key(sha256).hex(), "name": sha256}


def destroy(sha256: str) -> None:
    """Forget the key of a file for good; nothing can read it again. Doing so twice does no harm."""
    path = _path(sha256)
    try:
        length = path.stat().st_size
        with path.open("r+b") as file:  # before its name goes, for a journal may keep the block
            file.write(secrets.token_bytes(length))
        path.unlink()
    except FileNotFoundError:
        return
    keys.sync_folder(path.parent)


def _path(sha256: str) -> Path:
    return Path(settings.SEAL_DIR) / f"{sha256}.key"


def _sealing_key() -> bytes:
    """Return the node's sealing key, made on first use in `SEAL_DIR` unless `SEAL_KEY_FILE` names it."""
    path = Path(settings.SEAL_KEY_FILE or Path(settings.SEAL_DIR) / SEAL_KEY)
    found = keys.read(path, lambda: secrets.token_hex(KEY_BYTES).encode()).decode().strip()
    try:
        made = bytes.fromhex(found)
    except ValueError:
        made = b""
    if len(made) != KEY_BYTES:
        raise ImproperlyConfigured(f"{path} must hold {KEY_BYTES} bytes in hexadecimal.")
    return made
