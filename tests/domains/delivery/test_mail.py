"""Mail: after the decision, apart from it, at once or in a digest; sent twice at most by a crash, and never lost."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Never

import pytest
from django.core import mail as mailbox
from django.core.mail.backends.locmem import EmailBackend as LocmemBackend
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains.delivery import mail, policy, preferences, rhythm, routing, sweep, trying
from domains.delivery.models import Delivery, Preference
from domains.errors import InvalidInput, NotAllowed
from domains.jobs import sweeps
from domains.notices import actions, queries
from domains.notices.models import Notice
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Role
from tests.cast import person


def told(users: list[User], event: str = "request.approved", text: str = "Approved.") -> None:
    tell(users, event, text, "/requests/1/")
    routing.route(timezone.now())


def now() -> datetime:
    return timezone.now()


def statuses() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("status", flat=True))


# --- At once ---------------------------------------------------------------------------------------------


def test_mail_holds_the_sentence_and_a_link(sam: User, mail_works: None, settings: Any) -> None:
    settings.PUBLIC_URL = "https://node.example/"
    told([sam])
    assert mail.send(now()) == 1
    assert mailbox.outbox[0].to == ["sam@hospital.example"]
    assert mailbox.outbox[0].body == "Approved.\n\nhttps://node.example/requests/1/\n"
    assert statuses() == ["delivered"]


def sends_each_once(people: list[User]) -> None:
    told(people)
    stale = list(trying.due("mail", now()))  # what a second worker has read already
    mail.send(now())
    for row in stale:
        if trying.claim(row, now()):
            mail._deliver([row], mail.get_connection())
    mail.send(now() + timedelta(hours=5))
    assert sorted(m.to[0] for m in mailbox.outbox) == ["rita@hospital.example", "sam@hospital.example"]


def test_two_workers_send_each_mail_once(
    sam: User, rita: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (sam, rita):
        preferences.choose({("requests", "mail"): "at_once"}, timezone="UTC", hour=7, weekday=0, by=one)
    sends_each_once([sam, rita])
    mailbox.outbox.clear()
    with monkeypatch.context() as fault:  # planted: a worker that claims nothing
        fault.setattr(trying, "claim", lambda row, now: True)
        with pytest.raises(AssertionError):
            sends_each_once([sam, rita])


class Down(LocmemBackend):
    """A mail server that is out of reach."""

    tries = 0

    def send_messages(self, messages: Any) -> Never:
        type(self).tries += 1
        raise ConnectionRefusedError


class Picky(LocmemBackend):
    """A mail server that refuses one address."""

    def send_messages(self, messages: Any) -> int:
        if messages[0].to == ["sam@hospital.example"]:
            raise smtplib.SMTPRecipientsRefused({})
        return super().send_messages(messages)


def test_a_failing_server_changes_nothing_and_is_tried_again_later(
    sam: User, ada: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told([sam, ada], "role.granted")
    monkeypatch.setattr(mail, "get_connection", Down)
    assert mail.send(now()) == 0
    assert Down.tries == 1  # the second notice does not wait for a second time-out
    assert queries.unread(sam).count() == 1
    monkeypatch.setattr(mail, "get_connection", LocmemBackend)
    assert mail.send(now()) == 1  # the one that was not tried
    assert mail.send(now()) == 0  # the other waits for its turn
    assert mail.send(now() + timedelta(seconds=policy.FIRST_WAIT * 1.3)) == 1
    assert statuses() == ["delivered", "delivered"]


def test_a_refused_address_does_not_hold_up_the_others_and_is_given_up_in_the_end(
    sam: User, ada: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "get_connection", Picky)
    told([sam, ada], "role.granted")
    assert mail.send(now()) == 1
    for step in range(1, policy.TRIES["mail"] + 3):
        mail.send(now() + timedelta(hours=6 * step))
    row = Delivery.objects.get(person=sam)
    assert (row.status, row.status_code, row.tries) == ("given_up", "address_refused", policy.TRIES["mail"])


def test_waits_double_up_to_a_longest_and_are_spread() -> None:
    middles = [policy.wait_before(tries, 0.5) for tries in range(1, 12)]
    assert middles[:4] == [60, 120, 240, 480]
    assert max(middles) == policy.LONGEST_WAIT
    assert policy.wait_before(1, 0) == pytest.approx(48)
    assert policy.wait_before(1, 0.999) == pytest.approx(72, abs=0.1)


def test_stale_news_and_closed_accounts_get_no_mail(sam: User, ada: User, mail_works: None) -> None:
    tell([sam], "role.granted", "Old.", "/")
    Notice.objects.update(created_at=now() - routing.KEPT * 2)
    assert routing.route(now()) == 1
    told([sam], "role.granted")
    User.objects.filter(pk=sam.pk).update(is_active=False, deactivated_at=now(), deactivated_by=ada)
    assert mail.send(now()) == 0
    assert [(d.status, d.status_code) for d in Delivery.objects.all()] == [("dropped", "account_closed")]


def test_without_a_mail_server_no_mail_waits(sam: User) -> None:
    told([sam], "role.granted")
    assert not Delivery.objects.exists()
    assert mail.send(now()) == 0


# --- Routing ---------------------------------------------------------------------------------------------


def test_a_notice_is_routed_once_and_a_crash_routes_it_again(
    sam: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell([sam], "role.granted", "You are a reviewer.", "/")
    with monkeypatch.context() as crash:
        crash.setattr(Delivery.objects, "bulk_create", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            routing.route(now())
    assert routing.route(now()) == 1
    Notice.objects.update(routed_at=None)  # as if the note of it had been lost
    assert routing.route(now()) == 1
    assert Delivery.objects.count() == 1


def test_routing_takes_as_many_queries_for_many_as_for_few(
    sam: User, rita: User, ada: User, mail_works: None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert routing.route(now()) == 0
    tell([sam], "role.granted", "One.", "/")
    queries_for_one = _queries(lambda: routing.route(now()))
    for number in range(20):
        tell([sam, rita, ada], "role.granted", f"Number {number}.", "/")
    assert _queries(lambda: routing.route(now())) == queries_for_one
    assert Delivery.objects.count() == 61


def _queries(work: Callable[[], object]) -> int:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        work()
    return len(caught)


# --- Choices ---------------------------------------------------------------------------------------------


def choose(user: User, **modes: str) -> preferences.Settings:
    chosen = {tuple(key.split("_", 1)): mode for key, mode in modes.items()}
    return preferences.choose(chosen, timezone="Europe/Berlin", hour=8, weekday=4, by=user)  # type: ignore[arg-type]


def test_a_role_decides_what_is_quiet_until_its_holder_chooses(
    mail_works: None, sam: User, rita: User
) -> None:
    theo = person("Theo", Role.AUDITOR)
    for user, mode in ((sam, "at_once"), (rita, "daily"), (theo, "weekly")):
        assert preferences.of(user).modes["requests", "mail"] == mode
        assert preferences.of(user).modes["tasks", "mail"] == "at_once"
    choose(theo, requests_mail="off")
    assert preferences.of(theo).modes["requests", "mail"] == "off"
    both = person("Both", Role.SCIENTIST, Role.AUDITOR)
    assert preferences.of(both).modes["requests", "mail"] == "at_once"  # the promptest of one's roles
    assert preferences.of(person("Nobody")).modes["requests", "mail"] == "at_once"


def test_what_is_switched_off_is_not_mailed_and_in_the_inbox_is_no_news(sam: User, mail_works: None) -> None:
    choose(sam, requests_mail="off", requests_inbox="off")
    told([sam])
    assert not Delivery.objects.exists()
    assert (queries.inbox(sam).count(), queries.unread(sam).count()) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "channel", "mode"),
    [
        ("security", "mail", "off"),
        ("security", "mail", "daily"),
        ("security", "inbox", "off"),
        ("tasks", "mail", "off"),
        ("tasks", "inbox", "off"),
        ("requests", "inbox", "daily"),
        ("requests", "mail", "hourly"),
        ("requests", "webhook", "off"),
        ("no-such", "mail", "off"),
    ],
)
def test_security_and_tasks_cannot_be_silenced(sam: User, kind: str, channel: str, mode: str) -> None:
    with pytest.raises(InvalidInput):
        preferences.choose({(kind, channel): mode}, timezone="UTC", hour=7, weekday=0, by=sam)
    assert not Preference.objects.exists()
    if kind != "no-such":  # the database keeps the promise too
        columns = "id, created_at, person_id, kind, channel, mode"
        sql = f"INSERT INTO delivery_preference ({columns}) VALUES (%s, %s, %s, %s, %s, %s)"
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, ["1" * 26, now(), sam.pk, kind, channel, mode])


@pytest.mark.parametrize(
    "times", [("Mars/Olympus", 7, 0), ("../../etc/passwd", 7, 0), ("UTC", 24, 0), ("UTC", 7, 7)]
)
def test_digests_come_at_an_hour_that_exists(sam: User, times: tuple[str, int, int]) -> None:
    zone, hour, weekday = times
    with pytest.raises(InvalidInput):
        preferences.choose({}, timezone=zone, hour=hour, weekday=weekday, by=sam)


@pytest.mark.parametrize("column", ["hour", "weekday"])
def test_the_database_keeps_hours_and_weekdays(sam: User, column: str) -> None:
    choose(sam)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE delivery_rhythm SET {column} = 24")


def test_a_token_without_the_scope_changes_no_settings(sam: User) -> None:
    sam.token_scopes = frozenset()
    with pytest.raises(NotAllowed):
        choose(sam, requests_mail="off")


# --- Digests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "weekday", "expected"),
    [
        ("2026-11-23T05:00", None, "2026-11-23T07:00"),  # 8:00 in Berlin, in winter
        ("2026-11-23T07:00", None, "2026-11-24T07:00"),
        ("2026-07-01T05:00", None, "2026-07-01T06:00"),  # and in summer
        ("2026-10-24T07:00", None, "2026-10-25T07:00"),  # the night when clocks go back
        ("2026-03-28T12:00", None, "2026-03-29T06:00"),  # and forward
        ("2026-11-23T12:00", 4, "2026-11-27T07:00"),
        ("2026-11-27T07:00", 4, "2026-12-04T07:00"),
    ],
)
def test_a_digest_keeps_its_readers_hour(at: str, weekday: int | None, expected: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = rhythm.next_digest(moment, "Europe/Berlin", 8, weekday)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert "Europe/Berlin" in rhythm.timezones()


def test_a_digest_gathers_what_is_new_for_one_person(
    sam: User, rita: User, mail_works: None, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://node.example"
    for user in (sam, rita):
        choose(user, requests_mail="daily")
    for number in range(3):
        tell([sam], "request.approved", f"Number {number}.", f"/requests/{number}/")
    tell([rita], "request.denied", "Denied.", "/requests/9/")
    routing.route(now())
    actions.mark_read([queries.inbox(sam).get(text="Number 1.").pk], by=sam)
    assert mail.send(now()) == 0  # not before its hour
    tomorrow = now() + timedelta(days=1)
    assert mail.send(tomorrow) == 2
    letter = next(m for m in mailbox.outbox if m.to == ["sam@hospital.example"])
    assert letter.subject.endswith("2 notices for you")
    assert "- Number 0.\n  https://node.example/requests/0/\n- Number 2.\n" in letter.body
    assert "Number 1." not in letter.body  # it was read meanwhile
    assert mail.send(tomorrow) == 0
    assert sorted(statuses()) == ["delivered", "delivered", "delivered", "dropped"]


def test_a_long_digest_counts_what_it_does_not_list(
    sam: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "MOST_IN_DIGEST", 1)
    choose(sam, requests_mail="weekly")
    for _ in range(3):
        tell([sam], "request.approved", "Approved.", "/")
    routing.route(now())
    assert mail.send(now() + timedelta(days=8)) == 1
    assert "- and 2 more in your inbox" in mailbox.outbox[0].body


def test_a_crash_sends_a_digest_twice_at_most_and_never_loses_it(
    sam: User, mail_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(sam, requests_mail="daily")
    tell([sam], "request.approved", "Approved.", "/")
    routing.route(now())
    moment = now() + timedelta(days=1)

    def crash(rows: Any, outcome: Any) -> Never:
        raise KeyboardInterrupt

    with monkeypatch.context() as fault:  # after it was sent, before that is noted
        fault.setattr(trying, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            mail.send(moment)
    assert (len(mailbox.outbox), statuses()) == (1, ["waiting"])
    assert mail.send(moment) == 0  # not at once: its next try was set before the first
    assert mail.send(moment + timedelta(minutes=2)) == 1
    assert mail.send(moment + timedelta(days=2)) == 0
    assert (len(mailbox.outbox), statuses()) == (2, ["delivered"])


# --- The sweep -------------------------------------------------------------------------------------------


def test_the_worker_sweeps_and_an_idle_sweep_costs_three_short_queries(
    db: None, django_assert_num_queries: Any
) -> None:
    assert sweep.start in sweeps._registry
    with django_assert_num_queries(3):
        assert sweep.start() == []


def test_a_worker_without_a_way_out_routes_and_leaves_the_sending_to_another(
    sam: User, mail_works: None, settings: Any
) -> None:
    settings.SENDS_NOTICES = False
    tell([sam], "role.granted", "You are a reviewer.", "/")
    assert sweep.start() == []
    assert statuses() == ["waiting"]


@pytest.mark.django_db(transaction=True)
def test_a_slow_server_runs_beside_the_caller_and_only_once(
    mail_works: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sam = person("Sam", Role.SCIENTIST)
    gate, ran = threading.Event(), []

    def slow(now: datetime) -> Never:
        gate.wait(10)
        ran.append(1)
        raise RuntimeError("whatever a mail server does")

    monkeypatch.setattr(mail, "send", slow)
    tell([sam], "role.granted", "You are a reviewer.", "/")
    assert sweep.start(now()) == ["mail"]  # returns while the mail waits
    assert sweep.start() == []
    gate.set()
    _wait()
    assert ran == [1]
    assert "a delivery sweep failed" in caplog.text
    assert sweep.start() == ["mail"]
    _wait()


def _wait() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("delivery-"):
            thread.join(10)
