"""Break-glass (S7): with a reason, for hours, everybody watching, and only to stop something."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.catalog import actions as catalog
from domains.emergency import actions, queries
from domains.emergency.models import ActKind, EmergencyAccess, EmergencyAct
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.models import Notice
from domains.people import actions as people
from domains.people.permissions import TABLE, Permission, Role
from domains.projects import actions as projects
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def opened(given: cast.Cast, hours: int = 1) -> EmergencyAccess:
    return actions.open_access(reason="A stolen laptop.", hours=hours, by=given.ada)


def signed_in(user) -> str:
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session.create()
    return session.session_key


def test_it_is_opened_with_a_reason_and_everybody_who_watches_is_told(given):
    access = opened(given, hours=2)
    assert access.expires_at - access.created_at == timedelta(hours=2)
    told = {notice.recipient for notice in Notice.objects.filter(event="break_glass.opened")}
    assert told == {given.alice, given.theo}
    assert queries.own_open(given.ada) == access
    with pytest.raises(IllegalMove) as refused:
        opened(given)
    assert refused.value.code == "break_glass_open"
    actions.close_access(access, by=given.ada)
    assert queries.own_open(given.ada) is None
    events = AuditEvent.objects.filter(subject=access.pk).values_list("event", flat=True)
    assert list(events) == ["break_glass.opened", "break_glass.closed"]


@pytest.mark.parametrize("hours", [0, 5])
def test_it_lasts_hours(given, hours):
    with pytest.raises(InvalidInput):
        opened(given, hours=hours)
    with pytest.raises(InvalidInput):
        actions.open_access(reason=" ", hours=1, by=given.ada)


@pytest.mark.parametrize("who", ["alice", "rita", "sam", "theo", "charlie"])
def test_nobody_but_an_administrator_opens_it(given, who):
    with pytest.raises(NotAllowed):
        actions.open_access(reason="Because.", hours=1, by=getattr(given, who))


@pytest.mark.parametrize("who", ["alice", "rita", "sam", "charlie"])
def test_it_is_listed_for_auditors_and_administrators(given, who):
    access = opened(given)
    assert list(queries.accesses(given.theo)) == list(queries.accesses(given.ada)) == [access]
    with pytest.raises(NotAllowed):
        queries.accesses(getattr(given, who))
    with pytest.raises(NotFound):
        queries.access("nothing", given.theo)


def test_a_dataset_is_frozen_until_its_owner_says_otherwise(given):
    dataset, access = cast.dataset(given), opened(given)
    with pytest.raises((NotAllowed, NotFound)):
        catalog.freeze(dataset, reason="Without breaking the glass.", by=given.ada)
    act = actions.freeze_dataset(access, dataset, by=given.ada)
    dataset.refresh_from_db()
    assert (dataset.status, str(act)) == ("frozen", "Dataset frozen: Support2")
    leaf = AuditEvent.objects.get(event="dataset.frozen")
    assert access.pk.encode() in bytes(leaf.body)
    assert Notice.objects.filter(recipient=given.alice, event="break_glass.used").exists()
    assert not queries.datasets(given.ada).exists()
    with pytest.raises((NotAllowed, NotFound)):
        catalog.unfreeze(dataset, reason="Over.", by=given.ada)  # to begin again is not the emergency's
    catalog.unfreeze(dataset, reason="Over.", by=given.alice)


def test_a_project_is_suspended_until_a_reviewer_says_otherwise(given):
    project = cast.approved(given, cast.dataset(given))
    access = opened(given)
    assert list(queries.projects(given.ada)) == [project]
    actions.suspend_project(access, project, by=given.ada)
    project.refresh_from_db()
    assert (project.status, project.suspended_by) == ("suspended", given.ada)
    told = {n.recipient for n in Notice.objects.filter(event="break_glass.used")}
    assert told == {given.alice, given.theo, given.sam, given.rita}
    projects.reinstate(project, reason="Cleared.", by=given.rita)


def test_a_person_is_signed_out_everywhere_and_their_tokens_end(given):
    access = opened(given)
    token, _ = people.create_token(given.sam, "laptop", [Permission.PROJECT_READ], 1, by=given.sam)
    theirs, others = [signed_in(given.sam), signed_in(given.sam)], signed_in(given.charlie)
    assert given.sam in queries.people(given.ada)
    assert given.ada not in queries.people(given.ada)
    actions.sign_out(access, given.sam, by=given.ada)
    token.refresh_from_db()
    assert token.revoked_by == given.ada
    assert not Session.objects.filter(session_key__in=theirs).exists()
    assert Session.objects.filter(session_key=others).exists()
    given.sam.refresh_from_db()
    assert given.sam.is_active
    with pytest.raises(NotAllowed):
        actions.sign_out(access, given.ada, by=given.ada)


def test_nothing_is_done_once_it_has_ended(given, monkeypatch):
    dataset, access = cast.dataset(given), opened(given)
    later = timezone.now() + timedelta(hours=1, minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    for action in (
        lambda: actions.freeze_dataset(access, dataset, by=given.ada),
        lambda: actions.close_access(access, by=given.ada),
    ):
        with pytest.raises(IllegalMove) as refused:
            action()
        assert refused.value.code == "break_glass_over"
    dataset.refresh_from_db()
    assert dataset.status == "published"
    assert not EmergencyAct.objects.exists()


def test_only_whoever_opened_it_uses_it(given):
    access, dataset = opened(given), cast.dataset(given)
    bea = cast.person("Bea", Role.ADMINISTRATOR)
    with pytest.raises(NotAllowed) as refused:
        actions.freeze_dataset(access, dataset, by=bea)
    assert refused.value.code == "not_own_access"


def test_an_administrator_gains_no_right_by_it(given):
    opened(given)
    deciding = {
        Permission.REQUEST_REVIEW,
        Permission.RESULT_RELEASE,
        Permission.PROJECT_REVIEW,
        Permission.DATASET_FREEZE,
    }
    assert not deciding & TABLE[Role.ADMINISTRATOR]
    assert {kind.value for kind in ActKind} == {"freeze_dataset", "suspend_project", "sign_out"}


RAW = {
    "prolonged": "UPDATE emergency_emergencyaccess SET expires_at = '2099-01-01 00:00:00+00:00'",
    "another reason": "UPDATE emergency_emergencyaccess SET reason = 'other'",
    "forgotten": "DELETE FROM emergency_emergencyact",
    "rewritten": "UPDATE emergency_emergencyact SET label = 'other'",
    "too long": "INSERT INTO emergency_emergencyaccess (id, created_at, reason, opened_by_id, expires_at)"
    " SELECT 'x', created_at, reason, opened_by_id, '2099-01-01 00:00:00+00:00' FROM emergency_emergencyaccess",
    "after its end": "INSERT INTO emergency_emergencyact (id, created_at, access_id, kind, subject, label)"
    " SELECT 'x', '2099-01-01 00:00:00+00:00', access_id, kind, subject, label FROM emergency_emergencyact",
}


@pytest.mark.parametrize("what", RAW)
def test_the_database_keeps_emergencies_short_and_on_record(given, what):
    actions.freeze_dataset(opened(given), cast.dataset(given), by=given.ada)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAW[what])
