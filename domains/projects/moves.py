"""Who moves a project and its access grants, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, arrows
from domains.people.permissions import Permission
from domains.projects.lifecycle import AMENDMENT, GRANT, PROJECT, AmendmentStatus, GrantStatus, ProjectStatus

_P, _G, _A = ProjectStatus, GrantStatus, AmendmentStatus
_SEPARATE = frozenset({"project"})
_WRITTEN = arrows(_P.DRAFT, _P.CHANGES_REQUESTED)

PROJECT_MOVES = (
    Move("projects.actions.edit", "Edit", Permission.PROJECT_EDIT, _WRITTEN),
    Move("projects.application.answer", "Answer", Permission.PROJECT_EDIT, _WRITTEN),
    Move("projects.membership.add_member", "Add a person", Permission.PROJECT_EDIT, _WRITTEN),
    Move(
        "projects.membership.add_member",
        "Add a person",
        Permission.PROJECT_REVIEW,
        arrows(_P.APPROVED),
        _SEPARATE,
    ),
    Move("projects.membership.end_member", "Take a person off", Permission.PROJECT_EDIT, arrows(*_P)),
    Move(
        "projects.actions.submit",
        "Hand in",
        Permission.PROJECT_EDIT,
        arrows(_P.DRAFT, _P.CHANGES_REQUESTED, to=_P.IN_REVIEW),
    ),
    Move(
        "projects.actions.withdraw",
        "Withdraw",
        Permission.PROJECT_EDIT,
        arrows(_P.DRAFT, _P.IN_REVIEW, _P.CHANGES_REQUESTED, to=_P.WITHDRAWN),
    ),
    Move(
        "projects.sections.review_section",
        "Review a section",
        Permission.PROJECT_REVIEW,
        arrows(_P.IN_REVIEW),
        _SEPARATE,
    ),
    Move(
        "projects.actions.review",
        "Approve",
        Permission.PROJECT_REVIEW,
        arrows(_P.IN_REVIEW, to=_P.APPROVED),
        _SEPARATE,
        pauses=True,
    ),
    Move(
        "projects.actions.review",
        "Request changes",
        Permission.PROJECT_REVIEW,
        arrows(_P.IN_REVIEW, to=_P.CHANGES_REQUESTED),
        _SEPARATE,
    ),
    Move(
        "projects.actions.review",
        "Reject",
        Permission.PROJECT_REVIEW,
        arrows(_P.IN_REVIEW, to=_P.REJECTED),
        _SEPARATE,
    ),
    Move(
        "projects.actions.suspend",
        "Suspend",
        Permission.PROJECT_SUSPEND,
        arrows(_P.APPROVED, to=_P.SUSPENDED),
    ),
    Move(
        "emergency.actions.suspend_project",
        "Suspend",
        Permission.BREAK_GLASS_OPEN,
        arrows(_P.APPROVED, to=_P.SUSPENDED),
        through="an emergency access",
    ),
    Move(
        "projects.actions.reinstate",
        "Reinstate",
        Permission.PROJECT_SUSPEND,
        arrows(_P.SUSPENDED, to=_P.APPROVED),
        frozenset({"project", "suspender"}),
    ),
    Move(
        "projects.actions.close",
        "Close",
        Permission.PROJECT_CLOSE,
        arrows(_P.APPROVED, _P.SUSPENDED, to=_P.CLOSED),
    ),
    Move("projects.amendments.begin", "Begin an amendment", Permission.PROJECT_EDIT, arrows(_P.APPROVED)),
    Move("projects.amendments.renew", "Ask to renew", Permission.PROJECT_EDIT, arrows(_P.APPROVED)),
)

_LIVE = arrows(_G.GRANTED, _G.SUSPENDED)
_PROJECT = "its project"

GRANT_MOVES = (
    Move(
        "ledger.actions.allocate",
        "Allocate a budget",
        Permission.BUDGET_ALLOCATE,
        arrows(_G.REQUESTED, to=_G.GRANTED),
        _SEPARATE,
        pauses=True,
    ),
    Move(
        "projects.grants.revoke_grant",
        "Deny or revoke",
        Permission.GRANT_REVOKE,
        arrows(_G.REQUESTED, to=_G.DENIED) | arrows(_G.GRANTED, _G.SUSPENDED, to=_G.REVOKED),
    ),
    Move(
        "projects.grants.suspend_grant",
        "Suspend",
        Permission.GRANT_REVOKE,
        arrows(_G.GRANTED, to=_G.SUSPENDED),
    ),
    Move(
        "projects.grants.reinstate_grant",
        "Reinstate",
        Permission.GRANT_REVOKE,
        arrows(_G.SUSPENDED, to=_G.GRANTED),
        _SEPARATE,
    ),
    Move("ledger.topups.ask", "Ask for a larger budget", Permission.BUDGET_ASK, _LIVE),
    Move(
        "ledger.topups.propose_unasked",
        "Propose a larger budget",
        Permission.BUDGET_ALLOCATE,
        _LIVE,
        _SEPARATE,
    ),
    Move("requests.actions.draft", "Write a request", Permission.REQUEST_CREATE, arrows(*_G)),
    Move(
        "projects.actions.withdraw",
        "Withdraw",
        Permission.PROJECT_EDIT,
        arrows(_G.REQUESTED, to=_G.WITHDRAWN),
        through=_PROJECT,
    ),
    Move(
        "projects.actions.review",
        "Reject",
        Permission.PROJECT_REVIEW,
        arrows(_G.REQUESTED, to=_G.DENIED),
        through=_PROJECT,
    ),
    Move(
        "projects.actions.close",
        "Close",
        Permission.PROJECT_CLOSE,
        arrows(_G.REQUESTED, to=_G.WITHDRAWN) | arrows(_G.GRANTED, _G.SUSPENDED, to=_G.CLOSED),
        through=_PROJECT,
    ),
    Move(
        "projects.amending.review",
        "Give up by an amendment",
        Permission.PROJECT_REVIEW,
        arrows(_G.REQUESTED, to=_G.WITHDRAWN) | arrows(_G.GRANTED, _G.SUSPENDED, to=_G.CLOSED),
        _SEPARATE,
        pauses=True,
        through=_PROJECT,
    ),
)

_AMENDED = arrows(_A.DRAFT, _A.CHANGES_REQUESTED)


def _vote(label: str, to: AmendmentStatus, *, pauses: bool = False) -> Move:
    edges = arrows(_A.IN_REVIEW, to=to)
    return Move("projects.amending.review", label, Permission.PROJECT_REVIEW, edges, _SEPARATE, pauses=pauses)


AMENDMENT_MOVES = (
    Move("projects.amendments.answer", "Answer", Permission.PROJECT_EDIT, _AMENDED),
    Move("projects.amendments.change", "Change", Permission.PROJECT_EDIT, _AMENDED),
    Move(
        "projects.amendments.submit",
        "Hand in",
        Permission.PROJECT_EDIT,
        arrows(_A.DRAFT, _A.CHANGES_REQUESTED, to=_A.IN_REVIEW),
    ),
    Move(
        "projects.amendments.withdraw",
        "Withdraw",
        Permission.PROJECT_EDIT,
        arrows(_A.DRAFT, _A.IN_REVIEW, _A.CHANGES_REQUESTED, to=_A.WITHDRAWN),
    ),
    Move(
        "projects.actions.close",
        "Close",
        Permission.PROJECT_CLOSE,
        arrows(_A.DRAFT, _A.IN_REVIEW, _A.CHANGES_REQUESTED, to=_A.WITHDRAWN),
        through=_PROJECT,
    ),
    _vote("Approve", _A.APPROVED, pauses=True),
    _vote("Request changes", _A.CHANGES_REQUESTED),
    _vote("Deny", _A.DENIED),
)

MACHINES = (
    Machine("Project", "Project", _P.DRAFT, PROJECT, PROJECT_MOVES),
    Machine("Access grant", "AccessGrant", _G.REQUESTED, GRANT, GRANT_MOVES),
    Machine("Amendment", "Amendment", _A.DRAFT, AMENDMENT, AMENDMENT_MOVES),
)
