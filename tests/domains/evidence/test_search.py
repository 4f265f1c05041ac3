"""Finding events: every filter alone and with others, pages by key, words over a stretch at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from domains.audit import search
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.audit.search import Filters
from domains.evidence import subjects
from tests.portal.web import kit

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log() -> None:
    """Record 120 events: every third a sign-in by somebody, the others edits of datasets, an hour apart."""
    with transaction.atomic():
        for number in range(120):
            event = Event.PERSON_SIGNED_IN if number % 3 == 0 else Event.DATASET_EDITED
            record(
                event,
                by=f"person-{number % 4}",
                on=f"dataset:d{number % 5}",
                at=DAY + timedelta(hours=number),
                note=f"Näh {number} % _",
            )


def found(**filters: object) -> list[int]:
    return [row.index for row in search.matching(Filters(**filters))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, lambda n: True),
        ({"event": "person.signed_in"}, lambda n: n % 3 == 0),
        ({"event": "dataset."}, lambda n: n % 3 != 0),
        ({"event": "data."}, lambda n: False),
        ({"actors": ["person-1", "person-2"]}, lambda n: n % 4 in (1, 2)),
        ({"actors": []}, lambda n: False),
        ({"subject": "d3"}, lambda n: n % 5 == 3),
        ({"subject_type": "dataset"}, lambda n: True),
        ({"subject_type": "project"}, lambda n: False),
        ({"since": DAY + timedelta(hours=100)}, lambda n: n >= 100),
        ({"until": DAY + timedelta(hours=100)}, lambda n: n < 100),
        ({"text": "näh NOTE"}, lambda n: True),
        ({"text": "näh nowhere"}, lambda n: False),
        ({"text": '117 "note"'}, lambda n: n == 117),
        ({"text": "% _", "subject": "d1"}, lambda n: n % 5 == 1),
        ({"about": ["d1", "d2"], "event": "dataset.edited"}, lambda n: n % 5 in (1, 2) and n % 3),
    ],
)
def test_every_filter_that_is_given_must_match(log, filters, expected):
    assert found(**filters) == [number for number in reversed(range(120)) if expected(number)]


@pytest.mark.parametrize("filters", [{}, {"event": "dataset.edited"}, {"subject": "d2"}, {"text": "näh 1"}])
def test_pages_by_key_show_each_event_once_there_and_back(log, monkeypatch, filters):
    monkeypatch.setattr(search, "PAGE", 7)
    monkeypatch.setattr(search, "STRETCH", 31)
    wanted = Filters(**filters)
    seen, part = [], search.page(wanted)
    assert part.newer is None
    while True:
        seen += [row.index for row in part.rows]
        if part.older is None:
            break
        last, part = part, search.page(wanted, before=part.older)
    assert seen == found(**filters)
    back = search.page(wanted, after=part.newer)
    assert [row.index for row in back.rows][-1:] == [row.index for row in last.rows][-1:] or back.searched_to


def test_events_recorded_meanwhile_move_no_page(log, monkeypatch):
    monkeypatch.setattr(search, "PAGE", 10)
    first = search.page(Filters())
    record(Event.DATASET_EDITED, by="system", on="dataset:x")
    assert [row.index for row in search.page(Filters(), before=first.older).rows] == list(range(109, 99, -1))


def test_a_page_beyond_the_log_is_empty_and_leads_back(log):
    assert search.page(Filters(), before=0).rows == []
    part = search.page(Filters(), after=10**9)
    assert (part.rows, part.newer) == ([], None)


def test_words_are_looked_for_in_one_stretch_at_a_time(log, monkeypatch):
    monkeypatch.setattr(search, "STRETCH", 20)
    part = search.page(Filters(text="nowhere"))
    assert (part.rows, part.older, part.searched_to) == ([], 100, 100)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        search.page(Filters(text="nowhere"), before=60)
    assert len(asked) <= 2
    assert part.older == 100
    assert "40" in asked[-1]["sql"]


def test_each_exact_filter_is_read_off_an_index_and_never_sorted(log):
    if connection.vendor != "sqlite":
        pytest.skip("the planner of PostgreSQL reads a table this small whole")
    for filters in ({"event": "x"}, {"event": "x."}, {"actors": ["a"]}, {"subject": "s"}, {}):
        plan = search.matching(Filters(**filters))[:50].explain()  # type: ignore[arg-type]
        assert "INDEX" in plan, (filters, plan)
        if filters != {"event": "x."}:
            assert "TEMP B-TREE" not in plan, (filters, plan)


def test_the_events_about_a_project_are_those_of_all_that_hangs_on_it(given):
    analysis = kit.ask(given)
    names = {row.event for row in search.matching(Filters(about=subjects.of_project(given.project)))}
    assert names >= {"project.approved", "grant.allocated", "account.opened", "request.submitted"}
    assert not names & {"dataset.created", "person.invited"}
    other = kit.world.proposal(given.cast, given.dataset, title="Another")
    about = search.matching(Filters(about=subjects.of_project(other)))
    assert {row.subject for row in about} == {other.pk}
    assert analysis.pk in {
        row.subject for row in search.matching(Filters(about=subjects.of_dataset(given.dataset)))
    }


@pytest.fixture
def given(db: None) -> kit.Story:
    return kit.story()
