"""Notices: written with the decision, mailed after it, and never in its way."""

from __future__ import annotations

import smtplib
import threading
from datetime import timedelta
from typing import Any, Never

import pytest
from django.core import mail as mailbox
from django.core.mail.backends.locmem import EmailBackend as LocmemBackend
from django.db import transaction
from django.utils import timezone

from domains.jobs import sweeps
from domains.notices import actions, queries, sweep
from domains.notices.models import Notice
from domains.notices.outbox import LONGEST, tell
from domains.people.models import User

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def people(db: None) -> list[User]:
    return [User.objects.create_user(f"{name}@example.org", name=name) for name in ("sam", "rita")]


@pytest.fixture
def mail_works(settings: Any) -> None:
    settings.EMAIL_BACKEND = LOCMEM


def due() -> Any:
    """A moment when everything that failed once may be tried again."""
    return timezone.now() + timedelta(hours=5)


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


def test_mail_holds_the_sentence_and_a_link(people: list[User], mail_works: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://node.example/"
    tell(people[:1], "x", "Your request was approved.", "/requests/1/")
    assert sweep.mail() == 1
    assert mailbox.outbox[0].to == ["sam@example.org"]
    assert mailbox.outbox[0].body == "Your request was approved.\n\nhttps://node.example/requests/1/\n"


def sends_each_once(people: list[User]) -> None:
    tell(people, "x", "Once.", "/")
    stale = list(Notice.objects.filter(mailed_at__isnull=True))  # what a second worker has read already
    sweep.mail()
    for notice in stale:
        if sweep._claim(notice, timezone.now()):
            sweep._send(notice, sweep.get_connection())
    sweep.mail(due())
    assert sorted(message.to[0] for message in mailbox.outbox) == ["rita@example.org", "sam@example.org"]


def test_two_workers_send_each_mail_once(
    people: list[User], mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends_each_once(people)
    mailbox.outbox.clear()
    with monkeypatch.context() as fault:  # planted: a worker that claims nothing
        fault.setattr(sweep, "_claim", lambda notice, now: True)
        with pytest.raises(AssertionError):
            sends_each_once(people)


class Down(LocmemBackend):
    """A mail server that is out of reach."""

    tries = 0

    def send_messages(self, messages: Any) -> Never:
        type(self).tries += 1
        raise ConnectionRefusedError


class Picky(LocmemBackend):
    """A mail server that refuses one address."""

    def send_messages(self, messages: Any) -> int:
        if messages[0].to == ["sam@example.org"]:
            raise smtplib.SMTPRecipientsRefused({})
        return super().send_messages(messages)


def test_a_failing_server_changes_nothing_and_is_tried_again_later(
    people: list[User], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = LOCMEM
    tell(people, "x", "Patience.", "/")
    monkeypatch.setattr(sweep, "get_connection", Down)
    assert sweep.mail() == 0
    assert Down.tries == 1  # the second notice does not wait for a second time-out
    assert queries.unread(people[0]).count() == 1
    monkeypatch.setattr(sweep, "get_connection", LocmemBackend)
    assert sweep.mail() == 1  # the one that was not tried
    assert sweep.mail() == 0  # the other waits for its turn
    assert sweep.mail(timezone.now() + sweep.FIRST_WAIT * 2) == 1
    assert not Notice.objects.filter(mailed_at__isnull=True).exists()


def test_a_refused_address_does_not_hold_up_the_others(
    people: list[User], mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "get_connection", Picky)
    tell(people, "x", "Hello.", "/")
    assert sweep.mail() == 1
    assert [message.to for message in mailbox.outbox] == [["rita@example.org"]]


def test_mail_is_given_up_in_the_end_and_stale_news_is_not_sent(
    people: list[User], mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(people, "x", "Old.", "/")
    Notice.objects.filter(recipient=people[0]).update(mail_tries=sweep.TRIES)
    Notice.objects.filter(recipient=people[1]).update(created_at=timezone.now() - sweep.KEPT * 2)
    assert sweep.mail() == 0
    assert queries.unread(people[0]).count() == 1


def test_without_a_mail_server_nothing_is_read_or_sent(
    people: list[User], settings: Any, django_assert_num_queries: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    tell(people, "x", "Quiet.", "/")
    with django_assert_num_queries(0):
        assert sweep.mail() == 0
        assert sweep.start() is False


def test_the_worker_sweeps_the_mail() -> None:
    assert sweep.start in sweeps._registry


@pytest.mark.django_db(transaction=True)
def test_a_slow_server_runs_beside_the_caller_and_only_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = LOCMEM
    gate, ran = threading.Event(), []

    def slow() -> int:
        gate.wait(10)
        ran.append(1)
        return 0

    monkeypatch.setattr(sweep, "mail", slow)
    assert sweep.start(timezone.now()) is True  # returns while the mail waits
    assert sweep.start() is False
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "notices-mail":
            thread.join(10)
    assert ran == [1]
    assert sweep.start() is True
    for thread in threading.enumerate():
        if thread.name == "notices-mail":
            thread.join(10)
