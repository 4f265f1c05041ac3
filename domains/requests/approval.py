"""Approval as one step for people, policies and repeats: reserve, queue, move, record. Called inside a transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import BudgetExhausted
from domains.jobs import actions as jobs
from domains.jobs.models import JobKind
from domains.ledger import accounts, protocol
from domains.ledger import queries as books
from domains.notices.outbox import tell
from domains.people.models import User
from domains.requests import releases, verdicts
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from domains.requests.specification import Specification, digest
from privacy.loss import Loss


def require_fits(analysis: AnalysisRequest, loss: Loss) -> None:
    """Raise BudgetExhausted unless every cap has room now; the reservation itself decides later."""
    for effect in books.effect(analysis.grant, analysis.author, loss):
        if not effect.fits:
            raise BudgetExhausted(books.EXHAUSTED)


def approve(
    analysis: AnalysisRequest,
    specification: Specification,
    *,
    actor: User | str,
    undo_seconds: int,
    **changes: Any,
) -> None:
    """Reserve the loss, queue the job and move to APPROVED; BudgetExhausted changes nothing."""
    lock(analysis)
    revision, now = analysis.current, timezone.now()
    charge = _reserve(analysis, specification)
    bound = bound_spec(specification, revision.sha256, changes.get("policy_id") or analysis.policy_id)
    job = jobs.queue(
        JobKind.QUERY,
        subject=analysis.pk,
        spec=bound,
        planned_seconds=specification.deadline_seconds + settings.DEADLINE_SLACK,
        charge_id=charge,
        not_before=now + timedelta(seconds=undo_seconds),
        valid_until=now + timedelta(days=settings.APPROVAL_VALID_DAYS),
    )
    person = actor if isinstance(actor, User) else None
    move(analysis, Status.APPROVED, job=job, decided_at=now, decided_by=person, status_code="", **changes)
    details: dict[str, Any] = {"revision": revision.number, "sha256": revision.sha256, "charge": charge}
    details["policy"] = bound["policy"]
    details |= specification.loss.to_dict()
    record(Event.REQUEST_APPROVED, by=actor, on=analysis, **details)
    text = f"“{analysis.title}” was approved and will run."
    tell([analysis.author], Event.REQUEST_APPROVED, text, f"/requests/{analysis.pk}/")


def bound_spec(specification: Specification, revision: str, policy_id: str | None) -> dict[str, Any]:
    """Return what an approval binds: all that would run, the revision's hash, and the policy that was asked."""
    bound = {"revision_sha256": revision, "policy": verdicts.binding(policy_id)}
    return specification.job_spec() | bound


def _reserve(analysis: AnalysisRequest, specification: Specification) -> str:
    """Set the loss aside under every cap and return the charge; a new round of voting makes a new charge."""
    revision = analysis.current
    return protocol.reserve(
        idem=digest({"analysis": analysis.pk, "revision": revision.sha256, "round": analysis.round}),
        repeat_key=specification.repeat_key(),
        accounts=[account.pk for account in accounts.for_charge(analysis.grant, analysis.author)],
        grant=analysis.grant,
        person=analysis.author,
        loss=specification.loss,
        certificate={
            "revision": revision.sha256,
            "plan": specification.plan.sha256(),
            "pricing": revision.pricing,
        },
    )


def repeat(analysis: AnalysisRequest, specification: Specification, **changes: Any) -> bool:
    """Answer with the stored bytes, at no charge, a question that this grant has paid for and seen released.

    The caller has asked whether the grant may be used now; the repeat key holds the grant, so nothing outside it
    is ever looked at.
    """
    earlier = releases.repeatable(specification.repeat_key())
    if earlier is None:
        return False
    reasons = [
        "This question was answered before within this grant; the stored answer is returned at no cost."
    ]
    changes = {"decided_at": timezone.now(), "status_code": "repeat", "reasons": reasons} | changes
    move(analysis, Status.APPROVED, **changes)
    record(Event.REQUEST_REPEATED, by="system", on=analysis, charge=earlier.charge_id, sha256=earlier.sha256)
    releases.release_repeat(analysis, earlier)
    return True
