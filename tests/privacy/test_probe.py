"""Testing a connection: what the owner is told of a database whose rows stay where they are, found or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from privacy.engines import examine, probe
from privacy.engines.postgresql import fault_of
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.databases import Database, database

pytestmark = pytest.mark.postgres
TABLE = Table(
    "patients",
    (Column("age", Kind.INTEGER, Decimal(0), Decimal(99)), Column("note", Kind.TEXT)),
    PrivacyUnit("who", 1, 1),
    1000,
)
COLUMNS = "who int8, age int4, note text"


@pytest.fixture(scope="module")
def base() -> Iterator[Database]:
    """A database with a table that fits, and some that do not."""
    with database() as made:
        made.run("REVOKE CREATE ON SCHEMA public FROM public")
        made.run(f"CREATE TABLE patients ({COLUMNS}); CREATE VIEW seen AS SELECT * FROM patients")
        made.run("CREATE TABLE bare (who int8, age int4); CREATE TABLE odd (who int8, age point, note text)")
        made.run(f"CREATE TABLE hidden ({COLUMNS}); CREATE TABLE ruled ({COLUMNS})")
        made.run("ALTER TABLE ruled ENABLE ROW LEVEL SECURITY")
        made.run(f"GRANT SELECT ON patients, seen, bare, odd, ruled TO {made.role('reader')}")
        made.run(f"GRANT SELECT (who, age) ON hidden TO {made.role('reader')}")
        made.run(f"GRANT INSERT ON patients TO {made.role('writer')}")
        yield made


def report(base: Database, relation: str | None = None, role: str = "reader", **changes: Any) -> Any:
    """Return what the owner is told, by a role and over a relation."""
    spec = {"engine": "postgresql", "relation": relation, "seconds": 10}
    spec["table"] = TABLE.to_dict() if relation else None
    address = base.address(role) | {"secret": base.password} | changes
    return json.loads(probe.prepare(spec).run(address))


def test_a_table_that_fits_is_found_by_its_types_and_a_fingerprint(base: Database) -> None:
    found = report(base, "public.patients")
    assert found["types"] == {"age": "int4", "note": "text", "who": "int8"}
    assert found["is_encrypted"] is False
    assert found["relations"] == [f"public.{name}" for name in ("bare", "hidden", "odd", "patients", "ruled")]
    assert report(base, "public.patients")["fingerprint"] == found["fingerprint"]
    base.run(f"ALTER TABLE patients RENAME TO kept; CREATE TABLE patients ({COLUMNS})")
    base.run(f"GRANT SELECT ON patients TO {base.role('reader')}")
    assert report(base, "public.patients")["fingerprint"] != found["fingerprint"]
    base.run("DROP TABLE patients; ALTER TABLE kept RENAME TO patients")


def test_without_a_table_it_says_what_there_is(base: Database) -> None:
    assert set(report(base)) == {"server", "is_encrypted", "relations"}


@pytest.mark.parametrize(
    ("relation", "code", "where"),
    [
        ("public.nowhere", "relation_missing", "public.nowhere"),
        ("public.seen", "relation_kind", "public.seen"),
        ("public.ruled", "relation_kind", "public.ruled"),
        ("public.bare", "column_missing", "note"),
        ("public.odd", "column_type", "age (point)"),
        ("public.hidden", "not_readable", "public.hidden"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(
    base: Database, relation: str, code: str, where: str
) -> None:
    assert report(base, relation) == {"refused": code, "where": [where]}


def test_a_role_that_can_do_more_than_read_is_refused(base: Database) -> None:
    assert report(base, role="writer") == {"refused": "role_can_write", "where": ["public.patients"]}
    assert report(base, role="boss")["refused"] == "role_is_superuser"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "not the password"}, "wrong_password"),
        ({"secret": ""}, "secret_missing"),
        ({"database": "nowhere"}, "database_missing"),
        ({"host": "no-such-host.invalid"}, "host_unknown"),
        ({"port": 1}, "connection_refused"),
        ({"tls": "verify-full"}, "tls_refused"),
    ],
)
def test_why_a_database_was_not_reached_is_a_code(base: Database, changes: dict[str, Any], code: str) -> None:
    assert report(base, **changes) == {"refused": code, "where": []}


def test_words_of_a_driver_that_nobody_knows_are_not_repeated() -> None:
    assert fault_of("the canary's words") == "connection_failed"


def test_a_session_that_breaks_off_is_a_code(base: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any) -> Any:
        return connection.execute("SELECT 1 / 0")

    monkeypatch.setattr(examine, "readable", broken)
    assert report(base) == {"refused": "connection_failed", "where": []}
