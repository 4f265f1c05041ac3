"""A request on patients who stay in a Spark cluster: placed, approved, answered by a real child, safe when it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.apps import apps

from domains.catalog import actions as catalog
from domains.catalog.connection import Connection
from domains.catalog.models import Dataset
from domains.intake import actions as intake
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.requests import releases
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from tests import make
from tests.clinic import connect, draft, placed, tried
from tests.spark import SparkServer, server

pytestmark = [pytest.mark.django_db, pytest.mark.extras, pytest.mark.filterwarnings("ignore")]
QUESTION = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM patients GROUP BY sex"
PATIENTS = """
CREATE TABLE default.patients USING parquet AS SELECT 'canary-person-' || id AS patient_id,
    CAST(20 + id % 60 AS DOUBLE) AS age, IF(id % 2 = 0, 'male', 'female') AS sex, CAST(id % 5 AS INT) AS visits,
    DATE_ADD(DATE'2020-01-01', CAST(id % 300 AS INT)) AS admitted, id % 3 = 0 AS is_smoker FROM RANGE(1, 201)"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    with server(tmp_path_factory.mktemp("spark")) as made:
        made.run(PATIENTS)
        yield made


@pytest.fixture
def clinic(cluster: SparkServer) -> Dataset:
    """The dataset, published in place."""
    connect(cluster.where(engine="spark"), password=cluster.token)
    version = draft()
    assert placed(version, "default.patients").status_code == ""
    words = {"dataset_epsilon": Decimal(9), "population_epsilon": Decimal(9)}
    intake.publish(version, attested=True, by=make.person("alice"), **words)
    version.dataset.refresh_from_db()
    return version.dataset


def approved(clinic: Dataset) -> AnalysisRequest:
    """Return Sam's request, approved by Alice."""
    return make.request(Status.APPROVED, on=make.grant("8", slug=clinic.slug), sql=QUESTION, epsilon="2")


def reload(analysis: AnalysisRequest) -> AnalysisRequest:
    rows = AnalysisRequest.objects.select_related("job", "grant__dataset", "author", "revision__version")
    return rows.get(pk=analysis.pk)


def spent(analysis: AnalysisRequest) -> tuple[int, int]:
    balance = next(b for b in books.balances(analysis.grant, make.person("sam")) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


def test_a_request_is_answered_where_the_rows_are_and_nothing_else_leaves(
    cluster: SparkServer, clinic: Dataset, caplog: pytest.LogCaptureFixture, home: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    analysis = approved(clinic)
    assert make.run_jobs() == 1
    result = releases.result(reload(analysis), by=make.person("sam"))
    found = {row["sex"]: row for row in result.answer.records()}
    assert abs(found["male"]["n"] - 100) < 25
    assert abs(float(found["female"]["a"]) - 49.5) < 15
    assert spent(analysis) == (0, analysis.revision.rho)
    kept = [path for path in home.rglob("*") if path.is_file() and "connections" not in path.parts]
    seen = b"".join(path.read_bytes() for path in kept) + caplog.text.encode()
    seen += "".join(str(list(model.objects.values_list())) for model in apps.get_models()).encode()
    assert b"relation" in seen
    assert cluster.token.encode() not in seen
    assert b"canary-person" not in seen


def test_a_table_that_changed_its_type_is_not_read_and_nothing_is_spent(
    cluster: SparkServer, clinic: Dataset
) -> None:
    analysis = approved(clinic)
    columns = "patient_id, CAST(age AS FLOAT) AS age, sex, visits, admitted, is_smoker"
    cluster.run(
        "CREATE TABLE default.kept USING parquet AS SELECT * FROM default.patients",
        "DROP TABLE default.patients",
        f"CREATE TABLE default.patients USING parquet AS SELECT {columns} FROM default.kept",
    )
    try:
        make.run_jobs()
    finally:
        cluster.run("DROP TABLE default.patients", PATIENTS, "DROP TABLE default.kept")
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "relation_changed")
    assert spent(analysis) == (0, 0)


def test_a_cluster_that_is_away_is_tried_again(cluster: SparkServer, clinic: Dataset) -> None:
    analysis = approved(clinic)
    catalog.edit_connection(Connection.objects.get(), **cluster.where(port=1), by=make.person("alice"))
    make.run_jobs()
    assert reload(analysis).job.status == JobStatus.QUEUED
    assert spent(analysis) == (reload(analysis).revision.rho, 0)


def test_a_connection_is_tested_by_a_child(cluster: SparkServer) -> None:
    row = connect(cluster.where(engine="spark"), password=cluster.token)
    found = tried(row)
    assert found.status_code == ""
    assert "default.patients" in found.findings["relations"]
    wrong = connect(cluster.where(engine="spark"), name="wrong", password="x" * 8)
    assert tried(wrong).status_code == "wrong_password"
