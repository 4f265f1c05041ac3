"""A program of its own: it has imported the data libraries, never used them, and forks one child per job.

    python -m domains.jobs.forkserver FD [--entry NAME=MODULE:FUNCTION]...

FD is one end of a socket pair that only the worker who started it holds. Each message on it carries one end
of another pair, over which that job's child speaks with the worker. The program ends when the worker does.
It knows nothing of Django, of the database, or of any secret. Why it exists: Celery's own processes may not
fork safely once a data library was used, and importing those libraries for each job would take a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import re
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from domains.jobs import frames
from privacy.errors import PrivacyError
from privacy.sealing import opened

# The only code a job can name.
ENTRIES = {
    "query": "privacy.query.execute:stand_by",
    "workload": "privacy.workload.execute:prepare",
    "connection": "privacy.engines.probe:prepare",
    "fit": "privacy.workload.fit:prepare",
    "synthesis": "privacy.workload.publish:prepare",
    "query_in_place": "privacy.query.in_place:prepare",
    "check": "privacy.tabular.check:prepare",
    "conform": "privacy.tabular.conform:prepare",
    "compare": "privacy.tabular.compare:prepare",
    "export": "privacy.tabular.export:prepare",
    "mock": "privacy.synthetic.mock:prepare",
}
# Imported before any fork and used only after it. OpenDP's submodules, never its prelude (5 s, 229 MB).
_OPENDP = ("mod", "domains", "metrics", "measurements", "measures", "combinators", "accuracy")
PRELOAD = ("duckdb", *(f"opendp.{name}" for name in _OPENDP))

_PUBLIC_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 256


def main(arguments: list[str]) -> None:
    """Serve until the worker goes away."""
    control = socket.socket(fileno=int(arguments[0]))
    entries = ENTRIES | dict(pair.split("=", 1) for pair in arguments[2::2])
    die_with_parent()
    for name in (*PRELOAD, *(target.split(":")[0] for target in entries.values())):
        preload(name)
    Server(control, entries).serve()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, even by SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def preload(name: str) -> None:
    """Import a module; one that is broken is reported and costs only the jobs that need it."""
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"fork server: {name} does not load: {type(error).__name__}", file=sys.stderr, flush=True)  # noqa: T201


class Server:
    """Forks children, kills those whose worker hung up, and proves each death by closing its socket last.

    The server keeps every child's socket open until it has reaped the child. A worker that reads the end of
    that stream therefore knows that the child is dead.
    """

    def __init__(self, control: socket.socket, entries: Mapping[str, str]) -> None:
        self._control = control
        self._entries = entries
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)
        self._children: dict[
            int, tuple[int, int, socket.socket]
        ] = {}  # by both descriptors: (pid, pidfd, socket)

    def serve(self) -> None:
        """Handle events until the control socket ends."""
        while True:
            events = [number for number, _ in self._poll.poll()]
            # Deaths first: a new job's socket may take a number that a dead one leaves in this very round.
            for number in events:
                if number in self._children:
                    self._settle(number)
            if self._control.fileno() in events and not self._accept():
                self._kill_all()
                return

    def _accept(self) -> bool:
        """Take one job's socket and fork its child; False when the worker is gone."""
        message, numbers, _, _ = socket.recv_fds(self._control, 1, 4)
        if not message:
            return False
        for number in numbers[1:]:
            os.close(number)
        if numbers:
            self._fork(socket.socket(fileno=numbers[0]))
        return True

    def _fork(self, conn: socket.socket) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_child(conn)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = self._children[conn.fileno()] = (pid, pidfd, conn)
        self._poll.register(pidfd, select.POLLIN)
        self._poll.register(conn.fileno(), select.POLLRDHUP)

    def _become_child(self, conn: socket.socket) -> NoReturn:
        """Let go of everything that belongs to the server or to another job, then do this one and exit."""
        status = 1
        try:
            die_with_parent()
            os.setsid()
            self._control.close()
            for number, (_, pidfd, other) in self._children.items():
                if number == pidfd:
                    os.close(pidfd)
                    other.close()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):  # whatever a library prints may hold private values
                os.dup2(null, number)
            serve_child(conn, self._entries, limit=True)
            status = 0
        finally:
            os._exit(status)

    def _settle(self, number: int) -> None:
        """A child ended or its worker hung up: kill its session, reap it, and only then close its socket."""
        pid, pidfd, conn = self._children[number]
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for known in (pidfd, conn.fileno()):
            self._poll.unregister(known)
            del self._children[known]
        os.close(pidfd)
        conn.close()

    def _kill_all(self) -> None:
        for number in list(self._children):
            if number in self._children:
                self._settle(number)


def serve_child(conn: socket.socket, entries: Mapping[str, str], *, limit: bool) -> None:
    """Do one job over `conn`: prepare, report public facts, wait for the word, run, answer.

    Whatever goes wrong crosses back as a public code and nothing else: an exception's text may hold a value.
    """
    try:
        tag, body = frames.receive(conn)
        start = json.loads(body)
        if tag != frames.START:
            raise frames.Closed
        if limit:
            set_limits(start)
        prepared = load(entries[start["entry"]])(start["spec"])
        facts = getattr(prepared, "facts", None)
        frames.send(conn, frames.FACTS, json.dumps(facts if isinstance(facts, dict) else {}).encode())
        tag, body = frames.receive(conn)
        if tag != frames.GO:
            raise frames.Closed
        answer = prepared.run(**unsealed(json.loads(body)))
        frames.send(conn, frames.ANSWER, answer if isinstance(answer, bytes) else answer.to_bytes())
    except frames.Closed:
        return
    except BaseException as error:
        with contextlib.suppress(frames.Closed):
            frames.send(conn, frames.ERROR, public_code(error).encode())


def unsealed(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what a child was told with its sealed files opened in memory; from then on its bound on files is final."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))  # a file in memory counts as one that is written
    told: dict[str, Any] = opened(payload)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, soft))
    return told


def load(target: str) -> Callable[..., Any]:
    """Return the function that `module:function` names."""
    module, name = target.split(":")
    entry: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return entry


def public_code(error: BaseException) -> str:
    """Return what may be said of an error: the code of one of our own, else that the computation failed."""
    code = getattr(error, "code", None)
    if isinstance(error, PrivacyError) and isinstance(code, str) and _PUBLIC_CODE.fullmatch(code):
        return code
    return "computation_failed"


def set_limits(start: Mapping[str, Any]) -> None:
    """Bound this process for good: address space, processor time, size of files written, no core dump.

    The interval timer's default action ends the process at its time limit whatever it is doing then. DuckDB
    and OpenDP together reserve about 350 MB of addresses before they hold any data, hence the allowance.
    """
    memory = (int(start["memory_mb"]) + 512) << 20
    seconds = float(start["seconds"])
    cpu = int(seconds * (os.cpu_count() or 1)) + 2
    files = int(start.get("file_mb", 0)) << 20
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        resource.setrlimit(kind, (value, value))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (min(files, hard) if hard >= 0 else files, hard)
    )  # see `unsealed`
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
