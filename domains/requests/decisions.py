"""What people decide about requests, and how a decision is taken back before data is read."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import BudgetExhausted, IllegalMove, InvalidInput
from domains.jobs import actions as jobs
from domains.ledger import protocol as ledger
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.people.queries import organisation_of
from domains.projects.models import Vote
from domains.projects.rights import require_usable
from domains.requests import approval
from domains.requests import standing as votes
from domains.requests.actions import require_revision, respecify
from domains.requests.guards import lock, require_separate
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Review, Revision
from domains.requests.panel import require_on_panel
from domains.requests.policy import Refuse
from domains.requests.queries import verdict_for


def review(
    analysis: AnalysisRequest, *, revision: int, vote: str, reason: str = "", by: User, undo_seconds: int = 0
) -> None:
    """Cast a vote on a revision; enough approvals reserve the loss and queue the run.

    A vote to deny or to request changes needs a reason and decides at once. When the budget no longer
    covers it, the request stays in review marked `insufficient_budget` and the vote is not counted.
    """
    try:
        with transaction.atomic(durable=True):
            _review(analysis, revision, vote, reason.strip(), by, undo_seconds)
    except BudgetExhausted:
        AnalysisRequest.objects.filter(pk=analysis.pk, status=Status.IN_REVIEW).update(
            status_code="insufficient_budget"
        )
        analysis.status_code = "insufficient_budget"
        raise


def _review(
    analysis: AnalysisRequest, number: int, vote: str, reason: str, by: User, undo_seconds: int
) -> None:
    require(by, Permission.REQUEST_REVIEW, on=analysis)
    require_separate(analysis, by)
    require_on_panel(analysis, by)
    if vote not in Vote.values:
        raise InvalidInput("Choose to approve, to request changes or to deny.", code="vote_invalid")
    if vote != Vote.APPROVE and not reason:
        raise InvalidInput("Say why: the author sees your reason.", code="reason_missing")
    if analysis.status != Status.IN_REVIEW:
        raise IllegalMove(f"This request is {analysis.state.label.lower()}; there is nothing to decide.")
    current = require_revision(analysis, number)
    lock(analysis)
    if current.reviews.filter(round=analysis.round, reviewer=by).exists():
        raise IllegalMove("You have already voted on this revision.", code="already_voted")
    seat = votes.panel(votes.fresh(analysis)).get(by.pk)
    Review.objects.create(
        revision=current,
        round=analysis.round,
        reviewer=by,
        vote=vote,
        reason=reason,
        role=seat[1] if seat else Role.DATASET_REVIEWER,
        organisation_id=organisation_of(by),
    )
    _DECIDE[Vote(vote)](analysis, current, reason, by, undo_seconds)


def _approve(analysis: AnalysisRequest, revision: Revision, reason: str, by: User, undo_seconds: int) -> None:
    if votes.standing(votes.fresh(analysis)).is_reached:
        require_usable(analysis.grant, analysis.author)
        specification = respecify(revision)
        if approval.repeat(analysis, specification, decided_by=by):  # its twin was answered meanwhile
            record(Event.REQUEST_VOTED, by=by, on=analysis, revision=revision.number, vote=Vote.APPROVE.value)
            return
        _, verdict = verdict_for(analysis.grant, specification)
        if isinstance(verdict, Refuse):
            why = "The dataset's policy now refuses this: " + " ".join(verdict.reasons)
            raise IllegalMove(why, code="policy_refused")
        approval.approve(analysis, specification, actor=by, undo_seconds=undo_seconds)
    record(Event.REQUEST_VOTED, by=by, on=analysis, revision=revision.number, vote=Vote.APPROVE.value)


def _send_back(analysis: AnalysisRequest, revision: Revision, reason: str, by: User, _undo: int) -> None:
    move(analysis, Status.CHANGES_REQUESTED, reasons=[reason], status_code="")
    record(Event.REQUEST_CHANGES_REQUESTED, by=by, on=analysis, revision=revision.number)
    text = f"Changes are asked for on “{analysis.title}”."
    tell([analysis.author], Event.REQUEST_CHANGES_REQUESTED, text, f"/requests/{analysis.pk}/")


def _deny(analysis: AnalysisRequest, revision: Revision, reason: str, by: User, _undo: int) -> None:
    move(analysis, Status.DENIED, reasons=[reason], status_code="", decided_at=timezone.now(), decided_by=by)
    record(Event.REQUEST_DENIED, by=by, on=analysis, revision=revision.number)
    text = f"“{analysis.title}” was denied."
    tell([analysis.author], Event.REQUEST_DENIED, text, f"/requests/{analysis.pk}/")


_DECIDE = {Vote.APPROVE: _approve, Vote.REQUEST_CHANGES: _send_back, Vote.DENY: _deny}


@transaction.atomic(durable=True)
def undo_approval(analysis: AnalysisRequest, *, by: User) -> None:
    """Take back one's own approval inside the undo window: the reservation is voided and voting starts afresh."""
    require(by, Permission.REQUEST_REVIEW, on=analysis)
    if analysis.status != Status.APPROVED or analysis.decided_by_id != by.pk:
        raise IllegalMove("You can undo only your own approval.")
    job = analysis.job
    if job is None or timezone.now() >= job.not_before or not jobs.cancel(job, code="approval_undone"):
        raise IllegalMove("The undo window is over; the request has gone to a worker.", code="undo_over")
    lock(analysis)
    ledger.void(job.charge_key, reason="approval_undone")
    move(
        analysis,
        Status.IN_REVIEW,
        round=analysis.round + 1,
        job=None,
        decided_at=None,
        decided_by=None,
        status_code="approval_undone",
    )
    record(Event.REQUEST_APPROVAL_UNDONE, by=by, on=analysis, charge=job.charge_key)
    text = f"The approval of “{analysis.title}” was taken back; it is in review again."
    tell([analysis.author], Event.REQUEST_APPROVAL_UNDONE, text, f"/requests/{analysis.pk}/")


@transaction.atomic(durable=True)
def revoke(analysis: AnalysisRequest, *, reason: str, by: User) -> None:
    """Take an approval back for good, as long as no private byte was read; the reservation is voided."""
    require(by, Permission.REQUEST_REVIEW, on=analysis)
    require_separate(analysis, by)
    if not reason.strip():
        raise InvalidInput("Say why: the author sees your reason.", code="reason_missing")
    job = analysis.job
    if analysis.status != Status.APPROVED or job is None or not jobs.cancel(job, code="revoked"):
        raise IllegalMove("Only an approval whose run has not opened the data can be revoked.")
    lock(analysis)
    ledger.void(job.charge_key, reason="revoked")
    move(analysis, Status.REVOKED, reasons=[reason.strip()])
    record(Event.REQUEST_REVOKED, by=by, on=analysis, charge=job.charge_key)
    text = f"The approval of “{analysis.title}” was revoked."
    tell([analysis.author], Event.REQUEST_REVOKED, text, f"/requests/{analysis.pk}/")
