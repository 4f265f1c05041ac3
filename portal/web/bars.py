"""Bars of counts and lengths, as values that a template draws in SVG, with the same in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LABEL, WIDTH, STEP = 190, 640, 30  # units of the view box: where bars begin, the whole, a line


@dataclass(frozen=True)
class Row:
    """One bar, in view box units; `y` is its top and `middle` where its words stand."""

    label: str
    words: str
    y: int
    middle: int
    width: float
    end: float


@dataclass(frozen=True)
class Bars:
    """A drawn list of amounts; `text` carries everything that the picture does."""

    key: str
    title: str
    text: str
    rows: tuple[Row, ...]
    height: int


def bars(key: str, title: str, amounts: Iterable[tuple[str, float, str]]) -> Bars:
    """Draw amounts under each other: label, amount (not negative) and its words; the largest is the longest."""
    given = list(amounts)
    largest = max((amount for _, amount, _ in given), default=0) or 1
    rows = []
    for place, (label, amount, words) in enumerate(given):
        width = round((WIDTH - LABEL - 130) * amount / largest, 1)
        top = 4 + place * STEP
        rows.append(Row(label, words, top, top + 11, width, LABEL + width + 8))
    text = "; ".join(f"{row.label}: {row.words}" for row in rows) or "nothing"
    return Bars(key, title, f"{text}.", tuple(rows), 8 + STEP * len(rows))


def span(seconds: float | None) -> str:
    """Write a length of time in the unit that fits it."""
    if seconds is None:
        return "–"
    for size, one in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            amount = seconds / size
            number = f"{amount:.1f}".removesuffix(".0") if amount < 10 else f"{amount:.0f}"
            return f"{number} {one}" + ("" if number == "1" else "s")
    return f"{seconds:.0f} second" + ("" if round(seconds) == 1 else "s")
