"""What an evidence pack tells of a project, a file at a time: public fields only, in an order that does not change.

Another room's part of the story is one more entry in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from domains.jobs import queries as jobs
from domains.ledger import extracts
from domains.ledger import queries as books
from domains.projects.models import (
    AccessGrant,
    Amendment,
    Project,
    ProjectReview,
    ProjectVersion,
    SectionReview,
)
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Release, Review, Revision
from domains.requests.specification import ENGINE, digest

Rows = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """Whose pack, and as of when: what is not out by then is in no pack."""

    project: Project
    now: datetime

    @property
    def requests(self) -> QuerySet[AnalysisRequest]:
        return AnalysisRequest.objects.filter(grant__project=self.project)


def time(moment: datetime | None) -> str | None:
    """Write a time as the log does."""
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _project(asked: Asked) -> Rows:
    row = asked.project
    yield {
        "id": row.pk,
        "title": row.title,
        "lay_summary": row.lay_summary,
        "purpose": row.purpose,
        "area": row.area.slug,
        "status": row.status,
        "version": row.version,
        "created_by": row.created_by_id,
        "created_at": time(row.created_at),
        "decided_by": row.decided_by_id,
        "decided_at": time(row.decided_at),
        "valid_until": time(row.valid_until),
    }


def _people(asked: Asked) -> Rows:
    """Name everybody whom the other files name by key, and say who was on the project when."""
    for row in asked.project.members.select_related("user").order_by("pk"):
        yield {
            "id": row.user_id,
            "name": row.user.name,
            "role": row.role,
            "from": time(row.created_at),
            "until": time(row.ended_at),
        }
    members = {row.user_id for row in asked.project.members.all()}
    project = ProjectReview.objects.filter(project=asked.project).select_related("reviewer")
    reviews = Review.objects.filter(revision__analysis__in=asked.requests).select_related("reviewer")
    sections = SectionReview.objects.filter(version__project=asked.project).select_related("reviewer")
    voters = {row.reviewer_id: row.reviewer.name for part in (project, sections, reviews) for row in part}
    for key, name in sorted(voters.items()):
        if key not in members:
            yield {"id": key, "name": name, "role": "voter", "from": None, "until": None}


def _project_votes(asked: Asked) -> Rows:
    for row in ProjectReview.objects.filter(project=asked.project).order_by("pk"):
        yield {
            "project": row.project_id,
            "version": row.version,
            "person": row.reviewer_id,
            "vote": row.vote,
            "reason": row.reason,
            "at": time(row.created_at),
        }


def _versions(asked: Asked) -> Rows:
    """Tell what was handed in, as it was, with its hash; amendments among them say what they amend."""
    for row in ProjectVersion.objects.filter(project=asked.project).select_related("form").order_by("number"):
        yield {
            "number": row.number,
            "form": row.form.number,
            "form_sha256": row.form.sha256,
            "content": row.content,
            "sha256": row.sha256,
            "submitted_by": row.submitted_by_id,
            "at": time(row.created_at),
            "in_force": row.pk == asked.project.in_force_id,
        }


def _section_reviews(asked: Asked) -> Rows:
    rows = SectionReview.objects.filter(version__project=asked.project).select_related("version")
    for row in rows.order_by("version__number", "created_at", "pk"):
        yield {
            "version": row.version.number,
            "section": row.section,
            "person": row.reviewer_id,
            "verdict": row.verdict,
            "note": row.note,
            "at": time(row.created_at),
        }


def _amendments(asked: Asked) -> Rows:
    rows = Amendment.objects.filter(project=asked.project).select_related("base", "frozen")
    for row in rows.exclude(frozen=None).order_by("pk"):
        yield {
            "id": row.pk,
            "amends": row.base.number if row.base else None,
            "version": row.frozen.number if row.frozen else None,
            "status": row.status,
            "reason": row.frozen.content["reason"] if row.frozen else "",
            "decided_by": row.decided_by_id,
            "decided_at": time(row.decided_at),
        }


def _grants(asked: Asked) -> Rows:
    for row in AccessGrant.objects.filter(project=asked.project).select_related("dataset").order_by("pk"):
        yield {
            "id": row.pk,
            "dataset": row.dataset.slug,
            "status": row.status,
            "valid_from": time(row.valid_from),
            "valid_to": time(row.valid_to),
            "granted_by": row.granted_by_id,
            "granted_at": time(row.granted_at),
            "ended_reason": row.ended_reason,
        }


def _requests(asked: Asked) -> Rows:
    rows = asked.requests.select_related("revision").order_by("pk")
    for row in rows.iterator(chunk_size=500):
        yield {
            "id": row.pk,
            "grant": row.grant_id,
            "author": row.author_id,
            "title": row.title,
            "status": row.status,
            "reasons": row.reasons,
            "revision": row.revision.number if row.revision else None,
            "submitted_at": time(row.submitted_at),
            "project_version": row.project_version,
            "decided_by": row.decided_by_id,
            "decided_at": time(row.decided_at),
        }


def _revisions(asked: Asked) -> Rows:
    rows = Revision.objects.filter(analysis__in=asked.requests).select_related("version__dataset", "analysis")
    for row in rows.prefetch_related("version__columns", "version__tables__columns").order_by(
        "analysis", "number"
    ):
        yield {
            "request": row.analysis_id,
            "number": row.number,
            "dataset": row.version.dataset.slug,
            "version": row.version.number,
            "mock_sha256": row.version.mock_sha256,
            "sql": row.sql,
            "epsilon": row.epsilon,
            "accounting": row.accounting,
            **row.loss.to_dict(),
            "plan_sha256": row.plan_sha256,
            "sha256": row.sha256,
            "hashed": _hashed(row),
            "created_by": row.created_by_id,
            "created_at": time(row.created_at),
        }


def _hashed(row: Revision) -> dict[str, Any] | None:
    """Return the very value whose hash was approved, so that anybody hashes it again; None where it cannot be told.

    That is: an engine of an earlier release priced it, or its rows are in place, whose address stays inside.
    """
    version = row.version
    if version.is_in_place:
        return None
    value = {
        "sql": row.sql,
        "grant": row.analysis.grant_id,
        "epsilon": row.epsilon,
        "accounting": row.accounting,
        "plan": row.plan,
        "table": version.table().to_dict(),
        "loss": row.loss.to_dict(),
        "tick": str(version.dataset.tick),
        "declared_rows": version.declared_rows,
        "version": version.pk,
        "engine": ENGINE,
    }
    return value if digest(value) == row.sha256 else None


def _votes(asked: Asked) -> Rows:
    decided = asked.requests.exclude(status=Status.IN_REVIEW)  # votes are blind until they decide
    rows = Review.objects.filter(revision__analysis__in=decided).select_related("revision")
    for row in rows.order_by("pk").iterator(chunk_size=500):
        yield {
            "request": row.revision.analysis_id,
            "revision": row.revision.number,
            "round": row.round,
            "person": row.reviewer_id,
            "vote": row.vote,
            "reason": row.reason,
            "at": time(row.created_at),
        }


def _runs(asked: Asked) -> Rows:
    """Tell of each run what outsiders may know: no exact times, which could betray the data."""
    for row in asked.requests.exclude(job=None).select_related("job").order_by("pk").iterator(chunk_size=500):
        yield {
            "request": row.pk,
            "job": row.run.pk,
            "charge": row.run.charge_id,
            "spec_sha256": row.run.spec_sha256,
            "status": jobs.public_status(row.run, asked.now),
            "due_at": time(row.run.due_at),
        }


def out(asked: Asked) -> QuerySet[Release]:
    """Return the releases whose answers are out, or were until somebody took them back."""
    kinds = [ReleaseStatus.RELEASED, ReleaseStatus.REVOKED]
    rows = Release.objects.filter(analysis__in=asked.requests, status__in=kinds)
    return rows.filter(released_at__lte=asked.now).select_related("analysis__revision").order_by("pk")


def _releases(asked: Asked) -> Rows:
    for row in out(asked).iterator(chunk_size=500):
        yield {
            "id": row.pk,
            "request": row.analysis_id,
            "charge": row.charge_id,
            "sha256": row.sha256,
            "is_repeat": row.is_repeat,
            "status": row.status,
            "released_by": row.released_by_id,
            "released_at": time(row.released_at),
        }


def _ledger(asked: Asked) -> Rows:
    return extracts.entry_lines(AccessGrant.objects.filter(project=asked.project))


Section = Callable[[Asked], Rows]
SECTIONS: dict[str, Section] = {
    "project.jsonl": _project,
    "people.jsonl": _people,
    "project-votes.jsonl": _project_votes,
    "project-versions.jsonl": _versions,
    "section-reviews.jsonl": _section_reviews,
    "amendments.jsonl": _amendments,
    "grants.jsonl": _grants,
    "requests.jsonl": _requests,
    "revisions.jsonl": _revisions,
    "votes.jsonl": _votes,
    "runs.jsonl": _runs,
    "releases.jsonl": _releases,
    "ledger.jsonl": _ledger,
}


def answers(asked: Asked) -> Iterator[tuple[str, bytes]]:
    """Yield each answer that is out, once, by its hash; none that was taken back."""
    seen: set[str] = set()
    for row in out(asked).filter(status=ReleaseStatus.RELEASED).iterator(chunk_size=100):
        payload = None if row.sha256 in seen else books.answer(row.charge_id)
        if payload is not None:
            seen.add(row.sha256)
            yield row.sha256, payload
