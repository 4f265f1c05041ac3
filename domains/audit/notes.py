"""Checkpoints (c2sp.org/tlog-checkpoint) as signed notes (c2sp.org/signed-note): text, blank line, signature.

domain.example/audit
42
<base64 of the root>

— domain.example/audit <base64 of key id and Ed25519 signature>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = 1  # the algorithm's byte in a note's key id


class NoteInvalid(Exception):
    """A note is not well formed or not signed by the key it should be."""


@dataclass(frozen=True)
class Checkpoint:
    """A log's size and root under its origin's name."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, public: bytes) -> bytes:
    """Return the four bytes by which a note names its key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([_ED25519]) + public).digest()[:4]


def verifier_key(name: str, key: Ed25519PublicKey) -> str:
    """Return the public key as `name+key id+key`, the form in which notes' keys are passed on."""
    raw = key.public_bytes_raw()
    packed = base64.b64encode(bytes([_ED25519]) + raw).decode()
    return f"{name}+{key_id(name, raw).hex()}+{packed}"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint as a note signed in its origin's name."""
    return sign_text(checkpoint.text(), checkpoint.origin, key)


def sign_text(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return lines as a note signed in `name`; no text but a checkpoint's may look like one (origin, then size)."""
    packed = key_id(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(packed).decode()}\n"


def read(note: str, key: Ed25519PublicKey) -> Checkpoint:
    """Return the checkpoint of a note that `key` signed in its origin's name; raise NoteInvalid otherwise."""
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    try:
        origin, size, root, *_ = text.split("\n")
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
    except (ValueError, binascii.Error) as error:
        raise NoteInvalid("This is not a checkpoint.") from error
    expected = key_id(origin, key.public_bytes_raw())
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, packed = rest.partition(" ")
        raw = _decode(packed)
        if mark == "—" and name == origin and raw[:4] == expected:
            _verify(key, raw[4:], text)
            return checkpoint
    raise NoteInvalid("This checkpoint is not signed by this log's key.")


def _decode(packed: str) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except binascii.Error:
        return b""


def _verify(key: Ed25519PublicKey, signature: bytes, text: str) -> None:
    try:
        key.verify(signature, text.encode())
    except InvalidSignature as error:
        raise NoteInvalid("This checkpoint was changed after it was signed.") from error
