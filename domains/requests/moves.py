"""Who moves a request and its release, from where to where: the tables behind pages, documentation and the walk."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.people.permissions import Permission, Role
from domains.requests.lifecycle import RELEASE, REQUEST, ReleaseStatus, Status

_S, _R = Status, ReleaseStatus
_SEPARATE = frozenset({"project"})

REQUEST_MOVES = (
    Move(
        "requests.actions.edit",
        "Edit",
        Permission.REQUEST_EDIT,
        arrows(_S.DRAFT, _S.CHANGES_REQUESTED) | arrows(_S.READY, to=_S.DRAFT),
    ),
    Move(
        "requests.actions.check",
        "Check",
        Permission.REQUEST_EDIT,
        arrows(_S.DRAFT, to=(_S.DRAFT, _S.READY))
        | arrows(_S.CHANGES_REQUESTED, to=(_S.CHANGES_REQUESTED, _S.READY)),
    ),
    Move("requests.actions.run_on_mock", "Run on the mock", Permission.REQUEST_EDIT, arrows(*_S)),
    Move(
        "requests.actions.submit",
        "Submit",
        Permission.REQUEST_SUBMIT,
        arrows(_S.READY, to=(_S.IN_REVIEW, _S.APPROVED, _S.REFUSED)),
        pauses=True,
    ),
    Move(
        "requests.actions.withdraw",
        "Withdraw",
        Permission.REQUEST_WITHDRAW,
        arrows(_S.DRAFT, _S.READY, _S.IN_REVIEW, _S.CHANGES_REQUESTED, _S.APPROVED, to=_S.WITHDRAWN),
    ),
    Move("requests.actions.comment", "Comment", Permission.REQUEST_COMMENT, arrows(*_S)),
    Move("requests.panel.assign", "Take it", Permission.REQUEST_REVIEW, arrows(_S.IN_REVIEW), _SEPARATE),
    Move(
        "requests.panel.assign",
        "Assign to somebody",
        Permission.DATASET_ASSIGN,
        arrows(_S.IN_REVIEW),
        _SEPARATE,
    ),
    Move("requests.panel.recuse", "Stand aside", Permission.REQUEST_REVIEW, arrows(_S.IN_REVIEW), _SEPARATE),
    Move(
        "requests.decisions.review",
        "Approve",
        Permission.REQUEST_REVIEW,
        arrows(_S.IN_REVIEW, to=(_S.IN_REVIEW, _S.APPROVED)),
        _SEPARATE,
        pauses=True,
    ),
    Move(
        "requests.decisions.review",
        "Request changes",
        Permission.REQUEST_REVIEW,
        arrows(_S.IN_REVIEW, to=_S.CHANGES_REQUESTED),
        _SEPARATE,
    ),
    Move(
        "requests.decisions.review",
        "Deny",
        Permission.REQUEST_REVIEW,
        arrows(_S.IN_REVIEW, to=_S.DENIED),
        _SEPARATE,
    ),
    Move(
        "requests.decisions.undo_approval",
        "Undo the approval",
        Permission.REQUEST_REVIEW,
        arrows(_S.APPROVED, to=_S.IN_REVIEW),
        only="decider",
    ),
    Move(
        "requests.decisions.revoke",
        "Revoke the approval",
        Permission.REQUEST_REVIEW,
        arrows(_S.APPROVED, to=_S.REVOKED),
        _SEPARATE,
    ),
    Move(
        "requests.cuts.cut",
        "Cut its budget",
        Permission.BUDGET_ALLOCATE,
        arrows(_S.APPROVED, to=_S.IN_REVIEW),
        through="a budget",
    ),
    Move(
        "requests.endings.stand_down", "Stand down", "worker", arrows(_S.APPROVED, to=(_S.REVOKED, _S.LAPSED))
    ),
    Move("requests.upkeep.lapse", "Lapse", "system", arrows(_S.APPROVED, to=_S.LAPSED)),
    Move("requests.upkeep.give_back", "Give back", "system", arrows(_S.APPROVED, to=_S.LAPSED)),
)

RELEASE_MOVES = (
    Move(
        "requests.releases.conclude",
        "Conclude",
        "worker",
        arrows(_R.QUARANTINED, to=(_R.RELEASED, _R.AWAITING_REVIEW)),
    ),
    Move(
        "requests.releases.release_held",
        "Release",
        Permission.RESULT_RELEASE,
        arrows(_R.AWAITING_REVIEW, to=_R.RELEASED),
        frozenset({"project", "approver"}),
        pauses=True,
    ),
    Move(
        "requests.releases.reject",
        "Keep back",
        Permission.RESULT_RELEASE,
        arrows(_R.AWAITING_REVIEW, to=_R.REJECTED),
        _SEPARATE,
    ),
    Move(
        "requests.incidents.revoke_release",
        "Take back",
        Permission.RESULT_RELEASE,
        arrows(_R.RELEASED, to=_R.REVOKED),
        _SEPARATE,
    ),
)

# No status field: a rule is what was decided about it.
RULE = {
    "proposed": State(
        "Proposed",
        Role.AREA_REVIEWER,
        frozenset({"in_force", "ended"}),
        "Looser than the one in force, so a second person confirms it.",
    ),
    "in_force": State(
        "In force", None, frozenset({"ended"}), "What an approval needs; a stricter one is in force at once."
    ),
    "ended": State("Ended", None, frozenset(), "Replaced, or dropped before it was confirmed."),
}
RULE_MOVES = (
    Move(
        "requests.rules.confirm_rule",
        "Confirm",
        Permission.POLICY_ACTIVATE,
        arrows("proposed", to="in_force"),
        frozenset({"proposer"}),
        pauses=True,
    ),
    Move(
        "requests.rules.withdraw_rule", "Withdraw", Permission.POLICY_PROPOSE, arrows("proposed", to="ended")
    ),
    Move(
        "requests.rules.set_rule",
        "Set another",
        Permission.POLICY_PROPOSE,
        arrows("proposed", "in_force", to="ended"),
        through="a dataset",
    ),
)

MACHINES = (
    Machine("Approval rule", "ApprovalRule", "proposed", RULE, RULE_MOVES, is_derived=True),
    Machine("Request", "AnalysisRequest", _S.DRAFT, REQUEST, REQUEST_MOVES),
    Machine("Release", "Release", _R.QUARANTINED, RELEASE, RELEASE_MOVES),
)
