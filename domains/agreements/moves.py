"""Who moves an agreement, from where to where; its state is read from its versions and its end."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.people.permissions import Permission, Role

AGREEMENT = {
    "draft": State(
        "Draft", Role.DATASET_OWNER, frozenset({"in_force", "retired"}), "Written; nobody has to accept it."
    ),
    "in_force": State(
        "In force",
        None,
        frozenset({"retired"}),
        "Whoever it concerns accepts its newest version, or uses nothing it is for.",
    ),
    "retired": State("Retired", None, frozenset(), "Demanded no more; what was accepted stays on record."),
}
_LIVE = arrows("draft", "in_force")

AGREEMENT_MOVES = (
    Move("agreements.actions.draft", "Write", Permission.AGREEMENT_MANAGE, _LIVE),
    Move(
        "agreements.actions.publish",
        "Publish",
        Permission.AGREEMENT_MANAGE,
        arrows("draft", "in_force", to="in_force"),
    ),
    Move(
        "agreements.actions.retire",
        "Retire",
        Permission.AGREEMENT_MANAGE,
        arrows("draft", "in_force", to="retired"),
    ),
)

MACHINES = (Machine("Agreement", "Agreement", "draft", AGREEMENT, AGREEMENT_MOVES, is_derived=True),)
