"""What the database itself promises about pauses: they are kept, end once and are never rewritten."""

from domains.triggers import check, kept, register

_PAUSE = "node_pause"

register(
    *kept(_PAUSE),
    check(
        f"{_PAUSE}_ends_once",
        _PAUSE,
        on="UPDATE",
        unless="OLD.resumed_at IS NULL AND NEW.resumed_at IS NOT NULL AND "
        + " AND ".join(f"NEW.{c} = OLD.{c}" for c in ("id", "created_at", "reason", "paused_by_id")),
        message="a pause ends once and is never rewritten",
    ),
)
