"""A planted person is looked for everywhere outside the data folder, after all that touches rows has happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as node
from django.db import connection
from django.test import Client
from django.urls import get_resolver, reverse
from django.urls.exceptions import NoReverseMatch

from domains.catalog.models import Dataset
from domains.requests import execution
from tests import make
from tests.attacks import kit
from tests.world import FOLDERS

pytestmark = pytest.mark.django_db

NAME, WORDS, NUMBER = "canary-person-7c1f", "canary words 93ab", "48151.6234"
MARKS = [NAME, WORDS, NUMBER, NUMBER.replace(".", "")]
LINES = [f"{NAME},{NUMBER},{WORDS}", *(f"p{n},{n}.5,usual" for n in range(60))]
DECLARED: dict[str, Any] = {
    "columns": [
        {"name": "who", "kind": "text"},
        {
            "name": "x",
            "kind": "decimal",
            "lower": "0",
            "upper": "99999",
            "step": "0.0001",
            "source": "protocol",
        },
        {"name": "t", "kind": "text"},
    ],
    "unit_column": "who",
    "max_groups": 1,
    "max_rows": 1,
    "max_units": 100,
    "declared_rows": 100,
}


def rows_of_the_database() -> Iterator[tuple[str, str]]:
    """Yield each table's name with each of its rows as text."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                values = (bytes(v) if isinstance(v, memoryview) else v for v in row)
                yield table, " ".join(v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values)


def files() -> Iterator[tuple[str, str]]:
    """Yield every file of the node's home, as text: the data's own are sealed."""
    folders = {Path(getattr(node, name)) for name in FOLDERS}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes().decode("latin-1")


def names() -> list[str]:
    return [name for name in get_resolver().reverse_dict if isinstance(name, str)]


def pages(names: list[str], *about: str) -> Iterator[tuple[str, str]]:
    """Yield each page that is about one of these, as its owner sees it; about "" is what needs no argument."""
    window = Client(raise_request_exception=False)
    window.force_login(make.person("alice"))
    for name in names:
        for subject in about:
            try:
                address = reverse(name, args=[subject] if subject else [])
            except NoReverseMatch:
                continue
            response = window.get(address)
            content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
            yield f"{address} ({response.status_code})", content.decode("latin-1")


def leaks(logs: str, names: list[str], *about: str) -> list[str]:
    """Return where a mark of the planted person stands: anywhere, and on those of these pages that are about these."""
    places = [("logs", logs), *rows_of_the_database(), *files(), *pages(names, *about)]
    return sorted({place for place, text in places for mark in MARKS if mark in text})


@pytest.fixture
def flock(caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any) -> None:
    """Upload and publish."""
    caplog.set_level("DEBUG")
    with django_capture_on_commit_callbacks(
        execute=True
    ):  # the staged upload goes as its version is published
        kit.published("flock", ["who,x,t", *LINES], DECLARED)


@pytest.fixture
def lived(flock: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask, run on the mock, and fail once with data open; return the last request's key."""
    grant, portal = kit.granted("flock"), kit.Portal()
    portal.answered(grant, "SELECT COUNT(*) AS n, SUM(x) AS s FROM flock", "1")
    portal.answered(grant, "SELECT t, COUNT(*) AS n FROM flock GROUP BY t", "1")
    failing = portal.asked(grant, "SELECT AVG(x) AS m FROM flock", "1")
    portal.post("sam", f"requests/{failing.pk}/mock-run/")
    monkeypatch.setattr(execution.storage, "path_of", lambda version: Path("/gone") / WORDS.replace(" ", "-"))
    make.run_jobs()
    return failing.pk


def test_a_planted_person_is_found_nowhere_in_the_clear(
    lived: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    said = capfd.readouterr()
    assert leaks(said.out + said.err + caplog.text, names(), "", "flock", lived) == []


@pytest.mark.usefixtures("flock")
def test_one_that_leaks_is_found() -> None:
    """Planted fault: a value of a row in the words that a dataset is described by."""
    Dataset.objects.filter(slug="flock").update(summary=f"A row says {WORDS}.")
    found = leaks("", ["dataset"], "flock")
    assert "catalog_dataset" in found
    assert any(place.startswith(reverse("dataset", args=["flock"])) for place in found)
