"""Cutting a budget below what is reserved: the newest reservations end, and their requests are in review again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import IllegalMove
from domains.jobs import actions as jobs
from domains.ledger import limits, protocol
from domains.ledger import queries as books
from domains.ledger.policy import to_give_back
from domains.notices.outbox import tell
from domains.people.models import User
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Review, Vote
from domains.requests.queries import reviewers_of


@transaction.atomic(durable=True)
def cut(
    account: str, *, epsilon: Decimal, pure_epsilon: Decimal | None = None, reason: str, by: User
) -> list[AnalysisRequest]:
    """Lower an account's limit to ε, ending the newest reservations if need be; return their requests.

    Those requests are IN_REVIEW again with the code `budget_cut`, and their authors and approvers are told. Raises
    IllegalMove "below_spent" where what is committed, or cannot be given back, is more than the new limit.
    """
    row = limits.readable_account(account)
    limits.require_changer(row, by)
    limit, why = limits.limit_of(row, epsilon, pure_epsilon), limits.said(reason)
    if not limit.fits(row.limit):
        raise IllegalMove("A cut raises no part of a limit: propose a larger one instead.", code="two_people")
    if not row.spent.fits(limit):
        raise IllegalMove("This is below what is already spent, which never comes back.", code="below_spent")
    chosen = to_give_back(row.reserved + row.spent, limit, books.reservations(row.pk))
    ended = _end(chosen)
    held = limits.account_of(row.pk)  # from here on nothing is reserved under it until this is over
    limits.apply(held, limit, reason=why, by=by, confirmed_by=None)
    for analysis in ended:
        record(Event.REQUEST_CUT_BACK, by=by, on=analysis, charge=analysis.run.charge_key, reason=why)
        _tell(analysis)
        move(
            analysis,
            Status.IN_REVIEW,
            round=analysis.round + 1,
            job=None,
            decided_at=None,
            decided_by=None,
            status_code="budget_cut",
        )
    _tell_holders(held, epsilon, why, by)
    return ended


def _end(charges: list[str]) -> list[AnalysisRequest]:
    """Stop the runs behind these reservations and give them back: requests first, then charges, accounts, the log."""
    if not charges:
        return []
    rows = AnalysisRequest.objects.filter(job__charge__in=charges, status=Status.APPROVED)
    found = list(
        rows.select_related("job", "author", "revision", "grant__project", "grant__dataset").order_by("id")
    )
    if len(found) != len(charges):
        raise IllegalMove(
            "What is reserved for everybody cannot be cut: retract it first.", code="below_spent"
        )
    for analysis in found:
        lock(analysis)
    for analysis in found:
        if not jobs.cancel(analysis.run, code="budget_cut"):
            raise IllegalMove("A run has just opened the data. Look at the budget again.", code="stale")
    protocol.void_all(charges, reason="budget_cut")
    return found


def _tell(analysis: AnalysisRequest) -> None:
    approvals = Review.objects.filter(
        revision=analysis.revision, round=analysis.round, vote=Vote.APPROVE
    ).select_related("reviewer")
    text = f"The budget behind “{analysis.title}” was cut: its approval ended, and it is in review again."
    tell([analysis.author], Event.REQUEST_CUT_BACK, text, f"/requests/{analysis.pk}/")
    deciders = {row.reviewer for row in approvals} | set(reviewers_of(analysis))
    tell(deciders - {analysis.author}, Event.REQUEST_CUT_BACK, text, f"/requests/{analysis.pk}/decision/")


def _tell_holders(row: Any, epsilon: Decimal, why: str, by: User) -> None:
    """Tell those whose own budget became smaller: a grant's project, or the person."""
    if row.grant is not None:
        members = row.grant.project.members.filter(ended_at=None).select_related("user")
        holders = {member.user for member in members}
    else:
        holders = {row.person} if row.person is not None else set()
    text = f"The budget of {row.label} was cut to ε = {Decimal(epsilon).normalize():f}. {why}"
    tell(holders - {by}, Event.LIMIT_CHANGED, text, f"/budgets/accounts/{row.pk}/")
