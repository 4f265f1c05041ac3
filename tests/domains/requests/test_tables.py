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
JOINED = (
    "SELECT g.class_name, COUNT(*) AS n FROM hospital p JOIN visits v ON p.sno = v.sno"
    " JOIN groups g ON p.dzgroup = g.dzgroup WHERE v.measure = 'hrt' GROUP BY g.class_name"
)


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


def test_a_join_is_answered_from_every_tables_file_and_from_every_mock(grant):
    sam = make.person("sam")
    analysis = make.request(Status.READY, on=grant, sql=JOINED, epsilon="9")
    actions.run_on_mock(analysis, by=sam)
    make.run_jobs()
    analysis.refresh_from_db()
    assert analysis.mock_job.status == JobStatus.SUCCEEDED, analysis.mock_job.status_code
    tried = Answer.from_bytes(jobs.result(analysis.mock_job))
    assert {row[0] for row in tried.rows} >= set(hospital.CLASSES.values())

    analysis = make.answered(on=grant, sql=JOINED, epsilon="9")
    answer = Answer.from_bytes(releases.result(analysis, by=sam).payload)
    found = {row[0]: row[1] for row in answer.rows}
    assert set(found) >= set(hospital.CLASSES.values())
    assert sum(found.values()) == pytest.approx(200, abs=60)  # a patient has one heart rate
