"""`manage.py demo` as a newcomer starts it: the story runs, Ctrl-C stops it, and nothing of it stays behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from portal.demo import processes
from tests.journeys.conftest import _free_port


@contextmanager
def demo(home: Path, **extra: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the demonstration in a home of its own; give its process and port."""
    port = _free_port()
    env = processes.environment(home, PORT=str(port), **extra)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=processes.ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


def of_this_node(home: Path) -> list[str]:
    """Name the processes whose environment names this home."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if f"GRIDHOUSE_HOME={home}".encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it ended while we looked, or is not ours to read
                continue
    return found


def gone(home: Path, seconds: float = 20) -> list[str]:
    """Wait until no process of the node is left; name those that stay."""
    end = time.monotonic() + seconds
    while (left := of_this_node(home)) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def until_serving(process: subprocess.Popen[str]) -> list[str]:
    """Read what it prints until it serves; fail with its words if it ends before."""
    lines: list[str] = []
    for line in process.stdout or []:
        lines.append(line)
        if "Ctrl-C stops it" in line:
            return lines
    pytest.fail("the demonstration ended: " + "".join(lines[-20:]))


@pytest.mark.prove
def test_it_tells_the_story_serves_and_ends_with_ctrl_c_leaving_no_orphan(tmp_path):
    with demo(tmp_path, DEMO_EPSILON="0.5") as (process, port):
        told = "".join(until_serving(process))
        assert "The offline verifier, without the node: OK" in told
        assert "returns the stored answer at no cost" in told
        assert httpx.get(f"http://localhost:{port}/account/login/").status_code == 200
        passwords = re.findall(r"@hospital\.example\s+(\S+)", told)
        assert len(set(passwords)) == 6  # generated, each its own
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert gone(tmp_path / "demo") == []


@pytest.mark.prove
def test_even_when_it_is_killed_nothing_of_it_stays(tmp_path):
    with demo(tmp_path) as (process, _):
        until_serving(process)
        process.kill()
        process.wait()
    assert gone(tmp_path / "demo") == []


@pytest.mark.prove
def test_another_epsilon_changes_the_printed_cost_and_error(tmp_path):
    figures = set()
    for epsilon in ("0.25", "0.5"):
        with demo(tmp_path / epsilon, ONCE="1", DEMO_EPSILON=epsilon) as (process, _):
            told, _ = process.communicate(timeout=600)
            assert process.returncode == 0, told
        cost, error = (
            re.search(r"Cost: ρ = ([0-9.]+)", told),
            re.search(r"error of patients: ± ([0-9]+)", told),
        )
        assert cost is not None
        assert error is not None
        figures |= {cost[1], error[1]}
    assert len(figures) == 4


def test_a_port_that_is_taken_is_refused_with_what_to_do(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = processes.environment(tmp_path, PORT=str(taken.getsockname()[1]))
        done = subprocess.run(
            [sys.executable, "manage.py", "demo"],
            cwd=processes.ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "PORT=" in done.stderr
