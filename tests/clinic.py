"""A clinic whose patients stay in a database of its own: the table, a connection to it, and a version bound to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from domains.catalog import actions as catalog
from domains.catalog.connection import Connection
from domains.catalog.models import DatasetVersion
from domains.intake import connecting
from domains.intake.models import ConnectionCheck
from tests import make
from tests.databases import Database, database, keep_password

PATIENTS = """
CREATE TABLE patients (patient_id text, age float8, sex text, visits int4, admitted date, is_smoker boolean);
INSERT INTO patients SELECT 'canary-person-' || i, 20 + i % 60, CASE WHEN i % 2 = 0 THEN 'male' ELSE 'female' END,
    i % 5, date '2020-01-01' + i % 300, i % 3 = 0 FROM generate_series(1, 200) i;
CREATE VIEW computed AS SELECT patient_id, 1 / visits AS age FROM patients;
CREATE TABLE wrong (patient_id text, age text, sex text, visits int4, admitted date, is_smoker boolean)"""
SCHEMA: dict[str, Any] = {
    "unit_column": "patient_id",
    "max_units": 1000,
    "columns": [
        {"name": "age", "kind": "decimal", "lower": "0", "upper": "120", "source": "protocol"},
        {"name": "sex", "kind": "category", "codes": ["female", "male"], "source": "codebook"},
        {"name": "visits", "kind": "integer", "lower": "0", "upper": "20", "source": "protocol"},
        {"name": "admitted", "kind": "date"},
        {"name": "is_smoker", "kind": "boolean"},
    ],
}


@pytest.fixture(scope="module")
def patients() -> Iterator[Database]:
    """A database with a table of patients that `reader` may read and `writer` may write."""
    with database() as made:
        made.run("REVOKE CREATE ON SCHEMA public FROM public")
        made.run(PATIENTS)
        made.run(
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {made.role('reader')}, {made.role('writer')}"
        )
        made.run(f"GRANT UPDATE (age) ON patients TO {made.role('writer')}")
        yield made


def connect(where: dict[str, Any], *, name: str = "clinic", password: str = "") -> Connection:
    """Return a connection of Alice's, its password beside the worker."""
    if password:
        keep_password(Path(settings.CONNECTIONS_DIR), name, password)
    return catalog.add_connection(area=make.area(), name=name, by=make.person("alice"), **where)


def tried(row: Connection) -> ConnectionCheck:
    """Return a test of a connection, done by a real child."""
    check = connecting.check_connection(row, by=make.person("alice"))
    make.run_jobs()
    check.refresh_from_db()
    return check


def draft(slug: str = "patients", schema: dict[str, Any] = SCHEMA) -> DatasetVersion:
    """Return a draft version of Alice's with a declared schema and no file."""
    alice = make.person("alice")
    made = catalog.create_dataset(
        area=make.area(), population=make.population(), title=slug.title(), slug=slug, by=alice
    )
    version = catalog.new_version(made, by=alice)
    catalog.declare(version, **schema, by=alice)
    return version


def placed(version: DatasetVersion, relation: str = "public.patients") -> ConnectionCheck:
    """Return the look at a table for a draft version, done by a real child."""
    check = connecting.place(version, connection="clinic", relation=relation, by=make.person("alice"))
    make.run_jobs()
    check.refresh_from_db()
    version.refresh_from_db()
    return check
