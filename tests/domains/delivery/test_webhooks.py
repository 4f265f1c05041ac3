"""Webhooks: signed as Standard Webhooks says, each call a row, tried again, and with nothing private in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.base import new_id
from domains.delivery import actions, calls, outgoing, policy, queries, routing, signing, sweep, trying
from domains.delivery.models import Delivery, Webhook
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.models import Notice
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Role
from tests.cast import person
from tests.domains.delivery.conftest import Receiver

SECRET_TITLE = "“Suicides on ward 7”"


def added(receiver: Receiver, by: User, **words: Any) -> tuple[Webhook, str]:
    return actions.add(receiver.url, by=by, **words)


def told(users: list[User], event: str = "request.approved") -> None:
    tell(users, event, f"{SECRET_TITLE} was approved by Rita.", "/requests/01ABC/")
    routing.route(timezone.now())


def verifies(whsec: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a call as a receiver's own library does, written from the specification alone."""
    key = base64.b64decode(whsec.split("_", 1)[1])
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(mac, wanted) for version, mac in given)


# --- What is sent ----------------------------------------------------------------------------------------


def test_the_specifications_own_example_is_signed_as_it_says() -> None:
    """The test vector of the Standard Webhooks specification."""
    mac = signing.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert mac == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_call_is_signed_and_tells_an_event_ids_and_a_link(
    receiver: Receiver, sam: User, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://node.example"
    _, whsec = added(receiver, sam)
    told([sam])
    assert calls.send(timezone.now()) == 1
    headers, body = receiver.calls[0]
    assert verifies(whsec, headers, body)
    assert not verifies(whsec, headers, body + b" ")
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    said = json.loads(body)
    notice = Notice.objects.get()
    assert headers["webhook-id"] == f"msg_{notice.happening}"
    assert said["type"] == "request.approved"
    assert said["data"] == {
        "id": notice.happening,
        "kind": "requests",
        "path": "/requests/01ABC/",
        "link": "https://node.example/requests/01ABC/",
    }
    for private in ("Suicides", "Rita", "Sam", "hospital"):
        assert private not in body.decode()
    assert Delivery.objects.get().answer_code == 204


def test_a_person_is_told_their_own_and_the_node_once_of_each_happening(
    receiver: Receiver, sam: User, rita: User, ada: User
) -> None:
    added(receiver, sam, about="mine")
    added(receiver, ada, about="all", is_of_node=True)
    told([sam, rita])
    told([rita])
    routing.route(timezone.now())
    found = sorted((d.target.about, d.notice.recipient.name) for d in Delivery.objects.all())
    assert [name for name, _ in found] == ["all", "all", "mine"]
    assert ("mine", "Sam") in found


def test_a_webhook_is_told_the_kinds_that_it_asked_for(receiver: Receiver, sam: User) -> None:
    added(receiver, sam, kinds=["results"])
    told([sam])
    assert not Delivery.objects.exists()
    told([sam], "result.released")
    assert Delivery.objects.count() == 1


def test_two_secrets_sign_while_one_is_rotated_and_then_the_new_one_alone(
    receiver: Receiver, sam: User
) -> None:
    webhook, old = added(receiver, sam)
    new = actions.rotate(webhook, by=sam)
    assert new != old
    told([sam])
    calls.send(timezone.now())
    assert verifies(old, *receiver.calls[0])
    assert verifies(new, *receiver.calls[0])
    headers = signing.headers(webhook, "msg_1", b"{}", timezone.now() + actions.OVERLAP * 2)
    assert not verifies(old, headers, b"{}")
    assert verifies(new, headers, b"{}")


def test_no_secret_is_in_the_database_or_the_log(receiver: Receiver, sam: User) -> None:
    webhook, whsec = added(receiver, sam)
    kept = f"{list(Webhook.objects.values())} {[bytes(row.body) for row in AuditEvent.objects.all()]}"
    raw = base64.b64decode(whsec.removeprefix("whsec_"))
    assert len(raw) == 32
    for text in (whsec, whsec.removeprefix("whsec_"), raw.hex()):
        assert text not in kept
    assert signing.secret(webhook.salt) == whsec  # any process with the key file can sign
    assert receiver.url not in str([bytes(row.body) for row in AuditEvent.objects.all()])


# --- When it fails ---------------------------------------------------------------------------------------


def test_a_refused_call_is_tried_again_with_growing_waits_and_given_up(
    receiver: Receiver, sam: User, later: Callable[..., datetime]
) -> None:
    added(receiver, sam)
    told([sam])
    receiver.answers = [(500, {})] * 20
    assert calls.send(timezone.now()) == 0
    row = Delivery.objects.get()
    assert (row.status, row.status_code, row.answer_code, row.tries) == ("waiting", "refused", 500, 1)
    assert 40 < (row.due_at - timezone.now()).total_seconds() < 75
    assert calls.send(timezone.now()) == 0
    assert len(receiver.calls) == 1
    for step in range(1, 20):
        calls.send(later(hours=9 * step))
    row.refresh_from_db()
    assert (row.status, row.tries, len(receiver.calls)) == ("given_up", 13, 13)
    assert {headers["webhook-id"] for headers, _ in receiver.calls} == {f"msg_{row.happening}"}
    assert list(queries.given_up()) == [row]


def test_a_failing_receiver_holds_up_its_own_calls_only(receiver: Receiver, sam: User, ada: User) -> None:
    added(receiver, sam)
    fine, _ = actions.add(receiver.url + "/fine", is_of_node=True, by=ada)
    for _ in range(3):
        told([sam])
    receiver.answers = [(503, {})]
    assert calls.send(timezone.now()) == 3
    assert Delivery.objects.filter(webhook=fine, status="delivered").count() == 3
    assert Delivery.objects.filter(tries=0).count() == 2  # not asked three times in a row


def test_a_receiver_that_is_gone_is_paused_and_its_owner_told(receiver: Receiver, sam: User) -> None:
    webhook, _ = added(receiver, sam)
    told([sam])
    receiver.answers = [(410, {})]
    calls.send(timezone.now())
    webhook.refresh_from_db()
    assert (webhook.status, webhook.status_code) == ("paused", "gone")
    assert Delivery.objects.get().status == "given_up"
    assert Notice.objects.filter(recipient=sam, event="webhook.paused").count() == 1
    calls._pause(Webhook.objects.get())  # once is enough
    assert Notice.objects.filter(event="webhook.paused").count() == 1


def test_what_a_paused_or_removed_webhook_was_to_be_told_is_dropped(
    receiver: Receiver, sam: User, ada: User
) -> None:
    (paused, _), (removed, _), (closed, _) = (added(receiver, by) for by in (sam, sam, ada))
    told([sam, ada])
    actions.pause(paused, by=sam)
    actions.remove(removed, by=sam)
    User.objects.filter(pk=ada.pk).update(is_active=False, deactivated_at=timezone.now(), deactivated_by=sam)
    assert calls.send(timezone.now()) == 0
    codes = dict(Delivery.objects.values_list("webhook", "status_code"))
    assert codes == {paused.pk: "webhook_paused", removed.pk: "webhook_ended", closed.pk: "webhook_ended"}
    assert receiver.calls == []


def test_two_workers_make_each_call_once(receiver: Receiver, sam: User) -> None:
    added(receiver, sam)
    told([sam])
    stale = list(trying.due("webhook", timezone.now()))
    calls.send(timezone.now())
    assert calls._to_one(stale, timezone.now()) == 0
    trying.settle(stale, policy.Outcome("late"))  # a worker whose claim had run out changes no outcome
    trying.drop(stale[0], "late")
    assert len(receiver.calls) == 1
    assert Delivery.objects.get().status == "delivered"


def test_a_failing_webhook_changes_no_decision(
    receiver: Receiver, sam: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(receiver, sam)
    monkeypatch.setattr(outgoing, "post", lambda *args: 1 / 0)
    with transaction.atomic():
        told([sam])  # what a decision does
    assert Notice.objects.count() == 1
    with pytest.raises(ZeroDivisionError):
        calls.send(timezone.now())
    assert Delivery.objects.get().tries == 1  # and it is tried again


@pytest.mark.django_db(transaction=True)
def test_several_receivers_are_called_side_by_side_beside_the_sweep(receiver: Receiver) -> None:
    sam = person("Sam", Role.SCIENTIST)
    for _ in range(3):
        added(receiver, sam)
    tell([sam], "request.approved", "Approved.", "/")
    assert sweep.start() == ["webhook"]
    for thread in threading.enumerate():
        if thread.name == "delivery-webhook":
            thread.join(10)
    assert len(receiver.calls) == 3
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered"}


# --- Who may ---------------------------------------------------------------------------------------------


def test_nobody_manages_anothers_webhook_and_operators_alone_the_nodes(
    receiver: Receiver, sam: User, rita: User, ada: User
) -> None:
    own, _ = added(receiver, sam)
    of_node, _ = added(receiver, ada, is_of_node=True)
    with pytest.raises(NotAllowed):
        added(receiver, sam, is_of_node=True)
    for user, reached in ((sam, {own}), (rita, set()), (ada, {of_node})):
        assert set(queries.webhooks(user)) == reached
    for key in (own.pk, "no-such"):
        with pytest.raises(NotFound):
            queries.webhook(key, ada)
    for act in (actions.pause, actions.rotate, actions.remove, actions.send_test):
        with pytest.raises(IllegalMove):
            act(own, by=rita)  # type: ignore[operator]
        with pytest.raises(NotAllowed):
            act(of_node, by=sam)  # type: ignore[operator]
    with pytest.raises(NotAllowed):
        queries.deliveries(sam)


def test_a_webhook_lives_from_adding_to_removal_and_the_log_says_so(receiver: Receiver, sam: User) -> None:
    webhook, _ = added(receiver, sam)
    actions.pause(webhook, by=sam)
    with pytest.raises(IllegalMove, match="active"):
        actions.send_test(webhook, by=sam)
    actions.resume(webhook, by=sam)
    actions.rotate(webhook, by=sam)
    actions.remove(webhook, by=sam)
    for act in (actions.rotate, actions.resume, actions.remove):
        with pytest.raises(IllegalMove):
            act(webhook, by=sam)  # type: ignore[operator]
    events = list(AuditEvent.objects.order_by("index").values_list("event", flat=True))
    verbs = ["added", "paused", "resumed", "rotated", "removed"]
    assert [event for event in events if event.startswith("webhook.")] == [
        f"webhook.{verb}" for verb in verbs
    ]
    assert list(queries.webhooks(sam)) == []


def test_two_who_rotate_at_once_get_one_new_secret(receiver: Receiver, sam: User) -> None:
    webhook, _ = added(receiver, sam)
    stale = Webhook.objects.get()
    actions.rotate(webhook, by=sam)
    with pytest.raises(IllegalMove, match="changed"):
        actions.rotate(stale, by=sam)


def test_a_webhook_has_a_public_address_known_kinds_and_few_siblings(receiver: Receiver, sam: User) -> None:
    with pytest.raises(InvalidInput):
        actions.add("https://10.0.0.1/", by=sam)
    with pytest.raises(InvalidInput):
        added(receiver, sam, kinds=["no-such"])
    for _ in range(actions.MOST):
        added(receiver, sam)
    with pytest.raises(IllegalMove, match="remove one"):
        added(receiver, sam)


def test_a_test_is_told_like_everything_else(receiver: Receiver, sam: User) -> None:
    webhook, whsec = added(receiver, sam, kinds=["results"])
    actions.send_test(webhook, by=sam)
    assert calls.send(timezone.now()) == 1
    headers, body = receiver.calls[0]
    assert verifies(whsec, headers, body)
    assert json.loads(body)["type"] == "webhook.tested"


# --- Sent again ------------------------------------------------------------------------------------------


def test_an_ended_delivery_is_sent_again_as_a_row_of_its_own(
    receiver: Receiver, sam: User, rita: User, ada: User
) -> None:
    added(receiver, sam)
    told([sam])
    row = Delivery.objects.get()
    with pytest.raises(IllegalMove, match="still"):
        actions.redeliver(row, by=sam)
    receiver.answers = [(410, {})]
    calls.send(timezone.now())
    row.refresh_from_db()
    for user in (rita, person("Charlie", Role.SCIENTIST)):
        with pytest.raises(NotFound):
            queries.delivery(row.pk, user)
    assert queries.delivery(row.pk, sam) == queries.delivery(row.pk, ada) == row
    again = actions.redeliver(row, by=sam)
    with pytest.raises(IllegalMove, match="already"):
        actions.redeliver(row, by=sam)
    assert calls.send(timezone.now()) == 1  # by hand also to a paused one
    again.refresh_from_db()
    assert (again.status, again.repeats, again.happening) == ("delivered", row, row.happening)
    assert not queries.given_up().exists()
    assert receiver.calls[0][0]["webhook-id"] == receiver.calls[1][0]["webhook-id"]


def test_an_operator_sends_anybodys_again_and_others_nobody_elses(
    receiver: Receiver, sam: User, rita: User, ada: User
) -> None:
    added(receiver, sam)
    told([sam])
    calls.send(timezone.now())
    row = Delivery.objects.get()
    with pytest.raises(NotAllowed):
        actions.redeliver(row, by=rita)
    assert actions.redeliver(row, by=ada).webhook == row.webhook


def test_a_mail_is_sent_again_by_operators_alone(sam: User, ada: User, mail_works: None) -> None:
    told([sam], "role.granted")
    Delivery.objects.update(status="given_up")
    row = Delivery.objects.get()
    with pytest.raises(NotAllowed):
        actions.redeliver(row, by=sam)
    assert actions.redeliver(row, by=ada).reader == sam
    assert queries.deliveries(ada, status="given_up", channel="mail").get() == row
    with pytest.raises(IllegalMove):
        row.target  # noqa: B018 - reading it is the test


def test_nothing_is_sent_again_to_a_removed_webhook(receiver: Receiver, sam: User) -> None:
    webhook, _ = added(receiver, sam)
    told([sam])
    calls.send(timezone.now())
    actions.remove(webhook, by=sam)
    with pytest.raises(IllegalMove, match="removed"):
        actions.redeliver(Delivery.objects.get(), by=sam)
    with pytest.raises(IllegalMove):
        Delivery.objects.get().reader  # noqa: B018 - reading it is the test


# --- What the database keeps -----------------------------------------------------------------------------

BROKEN = {
    "a delivery in no known state": "UPDATE delivery_delivery SET status = 'flown'",
    "a call without a webhook": "UPDATE delivery_delivery SET webhook_id = NULL",
    "a call that is a digest": "UPDATE delivery_delivery SET is_digest = true",
    "a mail to nobody": "UPDATE delivery_delivery SET channel = 'mail', webhook_id = NULL",
    "a webhook in no known state": "UPDATE delivery_webhook SET status = 'asleep'",
    "a webhook that ended at no time": "UPDATE delivery_webhook SET status = 'ended'",
    "a webhook that somebody ended at no time": "UPDATE delivery_webhook SET ended_by_id = created_by_id",
    "somebody's webhook made by another": "UPDATE delivery_webhook SET owner_id = '{rita}'",
    "an old secret for ever": "UPDATE delivery_webhook SET old_salt = 'x'",
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_database_refuses(receiver: Receiver, sam: User, rita: User, what: str) -> None:
    added(receiver, sam)
    told([sam])
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BROKEN[what].format(rita=rita.pk))


def test_the_database_refuses_a_second_delivery_of_one_happening(
    receiver: Receiver, sam: User, mail_works: None
) -> None:
    added(receiver, sam)
    told([sam], "role.granted")
    for row in Delivery.objects.all():
        row.pk, row._state.adding = new_id(), True
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)
    assert str(Delivery.objects.first()).startswith("role.granted by")
    assert "127.0.0.1" in str(Webhook.objects.get())


def test_waits_of_a_webhook_last_more_than_a_day_in_all() -> None:
    waits = [policy.wait_before(tries, 0.5) for tries in range(1, policy.TRIES["webhook"])]
    assert timedelta(hours=24) < timedelta(seconds=sum(waits)) < timedelta(days=2)
