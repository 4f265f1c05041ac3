"""This node's own keys, each in a file that only its user may read: the log's, the domain's, one to derive others."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LOG_KEY, DOMAIN_KEY, DERIVING_KEY = "log.pem", "domain.key", "deriving.key"


def log_key() -> Ed25519PrivateKey:
    """Return the key that signs checkpoints, made on first use."""
    key = load_pem_private_key(read(_place(LOG_KEY), _new_log_key), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ImproperlyConfigured(f"{LOG_KEY} in KEY_DIR is not an Ed25519 key.")
    return key


def _new_log_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def fingerprint(private: bytes) -> str:
    """Return the HMAC-SHA-256, in hexadecimal, of private bytes under the domain key.

    A plain hash of private bytes can be guessed at; only this may leave the domain (LEDGER §3).
    """
    key = bytes.fromhex(read(_place(DOMAIN_KEY), lambda: secrets.token_hex(32).encode()).decode())
    return hmac.new(key, private, hashlib.sha256).hexdigest()


def derived(purpose: str, salt: str) -> bytes:
    """Return 32 secret bytes that follow from this node's deriving key, a purpose and a salt, made on first use.

    What is derived need not be stored, and the database without the key file tells nothing of it.
    """
    key = bytes.fromhex(read(_place(DERIVING_KEY), lambda: secrets.token_hex(32).encode()).decode())
    return hmac.new(key, f"{purpose}\0{salt}".encode(), hashlib.sha256).digest()


def _place(name: str) -> Path:
    return Path(settings.KEY_DIR) / name


def read(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return a key file's contents, made on first use; ImproperlyConfigured when others than its owner may read it."""
    if not path.exists():
        create(path, make())
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ImproperlyConfigured(f"{path} may be read by others than its owner; run `chmod 600` on it.")
    return path.read_bytes()


def create(path: Path, content: bytes) -> None:
    """Write a key file so that no other process ever sees half of it; the first to finish wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)
        sync_folder(path.parent)
    except FileExistsError:  # another process of this node was quicker
        return
    finally:
        scratch.unlink()


def sync_folder(folder: Path) -> None:
    """Put a folder's list of names on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
