"""Databases of their own for programs that run beside the test: migrated once a session, copied for each use."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connections

from tests.services import postgres_url

ROOT = Path(__file__).resolve().parents[3]


def environment(url: str, home: Path) -> dict[str, str]:
    """Return the environment of a node of its own."""
    own = {"DATABASE_URL": url, "GRIDHOUSE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    return os.environ | own | {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "LOG_LEVEL": "ERROR"}


def migrate(url: str, home: Path) -> None:
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(url, home), check=True, timeout=240)


@pytest.fixture(scope="session")
def sqlite_template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file: a copy of the suite's own where that is SQLite, which costs nothing."""
    home = tmp_path_factory.mktemp("sqlite-template")
    template = home / "node.sqlite3"
    suite = connections["default"]
    if suite.vendor == "sqlite":
        request.getfixturevalue("django_db_setup")
    if suite.vendor == "sqlite" and suite.settings_dict["NAME"] == suite.settings_dict["TEST"]["NAME"]:
        with (
            closing(sqlite3.connect(suite.settings_dict["NAME"])) as live,
            closing(sqlite3.connect(template)) as copy,
        ):
            live.backup(copy)
    else:  # the suite runs on PostgreSQL, or no test of this run asked for a database
        migrate(f"sqlite:///{template}", home)
    return template


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of a migrated, empty SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "node.sqlite3")
    return f"sqlite:///{tmp_path / 'node.sqlite3'}"


def named(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def on_server(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[tuple[str, str]]:
    """Make one migrated database on the test server for all processes of a run; yield the server's URL and its name.

    Whoever comes first makes it, and whoever leaves last drops it.
    """
    server, base = postgres_url(), tmp_path_factory.getbasetemp()
    users = (base if worker_id == "master" else base.parent) / "postgres-template"
    with _locked(users) as names:
        name = names[0] if names else f"template_{uuid.uuid4().hex[:12]}"
        if not names:
            on_server(server, f"CREATE DATABASE {name}")
            migrate(named(server, name), tmp_path_factory.mktemp("postgres-template"))
        names.append(name)
    yield server, name
    with _locked(users) as names:
        names.pop()
        if not names:
            on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _locked(path: Path) -> Iterator[list[str]]:
    """Give one process at a time the lines of a file to change."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = file.read().split()
        yield lines
        file.truncate(0)
        file.write("\n".join(lines))


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
