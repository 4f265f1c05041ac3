"""Notices: written with the decision, found again, and read by whom they are for."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from domains.notices import actions, queries
from domains.notices.kinds import KINDS, kind_of
from domains.notices.models import Notice
from domains.notices.outbox import LONGEST, tell
from domains.people.models import User


@pytest.fixture
def people(db: None) -> list[User]:
    return [User.objects.create_user(f"{name}@example.org", name=name) for name in ("sam", "rita")]


def test_each_active_person_is_told_once(people: list[User]) -> None:
    sam, rita = people
    User.objects.filter(pk=rita.pk).update(is_active=False, deactivated_at=timezone.now(), deactivated_by=sam)
    rita.refresh_from_db()
    tell([sam, rita, sam], "request.approved", "Approved.", "/requests/1/")
    notice = Notice.objects.get()
    assert (notice.recipient, notice.event, notice.path) == (sam, "request.approved", "/requests/1/")


def test_a_decision_that_is_rolled_back_tells_nobody(people: list[User]) -> None:
    with transaction.atomic():
        tell(people, "x", "Decided.", "/")
        transaction.set_rollback(True)
    assert not Notice.objects.exists()


def test_a_long_text_is_cut_to_what_the_row_holds(people: list[User]) -> None:
    tell(people[:1], "x", "é" * 1000, "/")
    assert len(Notice.objects.get().text) == LONGEST
    assert Notice.objects.get().text.endswith("…")


def test_people_read_their_own_notices_only(people: list[User]) -> None:
    sam, rita = people
    tell(people, "x", "One.", "/")
    tell(people, "x", "Two.", "/")
    one = queries.unread(sam).get(text="One.")
    assert actions.mark_read([one.pk], by=rita) == 0
    assert actions.mark_read([one.pk], by=sam) == 1
    assert actions.mark_read([one.pk], by=sam) == 0
    assert [notice.text for notice in queries.unread(sam)] == ["Two."]
    assert actions.mark_read(by=sam) == 1
    assert queries.unread(rita).count() == 2
    assert queries.inbox(sam).count() == 2


def test_all_who_are_told_share_one_happening_and_its_kind(people: list[User]) -> None:
    tell(people, "request.submitted", "One.", "/")
    tell(people[:1], "request.denied", "Two.", "/")
    one, two, three = Notice.objects.order_by("id")
    assert one.happening == two.happening != three.happening
    assert (one.kind, three.kind) == ("tasks", "requests")


def test_what_was_read_can_be_kept_for_later_by_its_reader_alone(people: list[User]) -> None:
    sam, rita = people
    tell([sam], "x", "One.", "/")
    actions.mark_read(by=sam)
    key = queries.inbox(sam).get().pk
    assert actions.mark_unread([key], by=rita) == 0
    assert actions.mark_unread([key], by=sam) == 1
    assert queries.unread(sam).count() == 1


def test_notices_are_found_by_words_kind_and_whether_they_are_new(people: list[User]) -> None:
    sam, _ = people
    tell([sam], "request.approved", "“Costs of care” was approved.", "/")
    tell([sam], "grant.allocated", "A budget for “Costs of care”.", "/")
    tell([sam], "role.granted", "You are a reviewer.", "/")
    actions.mark_read([queries.inbox(sam).get(kind="projects").pk], by=sam)
    assert queries.found(sam, search="care COSTS").count() == 2
    assert [n.event for n in queries.found(sam, kind="security")] == ["role.granted"]
    assert queries.found(sam, search="care", is_unread=True).count() == 1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("password.changed", "security"),
        ("request.submitted", "tasks"),
        ("limit.proposed", "tasks"),
        ("steward.assigned", "data"),
        ("request.approved", "requests"),
        ("result.released", "results"),
        ("synthetic.published", "data"),
        ("something.new", "other"),
        ("x", "other"),
    ],
)
def test_each_event_has_one_kind(event: str, kind: str) -> None:
    assert kind_of(event).key == kind


def test_no_noun_belongs_to_two_kinds() -> None:
    nouns = [noun for kind in KINDS for noun in kind.nouns]
    assert len(nouns) == len(set(nouns))
