"""Child processes that cannot outlive the demonstration."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
_PR_SET_PDEATHSIG = 1


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return the children's environment: this one's, on embedded defaults, with the node's home set."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    }
    paths = [str(ROOT), str(ROOT / "client")]
    return (
        kept
        | {"GRIDHOUSE_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        | extra
    )


def run(arguments: Sequence[str], env: dict[str, str]) -> str:
    """Run a command of this node to its end and return what it printed; raise with its words if it fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`manage.py {arguments[0]}` failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _die_with_parent() -> None:
    """Ask the kernel to end this child when its parent ends, however that happens (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def running(
    name: str, arguments: Sequence[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a child running for the length of a block; then stop it, kindly first."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            arguments,
            env=env,
            cwd=ROOT,
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - prctl is one system call and takes no lock
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def web(port: int) -> list[str]:
    """Return the command line of the web server."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *(
            "--workers",
            "1",
            "--blocking-threads",
            "4",
            "--no-ws",
            "--log-level",
            "warning",
            "portal.wsgi:application",
        ),
    ]


def worker() -> list[str]:
    """Return the command line of the worker."""
    return [sys.executable, str(ROOT / "manage.py"), "worker"]


def require_free(port: int) -> None:
    """Raise, with what to do next, if something already listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RuntimeError(f"Port {port} is in use. Choose another: PORT=8080 make demo") from error


def wait_until_ready(
    url: str, processes: Sequence[subprocess.Popen[bytes]], log: Path, seconds: float = 60
) -> None:
    """Wait for `/readyz` to say yes; raise with the end of the log if a child dies or time runs out."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(process.poll() is not None for process in processes):
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"The node did not become ready. The end of {log}:\n{log.read_text()[-3000:]}")
