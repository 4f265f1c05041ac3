"""Who moves an emergency access, from where to where; its state is read from its end and the time."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.people.permissions import Permission, Role

ACCESS = {
    "open": State(
        "Open",
        Role.ADMINISTRATOR,
        frozenset({"closed"}),
        "Whoever opened it may stop three kinds of things, for at most four hours.",
    ),
    "closed": State("Closed", None, frozenset(), "Ended by whoever opened it, or by time."),
}

ACCESS_MOVES = (
    Move(
        "emergency.actions.freeze_dataset",
        "Freeze a dataset",
        Permission.BREAK_GLASS_OPEN,
        arrows("open"),
        only="opener",
    ),
    Move(
        "emergency.actions.suspend_project",
        "Suspend a project",
        Permission.BREAK_GLASS_OPEN,
        arrows("open"),
        only="opener",
    ),
    Move(
        "emergency.actions.sign_out",
        "Sign somebody out",
        Permission.BREAK_GLASS_OPEN,
        arrows("open"),
        only="opener",
    ),
    Move(
        "emergency.actions.close_access",
        "Close",
        Permission.BREAK_GLASS_OPEN,
        arrows("open", to="closed"),
        only="opener",
    ),
)

MACHINES = (Machine("Emergency access", "EmergencyAccess", "open", ACCESS, ACCESS_MOVES, is_derived=True),)
