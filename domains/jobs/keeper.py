"""Keeps one fork server alive beside this worker, and passes it one socket per job."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

log = logging.getLogger(__name__)

_RESTART_SECONDS = 0.5


class NoForkServer(Exception):
    """There is no fork server at this moment; it is being started again."""


class Keeper:
    """Starts the fork server, starts it again when it dies, and stops it with the worker.

    One thread that lives as long as the process starts it and waits for it: the kernel's promise to kill a
    child with its parent is kept per thread.
    """

    def __init__(self, entries: Mapping[str, str] | None = None) -> None:
        self._entries = dict(entries or {})
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the fork server unless it is running."""
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._keep, name="fork-server-keeper", daemon=True)
                self._thread.start()
        self._started.wait(10)

    def stop(self) -> None:
        """Hang up, which ends the fork server and every child of it, and wait until it is gone."""
        self._stopping.set()
        self._hang_up()
        thread = self._thread
        if thread is not None:
            thread.join(10)
        self._thread = None

    def connect(self) -> socket.socket:
        """Return this side of a new child's socket; raise NoForkServer when nobody takes the other side."""
        self.start()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                if self._control is None:
                    raise NoForkServer
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise NoForkServer from error
            except NoForkServer:
                ours.close()
                raise
        return ours

    def _keep(self) -> None:
        while not self._stopping.is_set():
            process = self._spawn()
            process.wait()
            self._hang_up()
            if not self._stopping.wait(_RESTART_SECONDS):
                log.error("the fork server died and is started again", extra={"status": process.returncode})

    def _spawn(self) -> subprocess.Popen[bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "domains.jobs.forkserver", str(theirs.fileno())]
        for name, target in self._entries.items():
            command += ["--entry", f"{name}={target}"]
        with theirs, self._lock:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=settings.BASE_DIR,
                env=environment(),
            )
            self._control = ours
        self._started.set()
        return self._process

    def _hang_up(self) -> None:
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None


def environment() -> dict[str, str]:
    """Return all that the fork server may know of its surroundings: no secret, no address, no account.

    One arena and one BLAS thread: an arena reserves 64 MB of addresses, and what has threads must not fork.
    """
    scratch = Path(settings.RUN_DIR)
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "MALLOC_ARENA_MAX": "2",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


keeper = Keeper()
