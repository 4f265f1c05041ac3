"""What of budgets waits for a person."""

from __future__ import annotations

from domains.ledger import caps, topups
from domains.ledger.models import LimitProposal, TopUp
from domains.notices.tasks import Line, Work


def _topup(row: TopUp) -> Line:
    about = f"{row.grant.dataset.title}, {row.asked_by.name}"
    return Line(row.grant.project.title, about, f"/budgets/topups/{row.pk}/", row.created_at)


def _cap(row: LimitProposal) -> Line:
    return Line(row.account.label, row.proposed_by.name, f"/budgets/caps/{row.pk}/", row.created_at)


WORK = (
    Work(
        "topup.propose",
        "Answer an ask for a larger budget",
        topups.to_propose,
        _topup,
        covers=frozenset({"ledger.TopUp.asked"}),
    ),
    Work(
        "topup.confirm",
        "Confirm a larger budget",
        topups.to_confirm,
        _topup,
        covers=frozenset({"ledger.TopUp.proposed"}),
    ),
    Work("cap.confirm", "Confirm a higher cap", caps.to_confirm, _cap),
)
