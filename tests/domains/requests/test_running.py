"""What a run does when something fails: before data is read the loss goes back, afterwards it stays spent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from domains.catalog import actions as catalog
from domains.jobs import actions as jobs
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.people.permissions import Permission
from domains.projects import actions as projects
from domains.requests import actions, execution, upkeep
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.queries import progress, visible_to
from tests import make


class Failing:
    """A child that fails at one step, in place of the fork server's."""

    def __init__(self, step: str, failure: ChildFailed) -> None:
        self.step, self.failure = step, failure

    def __call__(self, *args, **kwargs):
        return self

    def __enter__(self):
        self._fail("start")
        return self

    def __exit__(self, *error):
        return None

    def prepared(self, timeout):
        self._fail("prepared")
        return {}

    def go(self, payload, *, timeout):
        self._fail("go")
        raise AssertionError("a planted child never answers")

    def _fail(self, step):
        if step == self.step:
            raise self.failure


def reload(analysis):
    return AnalysisRequest.objects.select_related("grant__dataset", "author", "job", "revision").get(
        pk=analysis.pk
    )


def held(grant, person):
    balance = next(b for b in books.balances(grant, person) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


@pytest.mark.parametrize("step", ["start", "prepared"])
def test_a_passing_failure_before_data_gives_the_job_back_to_the_queue(cast, grant, monkeypatch, step):
    analysis = make.request(Status.APPROVED, on=grant)
    monkeypatch.setattr(execution, "Child", Failing(step, ChildFailed("no_fork_server", is_passing=True)))
    make.run_jobs()
    analysis = reload(analysis)
    assert (analysis.status, analysis.job.status) == (Status.APPROVED, JobStatus.QUEUED)
    assert held(grant, cast["sam"]) == (analysis.revision.rho, 0)


def test_a_lasting_failure_before_data_ends_the_request_and_voids(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)
    monkeypatch.setattr(execution, "Child", Failing("prepared", ChildFailed("loss_exceeded")))
    make.run_jobs()
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "loss_exceeded")
    assert held(grant, cast["sam"]) == (0, 0)


@pytest.mark.parametrize(
    ("code", "ended"), [("computation_failed", JobStatus.FAILED), ("timed_out", JobStatus.TIMED_OUT)]
)
def test_a_failure_after_data_was_opened_stays_spent_and_says_only_that_it_failed(
    cast, grant, monkeypatch, code, ended
):
    analysis = make.request(Status.APPROVED, on=grant)
    monkeypatch.setattr(execution, "Child", Failing("go", ChildFailed(code)))
    make.run_jobs()
    analysis = reload(analysis)
    assert analysis.job.status == ended
    assert books.charge(analysis.job.charge_id).state == "BURNT"
    assert held(grant, cast["sam"]) == (0, analysis.revision.rho)
    shown = progress(analysis, timezone.now())
    assert (shown.code, analysis.job.status_code) == ("failed", "failed")  # outsiders learn no more than this
    assert not analysis.releases.exists()


def test_a_run_that_failed_shows_as_running_until_its_deadline(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)
    monkeypatch.setattr(execution, "Child", Failing("go", ChildFailed("computation_failed")))
    make.run_jobs()
    analysis = reload(analysis)
    assert progress(analysis, analysis.job.due_at - timedelta(milliseconds=1)).code == "running"


def test_a_right_that_ends_while_a_job_is_prepared_stands_it_down(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)
    real = Child.prepared

    def revoked_meanwhile(child, timeout):
        projects.revoke_grant(grant, reason="Ended.", by=cast["alice"])
        return real(child, timeout)

    monkeypatch.setattr(Child, "prepared", revoked_meanwhile)
    make.run_jobs()
    assert reload(analysis).status == Status.REVOKED
    assert held(grant, cast["sam"]) == (0, 0)


def test_a_token_without_the_reading_scope_lists_nothing(cast, grant):
    make.request(Status.READY, on=grant)
    sam = cast["sam"]
    assert visible_to(sam).exists()
    sam.token_scopes = frozenset({Permission.CATALOGUE_READ})
    assert not visible_to(sam).exists()


def test_a_charge_that_somebody_else_committed_is_never_drawn_again(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    claim = jobs.claim(analysis.job_id)
    jobs.to_running(claim)
    assert ledger.commit(analysis.job.charge_id, lease=timedelta(seconds=5)) == 1
    assert execution.open_data(claim) is None
    assert Job.objects.get(pk=analysis.job_id).data_opened_at is None  # the whole step was undone


@pytest.mark.parametrize(
    ("spoil", "code", "ends"),
    [
        (
            lambda a, cast: Job.objects.filter(pk=a.job_id).update(spec={}),
            "specification_changed",
            Status.REVOKED,
        ),
        (
            lambda a, cast: catalog.freeze(a.dataset, reason="Stop.", by=cast["alice"]),
            "dataset_not_frozen",
            Status.REVOKED,
        ),
    ],
)
def test_the_preflight_stands_down_when_something_changed(cast, grant, spoil, code, ends):
    analysis = make.request(Status.APPROVED, on=grant)
    spoil(reload(analysis), cast)
    make.run_jobs()
    analysis = reload(analysis)
    assert analysis.status == ends
    assert analysis.status_code == code
    assert "did not run" in progress(analysis, timezone.now()).why
    assert held(grant, cast["sam"]) == (0, 0)


def test_a_claim_for_an_approval_that_is_gone_voids_nothing_twice(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    claim = jobs.claim(analysis.job_id)
    stale = reload(analysis)
    actions.withdraw(analysis, by=cast["sam"])
    assert execution.preflight(AnalysisRequest.objects.get(pk=stale.pk), claim) == "approval_gone"
    with pytest.raises(jobs.ClaimLost):
        execution.stand_down(reload(stale), claim, "approval_gone")
    assert held(grant, cast["sam"]) == (0, 0)


def test_an_answer_that_was_stored_before_its_worker_died_is_released_by_the_sweep(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)

    class Died(Exception):
        """The worker's process ended between storing and concluding."""

    def dies(*args):
        raise Died

    monkeypatch.setattr(execution, "conclude", dies)
    make.run_jobs()
    job = reload(analysis).job
    assert job.status == JobStatus.DATA_OPEN
    later = job.lease_until + timedelta(seconds=1)
    jobs.expire(later)
    ledger.sweep(later)
    upkeep.sweep(later)
    upkeep.sweep(later)  # idempotent
    analysis = reload(analysis)
    assert analysis.releases.get().status == ReleaseStatus.RELEASED
    assert books.charge(analysis.job.charge_id).state == "COMMITTED"


def test_a_job_that_no_worker_could_finish_gives_its_loss_back(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    Job.objects.filter(pk=analysis.job_id).update(status=JobStatus.LOST)
    upkeep.sweep(timezone.now())
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.LAPSED, "no_worker_finished")
    assert held(grant, cast["sam"]) == (0, 0)


def test_a_mock_run_that_fails_says_so_by_a_code(cast, grant, monkeypatch):
    analysis = make.request(Status.READY, on=grant)
    actions.run_on_mock(analysis, by=cast["sam"])
    monkeypatch.setattr(execution, "Child", Failing("go", ChildFailed("computation_failed")))
    make.run_jobs()
    job = reload(analysis).mock_job
    assert (job.status, job.status_code) == (JobStatus.FAILED, "computation_failed")


def test_a_revision_is_written_once(cast, grant):
    analysis = make.request(Status.READY, on=grant)
    from domains.errors import IllegalMove

    revision = Revision.objects.get(analysis=analysis)
    revision.sql = "SELECT 1"
    with pytest.raises(IllegalMove):
        revision.save()
    with pytest.raises(IllegalMove):
        revision.delete()
