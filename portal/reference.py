"""Reference pages generated from the tables of the code; a house test compares them with what is committed."""

from __future__ import annotations

from domains.people.permissions import NODE_ROLES, TABLE, Permission, Role, label
from domains.people.scopes import DECIDING


def permissions_markdown() -> str:
    """Return docs/reference/permissions.md: every permission against every role, and which of them decide."""
    node = list(NODE_ROLES)
    given = [role for role in Role if role not in NODE_ROLES]
    return "\n".join(
        [
            "# Permissions",
            "",
            "Generated from `domains/people/permissions.py`; a test compares the two.",
            "",
            "A person holds node-wide roles, given by an administrator, and roles that an object gives: a seat in a",
            "research area, a stewardship of a dataset, a membership of a project, the authorship of a request. An",
            "action is allowed if any role held allows it. **Decides** marks what an API token can do only if that",
            "scope was ticked when it was made.",
            "",
            "## Roles of the node",
            "",
            *_table(node),
            "",
            "## Roles that an object gives",
            "",
            *_table(given),
            "",
        ]
    )


def _table(roles: list[Role]) -> list[str]:
    """Write the permissions that any of `roles` holds, one a row."""
    held = frozenset().union(*(TABLE[role] for role in roles))
    heads = ["Permission", "Decides", *(label(role) for role in roles)]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for permission in Permission:
        if permission in held:
            marks = ["yes" if permission in TABLE[role] else "" for role in roles]
            lines.append(_row([f"`{permission.value}`", "yes" if permission in DECIDING else "", *marks]))
    return lines


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
