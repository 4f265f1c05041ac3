"""A disclosure found after a release: the answer is taken back, and who fetched it is kept for the auditor."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove, InvalidInput, NotFound
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.requests.guards import is_separate, require_separate
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import AnalysisRequest, Download, Release


@dataclass(frozen=True)
class Incident:
    """What an auditor needs: the releases that were taken back, and every fetch of their bytes."""

    release: Release
    others: list[Release]
    downloads: list[Download]


@transaction.atomic(durable=True)
def revoke_release(release: Release, *, reason: str, by: User) -> None:
    """Take a released answer back for good, in every request that it was let out to; its loss stays spent."""
    require(by, Permission.RESULT_RELEASE, on=release)
    require_separate(release.analysis, by)
    reason = reason.strip()
    if not reason or len(reason) > 300:
        raise InvalidInput("Say in at most 300 characters what was disclosed.", code="reason_missing")
    same = Release.objects.select_for_update(no_key=True, of=("self",)).filter(charge=release.charge_id)
    rows = list(same.select_related("analysis__grant__project", "analysis__author").order_by("pk"))
    current = next(row for row in rows if row.pk == release.pk)
    if current.status != ReleaseStatus.RELEASED:
        raise IllegalMove(f"This release is {current.state.label.lower()}.")
    now = timezone.now()
    for row in rows:
        if row.status == ReleaseStatus.RELEASED:
            move(row, ReleaseStatus.REVOKED, revoked_at=now, revoked_by=by, revoked_why=reason)
            fetched = Download.objects.filter(release=row).count()
            record(
                Event.RELEASE_REVOKED,
                by=by,
                on=row,
                analysis=row.analysis_id,
                sha256=row.sha256,
                downloads=fetched,
            )
            _tell(row, by)
    release.refresh_from_db()


def _tell(release: Release, by: User) -> None:
    """Tell the project to stop using the answer, and the auditors and owners where the incident is."""
    analysis = release.analysis
    members = [row.user for row in analysis.project.members.filter(ended_at=None).select_related("user")]
    text = f"The answer to “{analysis.title}” was taken back. Delete every copy and do not use its figures."
    tell({analysis.author, *members}, Event.RELEASE_REVOKED, text, f"/requests/{analysis.pk}/")
    auditors = User.objects.filter(memberships__role=Role.AUDITOR, memberships__ended_at=None)
    stewards = analysis.dataset.stewards.filter(ended_at=None).select_related("user")
    people = ({row.user for row in stewards} | set(auditors)) - {by}
    text = f"A released answer from “{analysis.dataset.title}” was taken back after a disclosure."
    tell(people, Event.RELEASE_REVOKED, text, f"/requests/{analysis.pk}/incident/")


def may_look(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether `user` may see who fetched the answer: those who release it, and auditors."""
    return allows(user, Permission.AUDIT_READ) or allows(user, Permission.RESULT_RELEASE, on=analysis)


def may_revoke(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether the button is shown."""
    release = analysis.releases.first()
    if release is None or release.status != ReleaseStatus.RELEASED:
        return False
    return allows(user, Permission.RESULT_RELEASE, on=analysis) and is_separate(analysis, user)


def incident(analysis: AnalysisRequest, *, by: User) -> Incident:
    """Return the newest release with everyone who fetched these bytes, through whichever request."""
    if not may_look(analysis, by):
        require(by, Permission.AUDIT_READ)
    release = analysis.releases.select_related("revoked_by").first()
    if release is None:
        raise NotFound("There is no result yet.", code="no_result")
    others = Release.objects.filter(charge=release.charge_id).exclude(pk=release.pk)
    fetched = Download.objects.filter(release__charge=release.charge_id)
    return Incident(
        release,
        list(others.select_related("analysis")),
        list(fetched.select_related("person", "release__analysis").order_by("created_at", "id")),
    )
