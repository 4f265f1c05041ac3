"""A question to a dataset of several tables, from its text to the released answer, on the data and on the mocks."""

import pytest

from domains.jobs import queries as jobs
from domains.jobs.lifecycle import JobStatus
from domains.ledger import actions as ledger
from domains.projects import actions as projects
from domains.projects.models import AccessGrant
from domains.requests import actions, releases
from domains.requests.lifecycle import Status
from privacy.query.answer import Answer
from tests import hospital, make

pytestmark = pytest.mark.django_db
QUESTION = "SELECT dzgroup, COUNT(*) AS n FROM hospital GROUP BY dzgroup"


@pytest.fixture
def grant():
    sam = make.person("sam")
    project = projects.propose(
        area=make.area(), title="Rates", lay_summary="Heart rates.", purpose="Care.",
        datasets=[hospital.dataset(epsilon="9", tick="0.5")], members=[], by=sam,
    )  # fmt: skip
    projects.submit(project, by=sam)
    projects.review(project, version=project.version, vote="approve", by=make.person("rita"))
    ledger.allocate(project.grants.get(), epsilon=9, by=make.person("ada"))
    return AccessGrant.objects.select_related("project__area", "dataset__population").get(project=project)


def test_the_engine_is_given_every_tables_file_by_its_name(grant):
    sam = make.person("sam")
    analysis = make.request(Status.READY, on=grant, sql=QUESTION, epsilon="9")
    actions.run_on_mock(analysis, by=sam)
    make.run_jobs()
    analysis.refresh_from_db()
    assert analysis.mock_job.status == JobStatus.SUCCEEDED, analysis.mock_job.status_code
    tried = Answer.from_bytes(jobs.result(analysis.mock_job))
    assert {row[0] for row in tried.rows} >= set(hospital.CLASSES)

    analysis = make.answered(on=grant, sql=QUESTION, epsilon="9")
    answer = Answer.from_bytes(releases.result(analysis, by=sam).payload)
    found = {row[0]: row[1] for row in answer.rows}
    assert set(found) >= set(hospital.CLASSES)
    assert sum(found.values()) == pytest.approx(200, abs=60)
