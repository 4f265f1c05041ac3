"""What waits for a person: one registry, one query to count it, and no turn of a person's that nobody sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from domains.notices import tasks
from domains.notices.tasks import Line, Work
from domains.people.models import User
from domains.people.permissions import NODE_ROLES
from portal.manual.states import models
from tests import cast as story

pytestmark = pytest.mark.django_db

# A state in which a person may act and need not: nothing waits there.
NOT_URGENT = {
    "projects.AccessGrant.suspended": "whoever suspended it decides when",
    "projects.Project.suspended": "whoever suspended it decides when",
}


@pytest.fixture
def given() -> story.Cast:
    return story.cast()


def whats(user: User) -> list[tuple[str, str]]:
    return [(task.kind, task.title) for task in tasks.tasks(User.objects.get(pk=user.pk))]


def test_work_follows_from_states_from_hand_to_hand(given: story.Cast) -> None:
    dataset = story.dataset(given)
    project = story.proposal(given, dataset)
    assert whats(given.sam) == [("project.finish", "Costs of care")]
    assert whats(given.rita) == []
    story.projects.submit(project, by=given.sam)
    assert whats(given.sam) == []
    assert whats(given.rita) == [("project.review", "Costs of care")]
    story.projects.review(project, version=project.version, vote="approve", by=given.rita)
    assert (whats(given.rita), whats(given.ada)) == ([], [("grant.allocate", "Costs of care")])
    assert whats(given.charlie) == whats(given.theo) == []


def test_an_owner_is_reminded_of_drafts_and_of_what_is_frozen(given: story.Cast) -> None:
    dataset = story.draft_dataset(given)
    assert whats(given.alice) == [("version.prepare", "Support2")]
    assert whats(given.rita) == []
    story.published(dataset)
    assert whats(given.alice) == []
    story.catalog.freeze(dataset, reason="A look first.", by=given.alice)
    assert whats(given.alice) == [("dataset.unfreeze", "Support2")]


def test_decisions_about_others_come_before_ones_own_work(
    given: story.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_registry", {})
    story.draft_dataset(given)
    people = User.objects.filter(pk=given.sam.pk)
    line = Line("Sam", "", "/", given.sam.created_at)
    tasks.register(
        Work("own", "Own", lambda user: people, lambda row: replace(line, since=None), is_own=True),
        Work("others", lambda row: f"Look at {row.name}", lambda user: people, lambda row: line),
    )
    found = tasks.tasks(given.ada)
    assert [(task.kind, task.what) for task in found] == [("others", "Look at Sam"), ("own", "Own")]
    assert [task.kind for task in tasks.tasks(given.ada, "own")] == ["own"]
    assert sum(tasks.counts(given.ada).values()) == 2


def test_counting_takes_one_query_and_listing_one_for_each_kind(
    given: story.Cast, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        story.projects.submit(story.proposal(given, story.dataset(given, f"set-{number}")), by=given.sam)
    rita = User.objects.get(pk=given.rita.pk)
    assert rita.node_roles
    with django_assert_num_queries(1):
        assert tasks.counts(rita) == {"project.review": 3}
    with django_assert_max_num_queries(len(tasks.registered()) + 8) as few:
        assert len(tasks.tasks(rita)) == 3
    for number in range(3, 6):
        story.projects.submit(story.proposal(given, story.dataset(given, f"set-{number}")), by=given.sam)
    with django_assert_num_queries(len(few)):
        assert len(tasks.tasks(rita)) == 6


def personal(works: Any, one: User, other: User, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the kinds whose text, written for one person, would be wrong for the other or a day later."""
    found = set()
    now = timezone.now()
    later = now + timedelta(days=1)
    for work in works:
        tasks.part_of(work, one, now)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: later)
            if tasks.part_of(work, other, later) != tasks._write(work.waiting(other, later)):
                found.add(work.kind)
    tasks._written.clear()
    return found


def test_what_is_written_once_holds_for_everybody_of_these_roles(
    given: story.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, held in enumerate([(), *((role,) for role in NODE_ROLES)]):
        one, other = (story.person(f"{name}-{number}", *held) for name in ("One", "Other"))
        assert personal(tasks.registered(), one, other, monkeypatch) == set()


def test_work_that_reads_more_of_a_person_or_the_clock_is_found(
    given: story.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line("Sam", "", "/", None)
    planted = [
        Work("mail", "Planted", lambda user: User.objects.filter(email=user.email), lambda row: line),
        Work(
            "clock",
            "Planted",
            lambda user: User.objects.filter(created_at__lt=timezone.now()),
            lambda row: line,
        ),
        Work("sound", "Planted", lambda user: User.objects.filter(pk=user.pk), lambda row: line),
    ]
    one, other = story.person("One"), story.person("Other")
    assert personal(planted, one, other, monkeypatch) == {"mail", "clock"}


def test_no_registered_work_leaves_nothing_to_count(
    given: story.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_registry", {})
    assert (tasks.counts(given.ada), tasks.tasks(given.ada)) == ({}, [])


def human_turns() -> set[str]:
    return {
        f"{model._meta.label}.{status}"
        for model in models()
        for status, state in model.lifecycle.items()
        if state.turn not in (None, "worker")
    }


def test_every_state_that_waits_for_a_person_is_somebodys_task() -> None:
    """Planted: without one entry its states are missed, so a machine that nobody registered is seen."""
    assert human_turns() - tasks.states_covered() == set(NOT_URGENT)
    fewer = [work for work in tasks.registered() if work.kind != "request.decide"]
    assert "requests.AnalysisRequest.in_review" not in tasks.states_covered(fewer)


def test_what_is_covered_exists() -> None:
    assert tasks.states_covered() <= human_turns()
