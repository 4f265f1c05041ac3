"""Figures of dashboards, and what nobody can move on, derived from the rows as they stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from domains.catalog.models import Seat, Steward
from domains.delivery.models import Delivery
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs.models import Job, JobKind, WorkerBeat
from domains.notices import stuck
from domains.notices.models import Notice
from domains.notices.outbox import tell
from domains.people.models import User
from domains.requests import decisions, figures
from domains.requests.models import AnalysisRequest, Release
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> Story:
    return kit.story()


def troubles() -> dict[str, int]:
    """Return what is stuck now, by kind; the two ways to ask agree."""
    now = timezone.now()
    found = {group.kind: group.number for group in stuck.groups(now)}
    assert {kind: number for kind, number in stuck.counts(now).items() if number} == found
    return found


def leave(user: User, by: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False, deactivated_at=timezone.now(), deactivated_by=by)


# --- Stuck ------------------------------------------------------------------------------------------------------------


def test_nothing_is_stuck_where_everybody_is_here(given: Story) -> None:
    kit.ask(given)
    assert troubles() == {}


def test_what_the_only_owner_leaves_behind_is_stuck_until_a_reviewer_is_there(given: Story) -> None:
    kit.ask(given, "Suicides on ward 7")
    cast = given.cast
    leave(cast.alice, cast.ada)
    assert troubles() == {"dataset.no_owner": 1, "request.nobody_decides": 1}
    shown = str(stuck.groups(timezone.now()))
    assert "Suicides" not in shown  # whoever runs the node may not read requests
    assert given.dataset.title in shown
    Steward.objects.create(
        dataset=given.dataset, user=cast.rita, role="dataset_reviewer", granted_by=cast.alice
    )
    assert troubles() == {"dataset.no_owner": 1}


@pytest.mark.parametrize(
    "why", ["a role that ended", "a stewardship that ended", "one who is on the project"]
)
def test_only_who_may_decide_counts(given: Story, why: str) -> None:
    kit.ask(given)
    now, cast = timezone.now(), given.cast
    if why == "a role that ended":
        cast.alice.memberships.update(ended_at=now, ended_by=cast.ada)
    elif why == "a stewardship that ended":
        Steward.objects.update(ended_at=now, ended_by=cast.ada)
    else:
        given.project.members.create(user=cast.alice, role="project_member", added_by=cast.sam)
    assert troubles()["request.nobody_decides"] == 1


def test_a_project_without_reviewers_or_lead_is_stuck(given: Story) -> None:
    cast = given.cast
    waiting = kit.world.proposal(cast, given.dataset, title="Another")
    kit.world.projects.submit(waiting, by=cast.sam)
    assert troubles() == {}
    Seat.objects.filter(user=cast.rita).update(ended_at=timezone.now(), ended_by=cast.ada)
    assert troubles() == {"project.nobody_reviews": 1}
    leave(cast.sam, cast.ada)
    assert troubles() == {"project.nobody_reviews": 1, "project.no_lead": 1}


def test_a_request_that_waits_for_weeks_is_stuck_and_is_not_approved(given: Story) -> None:
    analysis = kit.ask(given)
    AnalysisRequest.objects.update(submitted_at=timezone.now() - figures.PERIOD)
    assert troubles() == {"request.unanswered": 1}
    analysis.refresh_from_db()
    assert analysis.status == "in_review"


def queued(queue: str = "query", kind: JobKind = JobKind.MOCK_QUERY) -> Job:
    with transaction.atomic():
        return jobs.queue(kind, subject="1" * 26, spec={}, planned_seconds=1, queue=queue)


def test_a_job_is_stuck_when_no_living_worker_serves_its_queue(given: Story) -> None:
    queued(), queued("fits")
    now = timezone.now()
    assert troubles() == {}  # not at once
    Job.objects.update(not_before=now - timedelta(minutes=6))
    WorkerBeat.objects.create(name="one", queues=["query"], pid=1, seen_at=now)
    WorkerBeat.objects.create(name="two", queues=["fits"], pid=2, seen_at=now - timedelta(hours=1))
    assert troubles() == {"job.no_worker": 1}
    states = {state.name: state for state in job_queries.queue_states(now)}
    assert (states["fits"].workers, states["query"].workers) == (0, 1)
    assert states["fits"].heartbeat_seconds == pytest.approx(3600, abs=5)
    assert states["query"].oldest_seconds == pytest.approx(360, abs=5)
    assert [state.waiting for state in states.values()] == [1, 1]


def test_a_queue_that_no_worker_ever_served_says_so(given: Story) -> None:
    queued()
    (state,) = job_queries.queue_states(timezone.now())
    assert (state.workers, state.heartbeat_seconds) == (0, None)


def test_a_delivery_that_was_given_up_is_stuck(given: Story) -> None:
    tell([given.cast.sam], "role.granted", "You are a reviewer.", "/")
    notice = Notice.objects.latest("id")
    row = Delivery.objects.create(
        notice=notice, happening=notice.happening, channel="mail", person=given.cast.sam,
        status="given_up", tries=8, due_at=timezone.now(),
    )  # fmt: skip
    assert troubles() == {"delivery.given_up": 1}
    Delivery.objects.filter(pk=row.pk).update(channel="mail")
    assert "to Sam, after 8 tries" in str(stuck.groups(timezone.now()))


# --- Figures ----------------------------------------------------------------------------------------------------------


def decided_after(given: Story, *hours: float) -> None:
    """Have Alice deny a request after each of these times."""
    for time in hours:
        analysis = kit.ask(given)
        decisions.review(analysis, revision=1, vote="deny", reason="No.", by=given.cast.alice)
        begun = analysis.decided_at - timedelta(hours=time)
        AnalysisRequest.objects.filter(pk=analysis.pk).update(submitted_at=begun)


def test_turnaround_is_of_ones_own_datasets_people_and_three_months(given: Story) -> None:
    decided_after(given, 1, 2, 3, 4, 100)
    now, cast = timezone.now(), given.cast
    took = figures.turnaround(cast.alice, now)
    assert (took.number, took.median, took.p90) == (5, pytest.approx(3 * 3600), pytest.approx(100 * 3600))
    for nobody in (cast.rita, cast.sam, cast.ada):
        assert figures.turnaround(nobody, now) == figures.Turnaround(0, None, None)
    assert figures.turnaround(cast.alice, now + figures.PERIOD * 2).number == 0
    AnalysisRequest.objects.update(decided_by=None)  # what a policy decides takes no person's time
    assert figures.turnaround(cast.alice, now).number == 0


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.9, 7), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2), (list(range(1, 11)), 0.9, 9)],
)
def test_a_quantile_is_the_least_value_that_enough_do_not_exceed(
    values: Any, share: float, expected: Any
) -> None:
    assert figures.quantile(values, share) == expected


def test_what_waits_is_counted_by_age(given: Story) -> None:
    now = timezone.now()
    for days in (0, 0, 2, 6, 40):
        analysis = kit.ask(given)
        AnalysisRequest.objects.filter(pk=analysis.pk).update(
            submitted_at=now - timedelta(days=days, hours=1)
        )
    assert [number for _, number in figures.queue_ages(given.cast.alice, now)] == [2, 1, 1, 0, 1]
    assert sum(number for _, number in figures.queue_ages(given.cast.sam, now)) == 0


@pytest.mark.parametrize(("hours", "is_new"), [(-24, True), (-24 * 15, False), (1, False)])
def test_new_answers_are_those_let_out_in_two_weeks_for_ones_own_projects(
    given: Story, hours: int, is_new: bool
) -> None:
    """An answer whose time to be seen has not come is not there yet."""
    now, cast = timezone.now(), given.cast
    analysis = kit.ask(given)
    decisions.review(analysis, revision=1, vote="approve", reason="", by=cast.alice)
    analysis.refresh_from_db()
    charge = analysis.run.charge_key
    Release.objects.create(
        analysis=analysis, charge_id=charge, status="released", released_at=now + timedelta(hours=hours)
    )
    assert figures.new_results(cast.sam, now) == ([analysis] if is_new else [])
    assert figures.new_results(cast.alice, now) == figures.new_results(cast.charlie, now) == []
    given.project.members.update(ended_at=now, ended_by=cast.ada)
    assert figures.new_results(cast.sam, now) == []


def test_states_are_counted_for_oneself_and_for_the_node(given: Story) -> None:
    kit.ask(given)
    kit.ask(given, submit=False)
    assert figures.own_states(given.cast.sam) == [("ready", "Ready", 1), ("in_review", "In review", 1)]
    assert figures.own_states(given.cast.charlie) == []
    assert figures.state_counts() | {"ready": 0, "in_review": 0} == dict.fromkeys(figures.state_counts(), 0)
    assert dict(figures.labels())["in_review"] == "In review"


def test_jobs_are_counted_as_outsiders_see_them(given: Story) -> None:
    """When a job that opened data really ended is nobody's to see before its due time, in a count neither."""
    now = timezone.now()
    moments = {"queued": None, "running": now, "succeeded": now - timedelta(1), "failed": now + timedelta(1)}
    moments |= {"data_open": now + timedelta(1)}
    for status, due in moments.items():
        Job.objects.filter(pk=queued().pk).update(status=status, due_at=due)
    done = Job.objects.filter(pk=queued().pk)
    done.update(status="succeeded", due_at=now + timedelta(minutes=1))
    counts = {state: number for (_, state), number in job_queries.public_counts(now).items()}
    assert counts == {"queued": 1, "running": 4, "finished": 1}
    every = [job_queries.public_status(job, now) for job in Job.objects.all()]
    assert counts == {state: every.count(state) for state in set(every)}
    later = {state: n for (_, state), n in job_queries.public_counts(now + timedelta(minutes=2)).items()}
    assert later == {"queued": 1, "running": 3, "finished": 2}


def _queries(*work: Any) -> list[int]:
    counts = []
    for one in work:
        with CaptureQueriesContext(connection) as caught:
            one()
        counts.append(len(caught))
    return counts


def test_figures_cost_the_same_for_many_requests_as_for_one(given: Story) -> None:
    """And little: rows are copied to a thousand, as asking through the actions would take minutes."""
    kit.ask(given)
    now, sam, alice = timezone.now(), given.cast.sam, given.cast.alice
    work = (
        lambda: figures.turnaround(alice, now),
        lambda: figures.queue_ages(alice, now),
        lambda: figures.own_states(sam),
        lambda: figures.new_results(sam, now),
        figures.state_counts,
        lambda: stuck.counts(now),
        lambda: job_queries.public_counts(now),
        lambda: job_queries.queue_states(now),
    )
    few = _queries(*work)
    row = AnalysisRequest.objects.get()
    copied = {field.attname: getattr(row, field.attname) for field in row._meta.fields if field.name != "id"}
    AnalysisRequest.objects.bulk_create(AnalysisRequest(**copied) for _ in range(1000))
    assert sum(number for _, number in figures.queue_ages(alice, now)) == 1001
    assert _queries(*work) == few
    assert few[:5] == [1, 1, 1, 1, 1]
    assert few[5] == len(stuck.registered()) + 1  # one for each kind, and one for who is alive
