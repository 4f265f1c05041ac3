"""One child process per job, in two phases: it prepares and reports public facts, then runs when told to.

    with Child("query", spec, memory_mb=2048, seconds=30) as child:
        facts = child.prepared(20)       # nothing private was read
        ...                              # commit the charge
        answer = child.go({"paths": …, "salt": …}, timeout=10)

When the block ends the child is dead, and known to be.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import time
from threading import Event
from types import TracebackType
from typing import Any

from domains.jobs import frames
from domains.jobs.keeper import Keeper, NoForkServer, keeper

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25  # how often a waiting worker looks whether its claim is lost
_DEATH_SECONDS = 10.0


class ChildFailed(Exception):
    """A child gave no answer. `code` is public; `is_passing` says that another attempt may fare better."""

    def __init__(self, code: str, *, is_passing: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_passing = is_passing


class Child:
    """A child of the fork server: limited in memory, time and file size, and dead when the block ends."""

    def __init__(
        self,
        entry: str,
        spec: dict[str, Any],
        *,
        memory_mb: int,
        seconds: float,
        file_mb: int = 0,
        lost: Event | None = None,
        by: Keeper = keeper,
    ) -> None:
        """Describe the child: `seconds` ends it whatever happens, `file_mb` bounds each file it writes.

        `lost` is a claim's sign that its job was taken away; the child is then given up at once.
        """
        limits = {"memory_mb": memory_mb, "seconds": seconds, "file_mb": file_mb}
        self._start = json.dumps({"entry": entry, "spec": spec, **limits}).encode()
        self._lost = lost
        self._keeper = by
        self._conn: socket.socket | None = None

    def __enter__(self) -> Child:
        try:
            self._conn = self._keeper.connect()
            frames.send(self._conn, frames.START, self._start)
        except (NoForkServer, frames.Closed) as error:
            self.kill()
            raise ChildFailed("no_fork_server", is_passing=True) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.kill()

    def prepared(self, timeout: float) -> dict[str, Any]:
        """Wait until the child has prepared; return its public facts. Nothing private was read."""
        facts: dict[str, Any] = json.loads(self._reply(frames.FACTS, timeout, is_passing=True))
        return facts

    def go(self, payload: dict[str, Any], *, timeout: float) -> bytes:
        """Let the child run and return its answer; a failure from here on says nothing but a code."""
        try:
            frames.send(self._open(), frames.GO, json.dumps(payload).encode())
        except frames.Closed as error:
            raise ChildFailed("computation_failed") from error
        return self._reply(frames.ANSWER, timeout, is_passing=False)

    def kill(self) -> bool:
        """End the child if it lives; True once it is proved dead (its socket ends after it was reaped)."""
        conn, self._conn = self._conn, None
        if conn is None:
            return True
        with conn:
            try:
                conn.shutdown(socket.SHUT_WR)
                conn.settimeout(_DEATH_SECONDS)
                while conn.recv(1 << 16):
                    pass
            except TimeoutError:
                log.critical("a child did not die in time")
                return False
            except OSError:  # the server itself is gone, and the kernel took its children with it
                return True
        return True

    def _open(self) -> socket.socket:
        if self._conn is None:
            raise frames.Closed
        return self._conn

    def _reply(self, expected: bytes, timeout: float, *, is_passing: bool) -> bytes:
        try:
            tag, body = self._receive(time.monotonic() + timeout)
        except frames.Late as error:
            self.kill()
            raise ChildFailed("timed_out") from error
        except frames.Closed as error:
            self.kill()
            raise ChildFailed("computation_failed", is_passing=is_passing) from error
        if tag == expected:
            return body
        self.kill()
        raise ChildFailed(body.decode() if tag == frames.ERROR else "computation_failed")

    def _receive(self, deadline: float) -> tuple[bytes, bytes]:
        """Wait for the next frame, looking now and then whether the claim is lost."""
        conn = self._open()
        while self._lost is not None and not _is_readable(
            conn, min(_LOOK_SECONDS, deadline - time.monotonic())
        ):
            if self._lost.is_set() or time.monotonic() >= deadline:
                raise frames.Late
        return frames.receive(conn, deadline=deadline)


def _is_readable(conn: socket.socket, timeout: float) -> bool:
    poll = select.poll()
    poll.register(conn, select.POLLIN)
    return bool(poll.poll(max(timeout, 0) * 1000))
