"""How worker and child talk: frames of one tag byte, a length, and that many bytes. Standard library only."""

from __future__ import annotations

import socket
import struct
import time

HEADER = struct.Struct(">cQ")
LARGEST = 64 * 1024 * 1024
SEND_SECONDS = 60.0

START, FACTS, GO, ANSWER, ERROR = b"S", b"F", b"G", b"A", b"E"


class Closed(Exception):
    """The other side is gone, or speaks nonsense."""


class Late(Exception):
    """The other side did not speak in time."""


def send(conn: socket.socket, tag: bytes, body: bytes) -> None:
    """Send one frame; raise Closed when nobody takes it."""
    try:
        conn.settimeout(SEND_SECONDS)
        conn.sendall(HEADER.pack(tag, len(body)) + body)
    except OSError as error:
        raise Closed from error


def receive(conn: socket.socket, *, deadline: float | None = None) -> tuple[bytes, bytes]:
    """Return the next frame's tag and body; `deadline` is a `time.monotonic()` value."""
    tag, length = HEADER.unpack(_exactly(conn, HEADER.size, deadline))
    if length > LARGEST:
        raise Closed
    return tag, _exactly(conn, length, deadline)


def _exactly(conn: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        try:
            conn.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            part = conn.recv(min(size - len(parts), 1 << 20))
        except TimeoutError as error:
            raise Late from error
        except OSError as error:
            raise Closed from error
        if not part:
            raise Closed
        parts += part
    return bytes(parts)
