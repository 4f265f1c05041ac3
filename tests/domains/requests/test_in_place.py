"""A request on patients who stay in their clinic's database: approved, answered by a real child, safe when it fails."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from django.apps import apps

from domains.audit.queries import events
from domains.catalog import actions as catalog
from domains.catalog.connection import Connection
from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.intake import actions as intake
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.requests import releases
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from privacy.query.in_place import NOTE
from tests import make
from tests.clinic import connect, draft, patients, placed
from tests.databases import Database

__all__ = ["patients"]
pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
QUESTION = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM patients GROUP BY sex"


@pytest.fixture
def clinic(patients: Database) -> Dataset:
    """The dataset, published in place."""
    patients.run("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT * FROM patients")
    patients.run(f"GRANT SELECT ON kept TO {patients.role('reader')}")
    connect(patients.address(), password=patients.password)
    version = draft()
    assert placed(version, "public.kept").status_code == ""
    words = {"dataset_epsilon": Decimal(9), "population_epsilon": Decimal(9)}
    intake.publish(version, attested=True, by=make.person("alice"), **words)
    version.dataset.refresh_from_db()
    return version.dataset


def approved(clinic: Dataset, sql: str = QUESTION, epsilon: str = "2") -> AnalysisRequest:
    """Return a request of Sam's that Alice approved; the first one brings project and budget."""
    found = AnalysisRequest.objects.first()
    grant = found.grant if found else make.grant("8", slug=clinic.slug)
    return make.request(Status.APPROVED, on=grant, sql=sql, epsilon=epsilon)


def reload(analysis: AnalysisRequest) -> AnalysisRequest:
    return AnalysisRequest.objects.select_related("job", "grant__dataset", "author", "revision__version").get(
        pk=analysis.pk
    )


def spent(analysis: AnalysisRequest) -> tuple[int, int]:
    balance = next(b for b in books.balances(analysis.grant, make.person("sam")) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


def counts(analysis: AnalysisRequest) -> dict[str | None, int]:
    answer = releases.result(reload(analysis), by=make.person("sam")).answer
    return {row["sex"]: row["n"] for row in answer.records()}


def test_a_request_is_answered_where_the_rows_are(patients: Database, clinic: Dataset) -> None:
    analysis = approved(clinic)
    assert make.run_jobs() == 1
    found = counts(analysis)
    assert abs(found["male"] - 100) < 25
    assert abs(found["female"] - 100) < 25
    result = releases.result(reload(analysis), by=make.person("sam"))
    assert NOTE in result.answer.notes
    spec = reload(analysis).job.spec
    assert set(spec["place"]) == {"connection", "relation", "fingerprint"}  # neither an address nor a secret
    leaves = [str(vars(event)) for event in events()]
    assert any("in_place" in leaf and "result.released" in leaf for leaf in leaves)
    assert any("in_place" in leaf and "version.published" in leaf for leaf in leaves)


def test_the_data_may_change_and_a_later_question_sees_it(patients: Database, clinic: Dataset) -> None:
    approved(clinic)
    patients.run(
        "INSERT INTO kept SELECT 'new-' || i, 30, 'male', 1, NULL, true FROM generate_series(1, 300) i"
    )
    later = approved(clinic, "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex")
    make.run_jobs()
    assert abs(counts(later)["male"] - 400) < 25


def test_a_table_that_was_replaced_is_not_read_and_nothing_is_spent(
    patients: Database, clinic: Dataset
) -> None:
    analysis = approved(clinic)
    patients.run("DROP TABLE kept; CREATE TABLE kept AS SELECT * FROM patients")
    patients.run(f"GRANT SELECT ON kept TO {patients.role('reader')}")
    make.run_jobs()
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "relation_changed")
    assert spent(analysis) == (0, 0)


def test_a_role_that_was_given_more_rights_is_not_used(patients: Database, clinic: Dataset) -> None:
    analysis = approved(clinic)
    patients.run(f"GRANT INSERT ON kept TO {patients.role('reader')}")
    make.run_jobs()
    assert reload(analysis).status_code == "role_can_write"
    assert spent(analysis) == (0, 0)


def test_a_database_that_is_away_is_tried_again(patients: Database, clinic: Dataset) -> None:
    analysis = approved(clinic)
    alice, row = make.person("alice"), Connection.objects.get()
    catalog.edit_connection(row, **patients.address(port=1), by=alice)
    make.run_jobs()
    assert reload(analysis).job.status == JobStatus.QUEUED
    assert spent(analysis) == (reload(analysis).revision.rho, 0)
    catalog.retire_connection(row, by=alice)
    reload(analysis).job.__class__.objects.update(not_before=analysis.created_at)
    make.run_jobs()
    assert reload(analysis).status_code == "connection_retired"
    assert spent(analysis) == (0, 0)


def test_a_table_that_is_locked_burns_the_loss_at_the_deadline(patients: Database, clinic: Dataset) -> None:
    analysis = approved(clinic)
    with psycopg.connect(patients.url, dbname=patients.name) as other:
        other.execute("LOCK TABLE kept IN ACCESS EXCLUSIVE MODE")
        make.run_jobs()
        other.rollback()
    analysis = reload(analysis)
    assert analysis.job.status in (JobStatus.TIMED_OUT, JobStatus.FAILED)
    assert analysis.job.finished_at >= analysis.job.due_at
    assert spent(analysis) == (0, analysis.revision.rho)
    with pytest.raises(NotFound):
        releases.result(analysis, by=make.person("sam"))


def test_neither_password_nor_rows_leave_with_an_answer_or_a_failure(
    patients: Database, clinic: Dataset, caplog: pytest.LogCaptureFixture, home: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    approved(clinic)
    make.run_jobs()
    approved(clinic, "SELECT COUNT(*) AS n FROM patients WHERE visits > 2")
    with psycopg.connect(patients.url, dbname=patients.name) as other:
        other.execute("LOCK TABLE kept IN ACCESS EXCLUSIVE MODE")
        make.run_jobs()
        other.rollback()
    kept = [path for path in home.rglob("*") if path.is_file() and "connections" not in path.parts]
    seen = b"".join(path.read_bytes() for path in kept) + caplog.text.encode()
    seen += "".join(str(list(model.objects.values_list())) for model in apps.get_models()).encode()
    assert b"relation" in seen
    assert patients.password.encode() not in seen
    assert b"canary-person" not in seen
