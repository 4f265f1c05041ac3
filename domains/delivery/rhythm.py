"""When a digest is due, in its reader's own day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from domains.errors import InvalidInput


@cache
def timezones() -> tuple[str, ...]:
    """Return the names of the timezones that people may choose, UTC first."""
    names = {name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix"))}
    return ("UTC", *sorted(names))


def zone(name: str) -> ZoneInfo:
    """Return a timezone by name, or raise InvalidInput."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"There is no timezone “{name[:64]}”.", code="timezone") from error


def next_digest(now: datetime, timezone: str, hour: int, weekday: int | None) -> datetime:
    """Return the next moment, in UTC, when it is `hour` o'clock in `timezone`; on `weekday` (0 is Monday) if given.

    Days are counted on the calendar, so a digest keeps its hour when clocks change.
    """
    here = now.astimezone(zone(timezone))
    moment = here.replace(hour=hour, minute=0, second=0, microsecond=0)
    if moment <= here:
        moment += timedelta(days=1)
    while weekday is not None and moment.weekday() != weekday:
        moment += timedelta(days=1)
    return moment.astimezone(UTC)
