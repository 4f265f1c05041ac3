"""Connections to databases: who manages them, what a test says, and a password that is nowhere but with the worker."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from domains.audit.queries import events
from domains.catalog import actions as catalog
from domains.catalog import connections
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.intake import connecting
from domains.intake.lifecycle import CheckStatus
from domains.intake.models import ConnectionCheck
from domains.jobs.models import Job
from tests import make
from tests.clinic import SCHEMA, connect, draft, patients, placed, tried
from tests.databases import Database

__all__ = ["patients"]

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

# --- Who ------------------------------------------------------------------------------------------------------


def test_owners_of_the_area_and_administrators_manage_connections(patients: Database) -> None:
    row = connect(patients.address())
    for name in ("alice", "ada"):
        catalog.edit_connection(row, **patients.address(), by=make.person(name))
        assert list(connections.connections(make.person(name))) == [row]
    for name in ("sam", "rita", "theo", "charlie"):
        with pytest.raises((NotAllowed, NotFound)):
            catalog.edit_connection(row, **patients.address(), by=make.person(name))
        with pytest.raises((NotAllowed, NotFound)):
            connecting.check_connection(row, by=make.person(name))
        with pytest.raises(NotFound):
            connections.connection("clinic", make.person(name))


def test_an_owner_of_another_area_learns_nothing_of_a_connection(patients: Database) -> None:
    connect(patients.address())
    other = make.person("olga", make.Role.OWNER)
    area = catalog.create_area(name="Oncology", slug="oncology", by=make.person("ada"))
    catalog.seat(area, other, role=make.Role.AREA_OWNER, by=make.person("ada"))
    assert list(connections.connections(other)) == []
    with pytest.raises(NotFound):
        connections.connection("clinic", other)
    population = catalog.create_population(area=area, name="Others", unit_label="one", by=other)
    made = catalog.create_dataset(area=area, population=population, title="O", slug="onco", by=other)
    version = catalog.new_version(made, by=other)
    catalog.declare(version, **SCHEMA, by=other)
    with pytest.raises(InvalidInput, match="no such connection"):
        connecting.place(version, connection="clinic", relation="public.patients", by=other)


def test_an_address_is_one_host_and_nothing_in_disguise(patients: Database) -> None:
    bad: list[dict[str, Any]] = [
        {"host": "a,b"},
        {"host": "/var/run/postgresql"},
        {"host": "h user=postgres"},
        {"host": ""},
        {"database": "d sslmode=disable"},
        {"role": "r'"},
        {"role": ""},
        {"port": 0},
        {"port": 70000},
        {"tls": "prefer"},
    ]
    for change in bad:
        with pytest.raises(InvalidInput, match="one host"):
            connect(patients.address(**change))
    with pytest.raises(InvalidInput, match="engine"):
        connect(patients.address(engine="oracle"))


def test_a_retired_connection_is_not_used_any_more(patients: Database) -> None:
    row = connect(patients.address())
    alice = make.person("alice")
    waiting = connecting.check_connection(row, by=alice)
    catalog.retire_connection(row, by=alice)
    make.run_jobs()
    waiting.refresh_from_db()
    assert waiting.status_code == "connection_retired"
    for act in (
        lambda: catalog.retire_connection(row, by=alice),
        lambda: catalog.edit_connection(row, **patients.address(), by=alice),
        lambda: connecting.check_connection(row, by=alice),
    ):
        with pytest.raises(IllegalMove):
            act()


# --- What a test says -----------------------------------------------------------------------------------------


def test_a_role_that_can_only_read_passes(patients: Database) -> None:
    check = tried(connect(patients.address(), password=patients.password))
    assert (check.status, check.status_code, connecting.reason(check)) == (CheckStatus.PASSED, "", "")
    assert check.findings["relations"] == ["public.patients", "public.wrong"]  # no view: it computes
    assert check.findings["is_encrypted"] is False


def _silent() -> socket.socket:
    """Return a listener that never answers."""
    return socket.create_server(("127.0.0.1", 0))


def test_what_is_wrong_is_said_clearly(patients: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    silent = _silent()
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "host_unknown": (patients.address(host="no-such-host.invalid"), patients.password),
        "connection_refused": (patients.address(port=closed), patients.password),
        "connection_timed_out": (patients.address(port=silent.getsockname()[1]), patients.password),
        "wrong_password": (patients.address(), "not-the-password"),
        "database_missing": (patients.address(database="no_such_database"), patients.password),
        "tls_refused": (patients.address(tls="verify-full"), patients.password),
        "role_can_write": (patients.address("writer"), patients.password),
        "role_is_superuser": (patients.address("boss"), patients.password),
        "secret_missing": (patients.address(), ""),
    }
    with silent:
        for number, (code, (where, password)) in enumerate(cases.items()):
            check = tried(connect(where, name=f"clinic-{number}", password=password))
            assert (check.status, check.status_code) == (CheckStatus.REFUSED, code)
            assert connecting.reason(check).startswith(connecting.REASONS[code])
    writable = ConnectionCheck.objects.get(status_code="role_can_write")
    assert connecting.reason(writable).endswith("(public.patients)")


def test_a_server_that_asks_for_the_password_in_clear_does_not_get_it(patients: Database) -> None:
    """Whoever edits a connection to lead elsewhere learns no password: only SCRAM is answered."""
    listener, heard = _silent(), []

    def serve() -> None:
        with listener, listener.accept()[0] as session:
            heard.append(session.recv(4096))
            session.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # AuthenticationCleartextPassword
            heard.append(session.recv(4096))

    import threading

    thread = threading.Thread(target=serve)
    thread.start()
    where = patients.address(port=listener.getsockname()[1])
    check = tried(connect(where, password=patients.password))
    thread.join(10)
    assert check.status_code == "scram_missing"
    assert len(heard) == 2
    assert patients.password.encode() not in b"".join(heard)


def test_the_password_may_come_from_the_worker_s_environment(
    patients: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTION_CLINIC_SECRET", patients.password)
    assert tried(connect(patients.address())).status == CheckStatus.PASSED


# --- A version in place ---------------------------------------------------------------------------------------


def test_a_draft_is_bound_to_a_table_that_fits_and_gets_a_mock_from_its_schema(patients: Database) -> None:
    connect(patients.address(), password=patients.password)
    version = draft()
    check = placed(version)
    assert check.status == CheckStatus.PASSED, check.status_code
    assert check.findings["types"]["age"] == "float8"
    assert version.is_in_place
    assert (version.relation, version.mock_origin) == ("public.patients", "generated")
    assert len(version.sha256) == len(version.fingerprint) == len(version.mock_sha256) == 64
    catalog.declare(version, **SCHEMA, by=make.person("alice"))  # declared anew: no longer bound
    version.refresh_from_db()
    assert not version.is_in_place
    assert version.sha256 == ""


def test_a_table_that_does_not_fit_is_refused_with_the_names(patients: Database) -> None:
    connect(patients.address(), password=patients.password)
    version = draft()
    more = SCHEMA | {"columns": [*SCHEMA["columns"], {"name": "Age", "kind": "text"}]}
    for relation, code, ending in (
        ("public.nowhere", "relation_missing", "(public.nowhere)"),
        ("public.computed", "relation_kind", "(public.computed)"),
        ("public.wrong", "column_type", "(age (text))"),
    ):
        check = placed(version, relation)
        assert check.status_code == code
        assert connecting.reason(check).endswith(ending)
        assert not version.is_in_place
    patients.run("CREATE TABLE hidden AS SELECT * FROM patients")
    assert placed(version, "public.hidden").status_code == "not_readable"
    del more["columns"][0]
    other = draft("others", more)
    assert connecting.reason(placed(other)).endswith("(Age)")
    for wrong in ("patients", "a.b.c", 'public."patients"', "public.pa tients", "."):
        with pytest.raises(InvalidInput, match="as schema"):
            connecting.place(version, connection="clinic", relation=wrong, by=make.person("alice"))


def test_the_fingerprint_is_of_this_table_and_its_declared_columns(patients: Database) -> None:
    connect(patients.address(), password=patients.password)
    version = draft()
    placed(version)
    first = version.fingerprint
    patients.run("ALTER TABLE patients ADD COLUMN IF NOT EXISTS unrelated int")
    placed(version)
    assert version.fingerprint == first
    patients.run("CREATE TABLE twin AS SELECT * FROM patients")
    patients.run(f"GRANT SELECT ON twin TO {patients.role('reader')}")
    placed(version, "public.twin")
    assert version.fingerprint != first


# --- The password and the rows are nowhere else ---------------------------------------------------------------


def test_neither_password_nor_rows_are_found_outside(
    patients: Database, caplog: pytest.LogCaptureFixture, home: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    tried(connect(patients.address(), password=patients.password))
    tried(connect(patients.address(host="no-such-host.invalid"), name="away", password=patients.password))
    placed(draft())
    kept = {row.pk: row.findings for row in ConnectionCheck.objects.all()}
    assert len(kept) == 3
    found = _database_text() + caplog.text + json.dumps(kept)
    found += "".join(json.dumps(event.data if hasattr(event, "data") else str(event)) for event in events())
    files = [path for path in home.rglob("*") if path.is_file() and "connections" not in path.parts]
    seen = found.encode() + b"".join(path.read_bytes() for path in files)
    assert b"clinic" in seen  # what is looked for would be seen
    assert patients.password.encode() not in seen
    assert b"canary-person" not in seen


def _database_text() -> str:
    """Return every row of every table as text."""
    rows = [str(list(model.objects.values_list())) for model in apps.get_models() if model._meta.managed]
    assert Job.objects.exists()
    return "".join(rows)
