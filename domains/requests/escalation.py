"""A request that stays unanswered, or that nobody is left to decide, goes up; it is never approved by silence."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Steward
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from domains.people.queries import holders
from domains.requests import standing
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, ApprovalRule
from domains.requests.quorum import Terms

LEVELS = ("owners", "area reviewers", "administrators")  # who is told first, second and third
_LOOKED_AT = (*standing.PREFETCHED, "grant__project__members")
MOST = 200  # requests looked at in one sweep


def owners(analysis: AnalysisRequest) -> list[User]:
    """Return the dataset's owners; who is on the project is told of nothing that others decide."""
    rows = analysis.dataset.stewards.filter(role=Role.DATASET_OWNER, ended_at=None).select_related("user")
    return [row.user for row in rows if row.user_id not in analysis.project.member_ids]


def _reviewers(analysis: AnalysisRequest) -> list[User]:
    rows = analysis.dataset.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
    return [row.user for row in rows if row.user_id not in analysis.project.member_ids]


def _administrators(_: AnalysisRequest) -> list[User]:
    return list(holders(Role.ADMINISTRATOR))


_TOLD = (owners, _reviewers, _administrators)


def level_due(submitted_at: datetime, now: datetime, days: int) -> int:
    """Return how far up an unanswered request belongs by now: 0 to 3, a step for each `days`."""
    return min(len(LEVELS), max(0, (now - submitted_at) // timedelta(days=days)))


def overdue(now: datetime) -> QuerySet[AnalysisRequest]:
    """Return the requests in review that belong further up than they are, by each dataset's own rule."""
    active = ApprovalRule.objects.filter(activated_at__isnull=False, ended_at=None)
    due = Q()
    for days in {Terms().days, *active.values_list("days", flat=True).distinct()}:
        ruled = Q(Exists(active.filter(dataset=OuterRef("grant__dataset"), days=days)))
        if days == Terms().days:
            ruled |= Q(~Exists(active.filter(dataset=OuterRef("grant__dataset"))))
        for level in range(len(LEVELS)):
            late = Q(escalation_level=level, submitted_at__lte=now - (level + 1) * timedelta(days=days))
            due |= ruled & late
    return AnalysisRequest.objects.filter(due, status=Status.IN_REVIEW)


def escalate(analysis: AnalysisRequest, now: datetime) -> bool:
    """Take an unanswered request as far up as its age says, and tell those newly concerned, once."""
    with transaction.atomic(durable=True):
        lock(analysis)
        found = standing.fresh(analysis)
        if found.submitted_at is None:
            return False
        level = level_due(found.submitted_at, now, standing.terms_in_force(found.dataset).days)
        return _raise(found, "unanswered", level, "waits for a decision for long.")


def if_unreachable(analysis: AnalysisRequest) -> bool:
    """Take a request that nobody is left to approve all the way up, once; called inside a transaction."""
    if analysis.status != Status.IN_REVIEW or analysis.escalation == "unreachable":
        return False
    if standing.standing(analysis).is_reachable:
        return False
    return _raise(analysis, "unreachable", len(LEVELS), "has too few people left who may decide on it.")


def look(analysis: AnalysisRequest) -> bool:
    """Do the same for a request that a sweep came by."""
    with transaction.atomic(durable=True):
        lock(analysis)
        return if_unreachable(standing.fresh(analysis))


def _raise(analysis: AnalysisRequest, why: str, level: int, text: str) -> bool:
    """Set level and reason unless it is there already; a second sweep finds nothing to do."""
    before = analysis.escalation_level
    if level <= before and why in {"unanswered", analysis.escalation}:
        return False
    rows = AnalysisRequest.objects.filter(pk=analysis.pk, status=Status.IN_REVIEW, escalation_level=before)
    if rows.update(escalation=why, escalation_level=max(level, before)) != 1:
        return False
    told = _TOLD[:level] if why == "unreachable" else _TOLD[before:level]
    people = {person for ask in told for person in ask(analysis)}
    record(Event.REQUEST_ESCALATED, by="system", on=analysis, why=why, level=level)
    # Its title is for those who may read the request; others learn that something of the dataset is stuck.
    text = f"A request on “{analysis.dataset.title}” {text}"
    readers = {person for person in people if allows(person, Permission.REQUEST_REVIEW, on=analysis)}
    tell(readers, Event.REQUEST_ESCALATED, text, f"/requests/{analysis.pk}/decision/")
    tell(people - readers, Event.REQUEST_ESCALATED, text, f"/datasets/{analysis.dataset.slug}/approval/")
    return True


def candidates() -> QuerySet[AnalysisRequest]:
    """Return the requests in review that may have lost those who could decide, the longest waiting first."""
    rows = AnalysisRequest.objects.filter(status=Status.IN_REVIEW).exclude(escalation="unreachable")
    related = rows.select_related("revision", "grant__dataset", "grant__project")
    return related.prefetch_related(*_LOOKED_AT).order_by("submitted_at")


def orphaned() -> QuerySet[AnalysisRequest]:
    """Return the requests in review that are assigned to somebody who looks after the dataset no longer."""
    seats = Steward.objects.filter(
        dataset=OuterRef("grant__dataset"), user=OuterRef("assigned_to"), ended_at=None, user__is_active=True
    )
    rows = AnalysisRequest.objects.filter(status=Status.IN_REVIEW, assigned_to__isnull=False)
    return rows.filter(~Exists(seats))
