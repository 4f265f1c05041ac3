"""Separation of duties without its guards: what raw SQL cannot do either. The table is docs/explanation."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.projects.models import AccessGrant
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import Release, Review
from tests.stage import Planted, Stage, ask, run, stage, staged

__all__ = ["stage", "staged"]


def refused(sql: str, *values: Any, why: str) -> None:
    """Assert that the database refuses a statement, and says why."""
    with pytest.raises(DatabaseError, match=why), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


VOTE = """INSERT INTO requests_review (id, created_at, revision_id, round, reviewer_id, vote, reason, role{more})
 VALUES (%s, %s, %s, 1, %s, 'approve', '', 'dataset_owner'{values})"""


@pytest.mark.parametrize(("who", "why"), [("sam", "own request|on a project"), ("max", "on a project")])
def test_the_database_takes_no_vote_of_the_author_or_of_anybody_on_the_project(stage: Stage, who, why):
    analysis = ask(stage)
    extra = {f.column for f in Review._meta.concrete_fields} & {"organisation_id"}
    sql = VOTE.format(more=", organisation_id" if extra else "", values=", NULL" if extra else "")
    refused(sql, "X" * 26, timezone.now(), analysis.revision_id, stage.user(who).pk, why=why)
    assert not Review.objects.exists()


@pytest.mark.parametrize("who", ["max", "alice"])
def test_the_database_lets_no_answer_out_by_a_member_or_by_who_approved_it(stage: Stage, monkeypatch, who):
    def expires() -> None:
        AccessGrant.objects.filter(pk=stage.grant).update(valid_to=timezone.now())

    analysis = run(ask(stage, Status.APPROVED), monkeypatch, Planted(meanwhile=expires))
    row = analysis.releases.get()
    refused(
        "UPDATE requests_release SET status = 'released', released_at = %s, released_by_id = %s WHERE id = %s",
        timezone.now(),
        stage.user(who).pk,
        row.pk,
        why="never lets its answer out",
    )
    assert Release.objects.get(pk=row.pk).status == ReleaseStatus.AWAITING_REVIEW


def test_the_database_allocates_nothing_by_somebody_on_the_project(stage: Stage):
    refused(
        "UPDATE projects_accessgrant SET granted_by_id = %s WHERE id = %s",
        stage.user("max").pk,
        stage.grant,
        why="never allocates its budget",
    )


def test_the_database_counts_one_vote_a_person_and_revision(stage: Stage):
    analysis = ask(stage, Status.APPROVED)
    vote = Review.objects.get(revision=analysis.revision)
    columns = [f.column for f in Review._meta.concrete_fields if f.column != "id"]
    refused(
        f"INSERT INTO requests_review (id, {', '.join(columns)}) SELECT %s, {', '.join(columns)} "
        "FROM requests_review WHERE id = %s",
        "Y" * 26,
        vote.pk,
        why="(?i)unique",
    )
