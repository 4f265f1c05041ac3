"""Databases of their own for programs that run beside the test, copied from the run's migrated ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.migrated import ROOT, environment, named, on_server


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of a migrated, empty SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "node.sqlite3")
    return f"sqlite:///{tmp_path / 'node.sqlite3'}"


@pytest.fixture
def postgres_database(postgres_template: tuple[str, str]) -> Iterator[str]:
    """Return the URL of a migrated, empty PostgreSQL database."""
    server, template = postgres_template
    name = f"node_{uuid.uuid4().hex[:12]}"
    on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def run_world(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs one of this folder's programs against a database and returns what it printed."""

    def run(program: str, url: str, *words: str, timeout: float = 300) -> str:
        command = [sys.executable, "-m", f"tests.domains.ledger.{program}", *words]
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=environment(url, tmp_path),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
