"""A node in its production shape, for tests: PostgreSQL with two roles, Redis, one web process, two workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gridhouse
import httpx
import psycopg

from portal.demo import processes
from tests.services import lacking

SLACK_MS = 2000  # long enough that a test can look into the middle of a run


def program(name: str) -> str:
    """Return the path of a client or server program."""
    return shutil.which(name) or lacking(f"the program {name}")


def until(what: str, holds: Callable[[], object], *, seconds: float) -> None:
    """Wait until something holds; fail with its name when it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Database:
    """A fresh database on the test server, with the two roles of deploy/postgres/roles.sh."""

    def __init__(self, server: str) -> None:
        self.name = f"production_{uuid.uuid4().hex[:12]}"
        self._server = urlsplit(server)
        self.owner = self._server._replace(path=f"/{self.name}").geturl()
        at = self._server.netloc.rpartition("@")[2]
        self.app = self._server._replace(netloc=f"gridhouse_app@{at}", path=f"/{self.name}").geturl()
        self._on_server(f"CREATE DATABASE {self.name}")
        where = {"PGHOST": self._server.hostname or "", "PGPORT": str(self._server.port or 5432)}
        who = {"POSTGRES_USER": self._server.username or "", "POSTGRES_DB": self.name, "APP_PASSWORD": "test"}
        program("psql")
        script = str(processes.ROOT / "deploy/postgres/roles.sh")
        subprocess.run(["sh", script], env=os.environ | where | who, check=True, timeout=60)

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self._server.geturl(), autocommit=True) as connection:
            connection.execute(statement)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a query finds, asked as the owner."""
        with psycopg.connect(self.owner) as connection:
            return connection.execute(query, parameters).fetchall()

    def drop(self) -> None:
        self._on_server(f"DROP DATABASE {self.name} WITH (FORCE)")


class Redis:
    """A Redis server that a test may kill; it keeps nothing, so a new one is an empty one."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"redis://127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        until("Redis answers", self._answers, seconds=15)

    def _answers(self) -> bool:
        ping = [program("redis-cli"), "-p", str(self.port), "ping"]
        return b"PONG" in subprocess.run(ping, capture_output=True, check=False).stdout

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass
class Node:
    """A running node: its database, its Redis, where it is, and its processes."""

    home: Path
    port: int
    database: Database
    redis: Redis
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    clients: dict[str, gridhouse.Client] = field(default_factory=dict)
    web: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def environment(self, database: str, **extra: str) -> dict[str, str]:
        """Return the environment that makes a process of this node; nothing else does."""
        return processes.environment(
            self.home,
            DATABASE_URL=database,
            REDIS_URL=self.redis.url,
            PUBLIC_URL=self.url,
            JOB_LEASE_SECONDS="3",
            DEADLINE_SLACK_MS=str(SLACK_MS),
            **extra,
        )

    def manage(self, *arguments: str) -> str:
        """Run a command of the node as the owner of its database."""
        return processes.run(arguments, self.environment(self.database.owner))

    def found(self) -> None:
        """Make tables and people."""
        self.manage("migrate", "--verbosity", "0")
        self.people = json.loads(self.manage("demo_people"))

    def start(self) -> None:
        """Start two workers, and a web process to whom the folder with the data is hidden."""
        env = self.environment(self.database.app)
        hidden = self.environment(
            self.database.app, **dict.fromkeys(("DATA_DIR", "SEAL_DIR"), str(self.home / "not-for-web"))
        )
        start = self._running.enter_context
        self.web = start(processes.running("web", processes.web(self.port), hidden, self.home / "web.log"))
        self.workers = [
            start(processes.running(name, processes.worker(), env, self.home / f"{name}.log"))
            for name in ("worker-1", "worker-2")
        ]
        until("web answers and both workers live", self._is_up, seconds=60)
        for name, person in self.people.items():
            self.clients[name] = start(gridhouse.connect(self.url, token=person["token"]))

    def _is_up(self) -> bool:
        try:
            httpx.get(f"{self.url}/readyz", timeout=5)
        except httpx.TransportError:
            return False
        return {worker.pid for worker in self.workers} <= self.beating()

    def beating(self) -> set[int]:
        """Return the processes that have signed as workers."""
        return {pid for (pid,) in self.database.rows("SELECT pid FROM jobs_workerbeat")}

    def ready(self) -> dict[str, Any]:
        """Return what `/readyz` says."""
        found: dict[str, Any] = httpx.get(f"{self.url}/readyz", timeout=5).json()
        return found

    def stop(self) -> None:
        """Stop web and workers; Redis and the database stay."""
        self._running.close()
        self.clients, self.workers, self.web = {}, [], None


def kill(process: subprocess.Popen[bytes]) -> set[int]:
    """Kill a process without warning; return what it leaves: its children and their children."""
    children = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return children


def descendants(pid: int) -> set[int]:
    """Return the processes beneath `pid` (Linux)."""
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, thread.read_text().split()):
            found |= {child} | descendants(child)
    return found


def alive(pids: set[int]) -> set[int]:
    """Return those that still run; one that waits for its parent to read its end does not."""
    return {pid for pid in pids if _state(pid) not in {"", "Z"}}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
