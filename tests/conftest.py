"""What every test gets: a home of its own, an empty cache, quick passwords, and triggers that stand."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.core.management.color import no_style
from django.db import connections
from django.test import TransactionTestCase

from domains import triggers
from tests import order
from tests.migrated import postgres_template, sqlite_template

__all__ = ["postgres_template", "sqlite_template"]

# Small counts in `make test`; full ones in `make prove` (tests may still say their own number).
hypothesis.settings.register_profile("small", max_examples=40, deadline=None)
hypothesis.settings.register_profile("full", max_examples=1000, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Leave the full counts to `make prove`, and the extras to `make extras`: without -m neither is run."""
    if not config.option.markexpr:
        config.option.markexpr = "not prove and not extras"
    hypothesis.settings.load_profile("full" if config.option.markexpr.startswith("prove") else "small")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and mark those tests that bring a database of their own."""
    items.sort(key=order.place)
    for item in items:
        if order.brings_database(item):
            item.add_marker("own_database")


def pytest_collection_finish() -> None:
    """Let what is loaded by now live for ever, unlooked at by the collector of garbage: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep files whole in `--dist loadfile`, and those of one live node together."""
    return order.Files(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Begin with a copy of the run's migrated database.

    SQLite's lies in a file: only there do WAL and locks behave as in production.
    """
    default = connections["default"]
    if default.vendor == "sqlite":
        copy = tmp_path_factory.mktemp("database") / "test.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), copy)
        default.settings_dict["TEST"]["NAME"] = str(copy)
        options = default.settings_dict["OPTIONS"]  # no test cuts the machine's power
        options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
    else:
        default.settings_dict["TEST"]["TEMPLATE"] = request.getfixturevalue("postgres_template")[1]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Keep the copy, where Django would begin with an empty file."""
    return connections["default"].vendor == "sqlite"


# What migrating fills and no test changes. Django's own flush empties these as well and fills them anew, test by test.
KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})


@pytest.fixture(scope="session", autouse=True)
def _flush_lifts_triggers() -> Iterator[None]:
    """Let tests that commit be cleaned up: append-only tables lose their triggers for the flush alone."""
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", _flushed)
    yield
    patch.undo()


def _flushed(case: TransactionTestCase) -> None:
    connection = connections["default"]
    triggers.lift(connection)
    try:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        emptied = [table for table in tables if table not in KEPT]
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied))
    finally:
        triggers.install(connection)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    """Give the test a node's home of its own, cheap password hashing and an empty cache; return the home."""
    home = tmp_path / "home"
    settings.HOME = home
    for name in (
        "DATA_DIR",
        "MOCK_DIR",
        "STAGING_DIR",
        "KEY_DIR",
        "SEAL_DIR",
        "WITNESS_DIR",
        "RUN_DIR",
        "CONNECTIONS_DIR",
    ):
        folder = home / name.removesuffix("_DIR").lower()
        folder.mkdir(parents=True, mode=0o700)
        setattr(settings, name, folder)
    settings.DEADLINE_SLACK = 1.5  # two test processes share two cores with what they start
    settings.STATIC_ROOT = home / "static"  # WhiteNoise warns when it is not there
    settings.STATIC_ROOT.mkdir()
    settings.WHITENOISE_AUTOREFRESH = True  # else each new test client reads every static file
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # Argon2 costs 230 ms on purpose
    cache.clear()
    return home
