"""What everybody may know of the node's state."""

from __future__ import annotations

from django.db.models import QuerySet

from domains.errors import IllegalMove
from domains.node.models import Pause


def open_pauses() -> QuerySet[Pause]:
    """Return the pause that holds now; empty while the node runs."""
    return Pause.objects.filter(resumed_at=None).select_related("paused_by")


def current() -> Pause | None:
    """Return the pause that holds now, or None."""
    return open_pauses().first()


def is_paused() -> bool:
    """Say whether the node is paused now."""
    return Pause.objects.filter(resumed_at=None).exists()


def pauses() -> QuerySet[Pause]:
    """Return every pause there was, the newest first."""
    return Pause.objects.select_related("paused_by", "resumed_by")


def require_running() -> None:
    """Raise IllegalMove while the node is paused: nothing is approved, allocated, put in force or let out then."""
    if is_paused():
        raise IllegalMove(
            "The node is paused: nothing is approved, raised, let out or run until an administrator resumes it. "
            "The page of the node says why.",
            code="node_paused",
        )
