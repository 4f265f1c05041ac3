"""Connections from Python: one is added and tested, and a dataset is published whose rows never leave its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gridhouse
import pytest
from django.conf import settings
from gridhouse import connections

from tests import make
from tests.clinic import SCHEMA, patients
from tests.databases import Database, keep_password

__all__ = ["patients"]
pytestmark = pytest.mark.postgres
Connect = Callable[[str], gridhouse.Client]


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker do what is due whenever the client pauses."""
    monkeypatch.setattr(connections.time, "sleep", lambda seconds: make.run_jobs())


@pytest.fixture
def alice(connect: Connect) -> gridhouse.Client:
    return connect("alice")


def add(alice: gridhouse.Client, patients: Database, name: str, password: str = "") -> gridhouse.Connection:
    """Return a connection to the clinic, its password beside the worker if there is one."""
    if password:
        keep_password(Path(settings.CONNECTIONS_DIR), name, password)
    return alice.add_connection(area="intensive-care", name=name, **patients.address())


def test_a_dataset_is_published_in_place(
    alice: gridhouse.Client, connect: Connect, patients: Database
) -> None:
    clinic = add(alice, patients, "clinic", patients.password)
    assert "public.patients" in clinic.test()["relations"]
    assert [row["status"] for row in clinic.tests()] == ["passed"]
    assert [row.name for row in alice.connections()] == [alice.connection("clinic").name] == ["clinic"]
    assert patients.password not in repr(clinic) + str(clinic.data)

    owned = alice.create_dataset(
        area="intensive-care", population="SUPPORT2 patients", title="Patients", slug="patients"
    )
    owned.declare(**SCHEMA)
    with pytest.raises(gridhouse.InvalidInput, match=r"schema\.table") as caught:
        owned.place(clinic, "public.nowhere")
    assert caught.value.code == "relation_missing"
    assert owned.place("clinic", "public.patients")["types"]["age"] == "float8"
    assert owned.publish(attested=True, dataset_epsilon=1)["status"] == "published"
    assert connect("sam").dataset("patients").mock_csv()


def test_a_connection_without_a_password_is_refused_in_words(
    alice: gridhouse.Client, patients: Database
) -> None:
    with pytest.raises(gridhouse.InvalidInput, match="No password was found") as caught:
        add(alice, patients, "bare").test()
    assert caught.value.code == "secret_missing"


def test_a_worker_that_does_not_come_is_not_waited_for_for_ever(
    alice: gridhouse.Client, patients: Database
) -> None:
    with pytest.raises(gridhouse.WaitTimedOut):
        add(alice, patients, "slow").test(timeout=-1)


def test_others_neither_see_nor_add_connections(
    alice: gridhouse.Client, connect: Connect, patients: Database
) -> None:
    add(alice, patients, "clinic")
    for name in ("sam", "charlie", "rita"):
        other = connect(name)
        with pytest.raises((gridhouse.NotFound, gridhouse.NotAllowed)):
            list(other.connections())
        with pytest.raises((gridhouse.NotFound, gridhouse.NotAllowed)):
            other.connection("clinic")
        with pytest.raises((gridhouse.NotFound, gridhouse.NotAllowed)):
            add(other, patients, "mine")
