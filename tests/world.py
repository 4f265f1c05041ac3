"""A node set up once for a module: its people, SUPPORT2 published, Sam's grant; each test starts from there.

Making it takes real child processes and some seconds. It is committed once, every test runs in a transaction
that is rolled back, on a copy of the node's home, and the module's end empties the database again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from domains import triggers
from domains.people.models import User
from domains.projects.models import AccessGrant
from tests import make

FOLDERS = (
    "DATA_DIR",
    "MOCK_DIR",
    "STAGING_DIR",
    "KEY_DIR",
    "SEAL_DIR",
    "WITNESS_DIR",
    "RUN_DIR",
    "CONNECTIONS_DIR",
)
QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TICK = "0.5"  # seconds; roomier than `make`'s own
DEADLINE_SLACK = 3.0  # seconds; a machine that is busy with other tests must not burn an answer
QUESTION = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM support2 GROUP BY sex"


@dataclass(frozen=True)
class World:
    """Keys of what was made, tokens with every scope, and the home to copy."""

    home: Path
    grant: str
    tokens: dict[str, str]

    def user(self, name: str) -> User:
        """Return a member of the cast, fresh from the database."""
        return make.person(name)

    def access(self) -> AccessGrant:
        """Return Sam's grant, fresh from the database."""
        return AccessGrant.objects.select_related("project__area", "dataset__population").get(pk=self.grant)


@contextmanager
def made(home: Path) -> Iterator[World]:
    """Make the world, committed, and take it away at the end."""
    with at(home):
        for folder in FOLDERS:
            Path(getattr(settings, folder)).mkdir(parents=True, mode=0o700)
        make.dataset(tick=TICK)
        grant = make.grant()
        tokens = {name: make.token(user) for name, user in make.cast().items()}
    try:
        yield World(home, grant.pk, tokens)
    finally:
        connection = connections["default"]
        triggers.lift(connection)
        try:
            call_command("flush", verbosity=0, interactive=False)
        finally:
            triggers.install(connection)


def at(home: Path) -> Any:
    """Put the node at `home` for as long as the context lasts."""
    return override_settings(
        HOME=home, PASSWORD_HASHERS=QUICK, DEADLINE_SLACK=DEADLINE_SLACK, **folders(home)
    )


def folders(home: Path) -> dict[str, Any]:
    """Return the node's folders under `home`, by setting."""
    return {name: home / name.removesuffix("_DIR").lower() for name in FOLDERS}


def copied(world: World, home: Path, its_settings: Any) -> None:
    """Give a test its own copy of the world's files: keys, data and witness move on with the test alone."""
    for name, folder in folders(home).items():
        shutil.copytree(folders(world.home)[name], folder, dirs_exist_ok=True)
        setattr(its_settings, name, folder)


@pytest.fixture(scope="module")
def built(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The node as every test of the module finds it."""
    with django_db_blocker.unblock(), made(tmp_path_factory.mktemp("node")) as world:
        yield world


@pytest.fixture
def node(built: World, db: None, home: Path, settings: Any) -> World:
    """The node for one test, on its own copy of the files; what it changes is rolled back."""
    copied(built, home, settings)
    return built


@pytest.fixture(scope="module")
def answer(built: World, django_db_blocker: Any) -> str:
    """The key of a request of Sam's that a real child process answered before the module's tests began."""
    with django_db_blocker.unblock(), at(built.home):
        return make.answered(on=built.access(), sql=QUESTION).pk
