"""Who moves a pause of the node, from where to where; its state is read from its end."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.people.permissions import Permission, Role

PAUSE = {
    "open": State(
        "Paused",
        Role.ADMINISTRATOR,
        frozenset({"resumed"}),
        "Nothing is approved, raised, put in force, let out or run.",
    ),
    "resumed": State("Resumed", None, frozenset(), "The node goes on; the pause stays on record."),
}

PAUSE_MOVES = (
    Move("node.actions.resume", "Resume the node", Permission.NODE_PAUSE, arrows("open", to="resumed")),
    Move("node.actions.pause", "Pause the node", Permission.NODE_PAUSE, arrows("resumed")),
)

MACHINES = (Machine("Pause of the node", "Pause", "open", PAUSE, PAUSE_MOVES, is_derived=True),)
