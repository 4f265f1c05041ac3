"""A migrated, empty database of each kind, made once a run by whichever process comes first, copied by all others.

Migrating takes longer than most files of tests, and every process, live node and program beside a test needs it done.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.services import postgres_url

ROOT = Path(__file__).resolve().parents[1]


def environment(url: str, home: Path) -> dict[str, str]:
    """Return the environment of a node of its own."""
    own = {"DATABASE_URL": url, "GRIDHOUSE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    return os.environ | own | {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "LOG_LEVEL": "ERROR"}


def migrate(url: str, home: Path) -> None:
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(url, home), check=True, timeout=240)


def shared(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all processes of a run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def named(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def on_server(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def locked(path: Path) -> Iterator[list[str]]:
    """Give one process at a time the lines of a file to change."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = file.read().split()
        yield lines
        file.truncate(0)
        file.write("\n".join(lines))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file to copy."""
    template = shared(tmp_path_factory) / "template.sqlite3"
    with locked(template.with_suffix(".lock")) as made:
        if not made:
            migrate(f"sqlite:///{template}", tmp_path_factory.mktemp("sqlite-template"))
            made.append("made")
    return template


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Make a migrated database on the test server; yield the server's URL and its name.

    Whoever comes first makes it, and whoever leaves last drops it.
    """
    server, users = postgres_url(), shared(tmp_path_factory) / "postgres-template"
    with locked(users) as names:
        name = names[0] if names else f"template_{uuid.uuid4().hex[:12]}"
        if not names:
            on_server(server, f"CREATE DATABASE {name}")
            migrate(named(server, name), tmp_path_factory.mktemp("postgres-template"))
        names.append(name)
    yield server, name
    with locked(users) as names:
        names.pop()
        if not names:
            on_server(server, f"DROP DATABASE {name} WITH (FORCE)")
