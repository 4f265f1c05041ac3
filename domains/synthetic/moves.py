"""Who moves synthetic rows, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, arrows
from domains.people.permissions import Permission
from domains.synthetic.lifecycle import MOCK, MockStatus

_M = MockStatus
_SECOND = frozenset({"proposer"})

MOCK_MOVES = (
    Move(
        "synthetic.actions.confirm",
        "Confirm",
        Permission.SYNTHETIC_CONFIRM,
        arrows(_M.PROPOSED, to=_M.CONFIRMED),
        _SECOND,
        pauses=True,
    ),
    Move(
        "synthetic.actions.decline",
        "Decline",
        Permission.SYNTHETIC_CONFIRM,
        arrows(_M.PROPOSED, to=_M.DECLINED),
        _SECOND,
    ),
    Move(
        "synthetic.actions.withdraw",
        "Withdraw",
        Permission.SYNTHETIC_PROPOSE,
        arrows(_M.PROPOSED, to=_M.WITHDRAWN),
        only="proposer",
    ),
    Move(
        "synthetic.actions.retract",
        "Retract",
        Permission.SYNTHETIC_RETRACT,
        arrows(_M.PUBLISHED, to=_M.RETRACTED),
    ),
    Move("synthetic.measuring.conclude", "Measure", "worker", arrows(_M.CONFIRMED, to=_M.MEASURED)),
    Move("synthetic.measuring.lapse", "Give back", "system", arrows(_M.CONFIRMED, to=_M.LAPSED)),
    Move("synthetic.measuring.fail", "Own up", "system", arrows(_M.CONFIRMED, _M.MEASURED, to=_M.FAILED)),
    Move("synthetic.making.run", "Make the rows", "worker", arrows(_M.MEASURED, to=_M.PUBLISHED)),
)

MACHINES = (Machine("Synthetic mock", "SyntheticMock", _M.PROPOSED, MOCK, MOCK_MOVES),)
