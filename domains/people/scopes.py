"""What a token may be used for, grouped into words that a person can choose by (S9)."""

from __future__ import annotations

from dataclasses import dataclass

from domains.people.models import User
from domains.people.permissions import Permission, Role

_P = Permission


@dataclass(frozen=True)
class ScopeGroup:
    """Permissions that are ticked together; `is_deciding` ones let a program decide in a person's name."""

    key: str
    label: str
    permissions: frozenset[Permission]
    is_deciding: bool = False


GROUPS: tuple[ScopeGroup, ...] = (
    ScopeGroup(
        "read",
        "Read the catalogue, projects, requests, results and budgets",
        frozenset({_P.CATALOGUE_READ, _P.PROJECT_READ, _P.REQUEST_READ, _P.RESULT_READ, _P.BUDGET_READ}),
    ),
    ScopeGroup("projects", "Write and hand in projects", frozenset({_P.PROJECT_CREATE, _P.PROJECT_EDIT})),
    ScopeGroup(
        "requests",
        "Write, check, submit, withdraw and comment on requests; ask for larger budgets",
        frozenset(
            {_P.REQUEST_CREATE, _P.REQUEST_EDIT, _P.REQUEST_SUBMIT, _P.REQUEST_WITHDRAW, _P.REQUEST_COMMENT}
            | {_P.BUDGET_ASK}
        ),
    ),
    ScopeGroup(
        "datasets",
        "Create and describe datasets, upload files, propose policies, caps and synthetic mocks",
        frozenset(
            {_P.DATASET_CREATE, _P.DATASET_EDIT, _P.POLICY_PROPOSE, _P.CAP_PROPOSE, _P.SYNTHETIC_PROPOSE}
        ),
    ),
    ScopeGroup(
        "connections",
        "Add, edit, test and retire connections to databases",
        frozenset({_P.CONNECTION_MANAGE}),
        True,
    ),
    ScopeGroup("people_read", "Read the list of people", frozenset({_P.PEOPLE_READ})),
    ScopeGroup("audit_read", "Read and export the audit log", frozenset({_P.AUDIT_READ})),
    ScopeGroup("decide_requests", "Approve and deny requests", frozenset({_P.REQUEST_REVIEW}), True),
    ScopeGroup("release", "Release results", frozenset({_P.RESULT_RELEASE}), True),
    ScopeGroup(
        "decide_projects",
        "Approve, reject, suspend and close projects; revoke grants",
        frozenset({_P.PROJECT_REVIEW, _P.PROJECT_SUSPEND, _P.PROJECT_CLOSE, _P.GRANT_REVOKE}),
        True,
    ),
    ScopeGroup(
        "decide_datasets",
        "Publish, freeze and withdraw datasets, erase versions, assign their people, approve mocks, activate policies, "
        "confirm and retract synthetic mocks",
        frozenset(
            {
                _P.DATASET_PUBLISH,
                _P.DATASET_FREEZE,
                _P.DATASET_ASSIGN,
                _P.DATASET_ERASE,
                _P.MOCK_APPROVE,
                _P.POLICY_ACTIVATE,
                _P.SYNTHETIC_CONFIRM,
                _P.SYNTHETIC_RETRACT,
            }
        ),
        True,
    ),
    ScopeGroup(
        "allocate",
        "Allocate and cut budgets, confirm larger ones, and approve caps",
        frozenset({_P.BUDGET_ALLOCATE, _P.BUDGET_CONFIRM, _P.CAP_APPROVE}),
        True,
    ),
    ScopeGroup(
        "manage",
        "Manage people and research areas, reconcile the audit log",
        frozenset({_P.PEOPLE_MANAGE, _P.AREA_MANAGE, _P.AUDIT_RECONCILE}),
        True,
    ),
    ScopeGroup("notices", "Change notice settings and webhooks", frozenset({_P.NOTICE_MANAGE}), True),
    ScopeGroup(
        "operate",
        "Watch the node, manage its webhooks, send deliveries again",
        frozenset({_P.NODE_OPERATE}),
        True,
    ),
    ScopeGroup("agree", "Accept agreements in your name", frozenset({_P.AGREEMENT_ACCEPT}), True),
    ScopeGroup(
        "agreements",
        "Write, publish and retire agreements",
        frozenset({_P.AGREEMENT_MANAGE, _P.TERMS_MANAGE}),
        True,
    ),
    ScopeGroup("forms", "Change the form that projects are proposed on", frozenset({_P.FORM_MANAGE}), True),
    ScopeGroup(
        "node",
        "Pause and resume the node, open and use emergency access",
        frozenset({_P.NODE_PAUSE, _P.BREAK_GLASS_OPEN}),
        True,
    ),
    ScopeGroup("break_glass_read", "Read emergency accesses", frozenset({_P.BREAK_GLASS_READ})),
    ScopeGroup("tokens", "Create and revoke tokens of the same account", frozenset({_P.TOKEN_MANAGE}), True),
)

DECIDING: frozenset[Permission] = frozenset().union(
    *(group.permissions for group in GROUPS if group.is_deciding)
)

_BY_ROLE: dict[Role, frozenset[str]] = {
    Role.SCIENTIST: frozenset({"projects", "requests"}),
    Role.OWNER: frozenset({"datasets"}),
    Role.REVIEWER: frozenset(),
    Role.ADMINISTRATOR: frozenset({"people_read"}),
    Role.AUDITOR: frozenset({"people_read", "audit_read"}),
}


def default_groups(user: User) -> frozenset[str]:
    """Return the keys ticked for `user` at first: reading and their roles' writing, nothing that decides."""
    return frozenset({"read"}).union(*(_BY_ROLE[role] for role in user.node_roles))


def default_scopes(user: User) -> frozenset[Permission]:
    """Return the permissions of `default_groups`."""
    return scopes_of(default_groups(user))


def scopes_of(keys: frozenset[str] | set[str] | list[str]) -> frozenset[Permission]:
    """Return the permissions of the groups named; unknown keys give nothing."""
    return frozenset().union(*(group.permissions for group in GROUPS if group.key in keys))


def groups_of(scopes: frozenset[Permission]) -> list[ScopeGroup]:
    """Return the groups of which `scopes` holds anything, in the table's order."""
    return [group for group in GROUPS if group.permissions & scopes]
