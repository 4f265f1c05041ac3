"""What the database itself promises about emergencies: short, ended once, and nothing done after their end."""

from dataclasses import replace

from domains.triggers import Trigger, append_only, check, kept, register

_ACCESS, _ACT = "emergency_emergencyaccess", "emergency_emergencyact"
_SAME = ("id", "created_at", "reason", "opened_by_id", "expires_at")


def _short() -> Trigger:
    """Refuse an access of more than four hours; the two databases reckon with times in words of their own."""
    name, message = f"{_ACCESS}_short", "an emergency access lasts at most four hours"
    days = "julianday(NEW.expires_at) - julianday(NEW.created_at) <= 4.001 / 24"
    span = "NEW.expires_at <= NEW.created_at + INTERVAL '4 hours 1 second'"
    here = check(name, _ACCESS, on="INSERT", unless=days, message=message)
    return replace(
        here, postgresql=check(name, _ACCESS, on="INSERT", unless=span, message=message).postgresql
    )


register(
    *kept(_ACCESS),
    _short(),
    check(
        f"{_ACCESS}_ends_once",
        _ACCESS,
        on="UPDATE",
        unless="OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND "
        + " AND ".join(f"NEW.{c} = OLD.{c}" for c in _SAME),
        message="an emergency access ends once and is never rewritten or prolonged",
    ),
    *append_only(_ACT),
    check(
        f"{_ACT}_while_open",
        _ACT,
        on="INSERT",
        unless=f"EXISTS (SELECT 1 FROM {_ACCESS} a WHERE a.id = NEW.access_id "  # noqa: S608 - constants
        "AND a.closed_at IS NULL AND NEW.created_at < a.expires_at)",
        message="nothing is done under an emergency access that has ended",
    ),
)
