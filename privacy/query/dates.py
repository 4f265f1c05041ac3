"""Parts and beginnings of dates: what they can be, from the dates' own public bounds."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from privacy.query.intervals import DATE, MAX_VALUES, NUMBER, Typed

DATE_PARTS = {"year": (1, 9999), "quarter": (1, 4), "month": (1, 12), "day": (1, 31), "weekday": (0, 6)}
SPANS = ("week", "month", "quarter", "year")  # what a date can be cut down to the beginning of


def date_part(part: str, arg: Typed) -> Typed:
    """Return what a numbered part of a date can be; years follow the declared bounds."""
    low, high = DATE_PARTS[part]
    if part == "year" and arg.bounds is not None:
        low, high = (date.fromordinal(int(end)).year for end in arg.bounds)
    return Typed(NUMBER, Fraction(low), Fraction(high), Fraction(1), arg.is_nullable)


def beginning(span: str, day: date) -> date:
    """Return the first day of the week (a Monday), month, quarter or year of `day`."""
    if span == "week":
        return max(day - timedelta(days=min(day.weekday(), day.toordinal() - 1)), date.min)
    months = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}
    return date(day.year, months[span], 1)


def _following(span: str, first: date) -> date | None:
    """Return the beginning after `first`; None at the end of the calendar."""
    try:
        return beginning(
            span, first + timedelta(days={"week": 7, "month": 31, "quarter": 95, "year": 366}[span])
        )
    except OverflowError:
        return None


def truncated(span: str, arg: Typed) -> Typed:
    """Return what the beginnings of the span around a date can be, each listed where there are few."""
    if arg.bounds is None:
        return Typed(DATE, is_nullable=arg.is_nullable)
    first, last = (beginning(span, date.fromordinal(int(end))) for end in arg.bounds)
    codes: list[str] = []
    day: date | None = first
    while day is not None and day <= last and len(codes) <= MAX_VALUES:
        codes.append(day.isoformat())
        day = _following(span, day)
    return Typed(
        DATE,
        Fraction(first.toordinal()),
        Fraction(last.toordinal()),
        is_nullable=arg.is_nullable,
        codes=tuple(codes) if len(codes) <= MAX_VALUES else (),
    )
