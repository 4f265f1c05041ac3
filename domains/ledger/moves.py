"""Who moves a charge, a proposal of a higher cap and a top-up, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.ledger.lifecycle import TOPUP, ChargeState, ProposalStatus, TopUpStatus
from domains.people.permissions import Permission, Role

_C, _L, _T = ChargeState, ProposalStatus, TopUpStatus

CHARGE = {
    _C.RESERVED: State(
        "Reserved",
        "worker",
        frozenset({_C.COMMITTED, _C.VOID}),
        "Set aside under every cap, with the approval.",
    ),
    _C.COMMITTED: State(
        "Committed", "worker", frozenset({_C.BURNT}), "Spent, before the first private byte is read."
    ),
    _C.BURNT: State("Burnt", None, frozenset(), "Spent, and no answer will come."),
    _C.VOID: State("Void", None, frozenset(), "Given back; nothing was read."),
}
CHARGE_MOVES = (
    Move("ledger.protocol.commit", "Commit", "worker", arrows(_C.RESERVED, to=_C.COMMITTED)),
    Move("ledger.protocol.persist", "Store the answer", "worker", arrows(_C.COMMITTED)),
    Move("ledger.protocol.void", "Give back", "worker", arrows(_C.RESERVED, to=_C.VOID)),
    Move("ledger.protocol.void_all", "Give back", "system", arrows(_C.RESERVED, to=_C.VOID)),
    Move("ledger.protocol.burn", "Burn", "worker", arrows(_C.COMMITTED, to=_C.BURNT)),
    Move("ledger.protocol.sweep", "Burn after its lease", "system", arrows(_C.COMMITTED, to=_C.BURNT)),
    Move(
        "ledger.reconciliation.confirm",
        "Reconcile",
        Permission.AUDIT_RECONCILE,
        arrows(_C.RESERVED, to=_C.COMMITTED) | arrows(_C.COMMITTED, to=_C.BURNT),
        frozenset({"proposer"}),
        through="a restored node",
    ),
)

CAP = {
    _L.OPEN: State(
        "Open",
        Role.AREA_REVIEWER,
        frozenset({_L.CONFIRMED, _L.ENDED}),
        "An owner proposed a higher cap; a reviewer of the area is the second person.",
    ),
    _L.CONFIRMED: State("Confirmed", None, frozenset(), "The cap was raised."),
    _L.ENDED: State("Ended", None, frozenset(), "Turned down, or taken back; the cap stays."),
}
CAP_MOVES = (
    Move(
        "ledger.limits.confirm_raise",
        "Confirm",
        Permission.CAP_APPROVE,
        arrows(_L.OPEN, to=_L.CONFIRMED),
        frozenset({"proposer"}),
        pauses=True,
    ),
    Move("ledger.limits.end_proposal", "Decline", Permission.CAP_APPROVE, arrows(_L.OPEN, to=_L.ENDED)),
    Move(
        "ledger.limits.end_proposal",
        "Decline",
        Permission.CAP_PROPOSE,
        arrows(_L.OPEN, to=_L.ENDED),
        only="proposer",
    ),
)

TOPUP_MOVES = (
    Move(
        "ledger.topups.propose",
        "Propose",
        Permission.BUDGET_ALLOCATE,
        arrows(_T.ASKED, to=_T.PROPOSED),
        frozenset({"project"}),
    ),
    Move(
        "ledger.topups.confirm",
        "Confirm",
        Permission.BUDGET_CONFIRM,
        arrows(_T.PROPOSED, to=_T.CONFIRMED),
        frozenset({"project", "asker", "proposer"}),
        pauses=True,
    ),
    Move(
        "ledger.topups.decline",
        "Decline",
        Permission.BUDGET_ALLOCATE,
        arrows(_T.ASKED, to=_T.DECLINED),
        frozenset({"project"}),
    ),
    Move(
        "ledger.topups.decline",
        "Decline",
        Permission.BUDGET_CONFIRM,
        arrows(_T.PROPOSED, to=_T.DECLINED),
        frozenset({"project"}),
    ),
    Move(
        "ledger.topups.withdraw",
        "Withdraw",
        Permission.BUDGET_READ,
        arrows(_T.ASKED, _T.PROPOSED, to=_T.WITHDRAWN),
        only="asker or proposer",
    ),
)

MACHINES = (
    Machine("Charge", "Charge", _C.RESERVED, CHARGE, CHARGE_MOVES),
    Machine("Higher cap", "LimitProposal", _L.OPEN, CAP, CAP_MOVES),
    Machine("Top-up", "TopUp", _T.ASKED, TOPUP, TOPUP_MOVES),
)
