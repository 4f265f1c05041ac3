"""A paused node approves nothing, lets nothing out and runs nothing that costs; resumed, it goes on."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.node import actions, queries
from domains.node.models import Pause
from domains.notices.models import Notice
from domains.projects import actions as projects
from domains.projects.rights import grant_usable
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def test_an_administrator_pauses_and_resumes_with_reasons(given):
    actions.pause(reason="A leak is looked into.", by=given.ada)
    assert queries.is_paused()
    assert queries.current().reason == "A leak is looked into."
    with pytest.raises(InvalidInput) as refused:
        actions.pause(reason="Again.", by=given.ada)
    assert refused.value.code == "node_paused"
    ended = actions.resume(reason="There was none.", by=given.ada)
    assert (ended.resumed_by, ended.resumed_reason) == (given.ada, "There was none.")
    assert not queries.is_paused()
    with pytest.raises(IllegalMove) as refused:
        actions.resume(reason="Again.", by=given.ada)
    assert refused.value.code == "node_not_paused"
    assert [e.event for e in AuditEvent.objects.filter(subject=ended.pk)] == ["node.paused", "node.resumed"]
    assert {n.recipient for n in Notice.objects.filter(event="node.paused")} == {
        given.alice,
        given.rita,
        given.theo,
    }
    assert list(queries.pauses()) == [ended]


@pytest.mark.parametrize("who", ["alice", "rita", "sam", "theo", "charlie"])
def test_nobody_else_does(given, who):
    for action in (actions.pause, actions.resume):
        with pytest.raises(NotAllowed):
            action(reason="Because.", by=getattr(given, who))


def test_a_pause_says_why(given):
    with pytest.raises(InvalidInput):
        actions.pause(reason="  ", by=given.ada)


def test_nothing_is_approved_and_no_grant_is_usable_meanwhile(given):
    project = cast.approved(given, cast.dataset(given))
    grant = cast.granted(project, by=given.ada)
    waiting = cast.proposal(given, grant.dataset)
    projects.submit(waiting, by=given.sam)
    actions.pause(reason="Stop.", by=given.ada)
    assert grant_usable(grant, given.sam, timezone.now()).refusal.code == "node_running"
    with pytest.raises(IllegalMove) as refused:
        projects.review(waiting, version=1, vote="approve", by=given.rita)
    assert refused.value.code == "node_paused"
    actions.resume(reason="Go on.", by=given.ada)
    assert grant_usable(grant, given.sam, timezone.now()).ok
    projects.review(waiting, version=1, vote="approve", by=given.rita)
    assert waiting.status == "approved"


def test_to_refuse_needs_no_running_node(given):
    waiting = cast.proposal(given, cast.dataset(given))
    projects.submit(waiting, by=given.sam)
    actions.pause(reason="Stop.", by=given.ada)
    projects.review(waiting, version=1, vote="deny", reason="No.", by=given.rita)
    assert waiting.status == "rejected"


RAW = {
    "a second one": "INSERT INTO node_pause (id, created_at, reason, paused_by_id, resumed_reason)"
    " SELECT 'x', created_at, reason, paused_by_id, '' FROM node_pause",
    "another reason": "UPDATE node_pause SET reason = 'other'",
    "an end without a reason": "UPDATE node_pause SET resumed_at = created_at, resumed_by_id = paused_by_id",
    "forgotten": "DELETE FROM node_pause",
}


@pytest.mark.parametrize("what", RAW)
def test_the_database_keeps_pauses(given, what):
    actions.pause(reason="Stop.", by=given.ada)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAW[what])
    assert Pause.objects.get().reason == "Stop."
