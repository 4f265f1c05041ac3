"""Who looks at a request: assigning it to one person, and standing aside from it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.requests import escalation, standing
from domains.requests.guards import lock, require_separate
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Recusal


def _require_open(analysis: AnalysisRequest) -> None:
    if analysis.status != Status.IN_REVIEW:
        raise IllegalMove(f"This request is {analysis.state.label.lower()}; there is nothing to decide.")


@transaction.atomic(durable=True)
def assign(analysis: AnalysisRequest, to: User | None, *, by: User) -> None:
    """Ask one of those who may decide to look first, or nobody; owners assign anyone, reviewers themselves.

    The others may still vote: an assignment says whose turn it is, and takes no right away.
    """
    mine = {None, by.pk}
    own = {to and to.pk, analysis.assigned_to_id} <= mine
    require(by, Permission.REQUEST_REVIEW if own else Permission.DATASET_ASSIGN, on=analysis)
    require_separate(analysis, by)
    _require_open(analysis)
    lock(analysis)
    now = standing.fresh(analysis)
    if to is not None and to.pk not in standing.panel(now):
        raise InvalidInput(f"{to.name} may not decide on this request.", code="not_on_panel")
    if now.assigned_to_id != analysis.assigned_to_id:
        raise IllegalMove("Somebody else has just assigned this request; look at it again.", code="stale")
    values = {"assigned_to": to, "assigned_at": to and timezone.now(), "assigned_by": to and by}
    AnalysisRequest.objects.filter(pk=analysis.pk).update(**values)
    for name, value in values.items():
        setattr(analysis, name, value)
    if to is None:
        record(Event.REQUEST_UNASSIGNED, by=by, on=analysis)
        return
    record(Event.REQUEST_ASSIGNED, by=by, on=analysis, to=to.pk)
    text = f"“{analysis.title}” was assigned to you."
    tell({to} - {by}, Event.REQUEST_ASSIGNED, text, f"/requests/{analysis.pk}/decision/")


@transaction.atomic(durable=True)
def recuse(analysis: AnalysisRequest, *, reason: str, by: User) -> None:
    """Stand aside from a request for good: a vote cast before no longer counts, and none can be cast.

    Where those who are left cannot reach a decision, it is escalated at once.
    """
    require(by, Permission.REQUEST_REVIEW, on=analysis)
    require_separate(analysis, by)
    reason = reason.strip()
    if not reason or len(reason) > 300:
        raise InvalidInput("Say in at most 300 characters why you stand aside.", code="reason_missing")
    _require_open(analysis)
    lock(analysis)
    if analysis.recusals.filter(person=by).exists():
        raise IllegalMove("You stand aside from this request already.", code="already_recused")
    Recusal.objects.create(analysis=analysis, person=by, reason=reason)
    if analysis.assigned_to_id == by.pk:
        _unassign(analysis)
    record(Event.REQUEST_RECUSED, by=by, on=analysis)
    escalation.if_unreachable(standing.fresh(analysis))


def _unassign(analysis: AnalysisRequest) -> None:
    AnalysisRequest.objects.filter(pk=analysis.pk).update(
        assigned_to=None, assigned_at=None, assigned_by=None
    )
    analysis.assigned_to = analysis.assigned_at = analysis.assigned_by = None


def hand_on(analysis: AnalysisRequest) -> bool:
    """Take the assignment from somebody who may no longer decide, and tell the owners."""
    with transaction.atomic(durable=True):
        lock(analysis)
        now = standing.fresh(analysis)
        if now.assigned_to_id is None or now.assigned_to_id in standing.panel(now):
            return False
        _unassign(analysis)
        record(Event.REQUEST_UNASSIGNED, by="system", on=analysis)
        text = f"“{analysis.title}” needs another reviewer: the one it was assigned to may no longer decide."
        tell(escalation.owners(now), Event.REQUEST_UNASSIGNED, text, f"/requests/{analysis.pk}/decision/")
    return True


def require_on_panel(analysis: AnalysisRequest, by: User) -> None:
    """Raise for somebody who stood aside."""
    if analysis.recusals.filter(person=by).exists():
        raise NotAllowed("You stand aside from this request, so somebody else must decide.", code="recused")
