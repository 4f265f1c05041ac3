"""Approvals that end: the lead is told before, everybody on the project after, each once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.jobs import sweeps
from domains.notices.models import Notice
from domains.projects import reminders
from domains.projects.models import Project, ProjectReminder
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def project(given) -> Project:
    made = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    Project.objects.filter(pk=made.pk).update(status="approved")
    return made


def told(project: Project) -> list[tuple[str, str]]:
    rows = Notice.objects.filter(event=reminders.DUE).select_related("recipient")
    return sorted((row.recipient.name, row.text.split(" ")[0]) for row in rows)


@pytest.mark.parametrize(("left", "days"), [(70, None), (59, 60), (13, 14), (0.5, 1)])
def test_the_lead_is_reminded_of_the_nearest_only_and_once(project, left, days):
    now = timezone.now()
    Project.objects.update(valid_until=now + timedelta(days=left))
    assert reminders.sweep(now) == (days is not None)
    assert reminders.sweep(now) == 0
    assert list(ProjectReminder.objects.values_list("days", flat=True)) == ([days] if days else [])
    assert [name for name, _ in told(project)] == (["Sam"] if days else [])


def test_everybody_is_told_that_it_has_ended_and_a_renewal_is_reminded_of_anew(project):
    now = timezone.now()
    Project.objects.update(valid_until=now - timedelta(hours=1))
    assert reminders.sweep(now) == 1
    assert [name for name, _ in told(project)] == ["Charlie", "Sam"]
    Project.objects.update(valid_until=now + timedelta(days=10))
    assert reminders.sweep(now) == 1


@pytest.mark.parametrize("status", ["draft", "suspended", "closed"])
def test_what_does_not_run_is_not_reminded_of(project, status):
    now = timezone.now()
    Project.objects.update(valid_until=now, status=status)
    assert reminders.sweep(now) == 0


def test_the_dispatcher_sweeps():
    assert reminders.sweep in sweeps._registry


@pytest.mark.parametrize(
    "sql", ["UPDATE projects_projectreminder SET days = 7", "DELETE FROM projects_projectreminder"]
)
def test_a_reminder_stands(project, sql):
    ProjectReminder.objects.create(project=project, valid_until=timezone.now(), days=1)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
