"""An answer as a small SVG for notebooks: bars with error bars, or steps in a band along a number or a date.

No plotting library is needed. Every text is escaped, and a description says what the picture shows.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

MOST_BARS, MOST_STEPS, LEAST_STEPS = 40, 1_000, 5
_WIDTH, _LEFT, _RIGHT, _ROW = 720, 200, 700, 26
_HIGH, _SIDE = 220, 70
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
_FILL, _LINE, _TEXT = "#5f9fa3", "#0b5a61", "currentColor"


@dataclass(frozen=True)
class Point:
    """One figure: its label, its value, and the half width of its 95 % interval if that is known."""

    label: str
    value: float
    error: float | None
    place: float | None = None  # along an ordered key


def place_of(key: Any) -> float | None:
    """Return where a number or an ISO date lies, or None for anything else."""
    if isinstance(key, int | float) and not isinstance(key, bool):
        return float(key)
    try:
        return float(date.fromisoformat(key).toordinal())
    except (TypeError, ValueError):
        return None


def draw(title: str, points: Sequence[Point]) -> str:
    """Return the drawing that fits, or "" where nothing is known; it shows the first of many and says so."""
    known = [point for point in points if math.isfinite(point.value)]
    if not known:
        return ""
    is_ordered = len({point.place for point in known}) >= LEAST_STEPS
    if is_ordered and all(point.place is not None for point in known):
        return _steps(title, known[:MOST_STEPS], len(points))
    return _bars(title, known[:MOST_BARS], len(points))


def _ends(points: Sequence[Point]) -> tuple[float, float]:
    """Return an interval that holds zero and every value with its error."""
    low = min(0.0, *(point.value - (point.error or 0) for point in points))
    high = max(0.0, *(point.value + (point.error or 0) for point in points))
    return low, high if high > low else low + 1


def _bars(title: str, points: Sequence[Point], total: int) -> str:
    """Return horizontal bars, one a row."""
    low, high = _ends(points)

    def at(value: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (value - low) / (high - low), 1)

    parts = []
    for row, point in enumerate(points):
        y = 8 + row * _ROW
        left, right = sorted((at(0), at(point.value)))
        label = point.label if len(point.label) <= 28 else point.label[:27] + "…"
        parts.append(
            f"<g><title>{html.escape(spoken(point))}</title>"
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end" fill="{_TEXT}">{html.escape(label)}</text>'
            f'<rect x="{left}" y="{y}" width="{max(1.0, right - left):.1f}" height="18" fill="{_FILL}"/>'
        )
        if point.error:
            ends = f"M{at(point.value - point.error)} {y + 9}H{at(point.value + point.error)}"
            parts.append(f'<path d="{ends}" stroke="{_TEXT}" stroke-width="1.5"/>')
        parts.append("</g>")
    height = 16 + len(points) * _ROW
    parts.append(f'<path d="M{at(0)} 4V{height - 4}" stroke="{_TEXT}"/>')
    words = f"{len(points)} bars with 95 % error bars. {_extremes(points)}"
    return _svg(title, words, height, parts, len(points), total)


def _steps(title: str, points: Sequence[Point], total: int) -> str:
    """Return a line of steps in its band, sorted along the key."""
    drawn = sorted(points, key=lambda point: point.place or 0.0)
    low, high = _ends(drawn)
    places = [point.place or 0.0 for point in drawn]
    gap = min((b - a for a, b in pairwise(places) if b > a), default=1.0)
    ends = [*places[1:], places[-1] + gap]

    def x(place: float) -> float:
        return round(_SIDE + (_RIGHT - _SIDE) * (place - places[0]) / (ends[-1] - places[0]), 1)

    def y(value: float) -> float:
        return round(8 + _HIGH * (high - value) / (high - low), 1)

    line = "".join(
        f"{'V' if n else f'M{x(place)} '}{y(point.value)}H{x(end)}"
        for n, (point, place, end) in enumerate(zip(drawn, places, ends, strict=True))
    )

    def edge(sign: int) -> list[str]:
        return [
            f"{x(at)} {y(point.value + sign * (point.error or 0))}"
            for point, place, end in zip(drawn, places, ends, strict=True)
            for at in (place, end)
        ]

    labels = [
        _label(x(place), _HIGH + 26, anchor, point.label)
        for point, place, anchor in ((drawn[0], places[0], "start"), (drawn[-1], ends[-1], "end"))
    ]
    sides = [_label(_SIDE - 6, y(v) + 4, "end", number(v)) for v in dict.fromkeys((low, 0.0, high))]
    parts = [
        f'<path d="M{" L".join([*edge(1), *reversed(edge(-1))])}Z" fill="{_FILL}" fill-opacity="0.35"/>',
        f'<path d="{line}" fill="none" stroke="{_LINE}" stroke-width="2"/>',
        f'<path d="M{_SIDE} {y(0)}H{_RIGHT}" stroke="{_TEXT}"/>',
        *(labels + sides),
    ]
    words = f"Steps from {drawn[0].label} to {drawn[-1].label} in a band of 95 % intervals. "
    return _svg(title, words + _extremes(drawn), _HIGH + 36, parts, len(drawn), total)


def _label(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{_TEXT}">{html.escape(text)}</text>'


def _svg(title: str, words: str, height: float, parts: Sequence[str], shown: int, total: int) -> str:
    """Return the picture with its name and its description."""
    if total > shown:
        words += f" The first {shown:,} of {total:,} rows are drawn."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'style="max-width: 100%" {_FONT}><title>{html.escape(title)}</title><desc>{html.escape(words)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def _extremes(points: Sequence[Point]) -> str:
    largest = max(points, key=lambda point: point.value)
    smallest = min(points, key=lambda point: point.value)
    return f"Largest: {spoken(largest)}. Smallest: {spoken(smallest)}."


def spoken(point: Point) -> str:
    """Return a point in words."""
    error = "" if point.error is None else f" ± {number(point.error)}"
    return f"{point.label}: {number(point.value)}{error}"


def number(value: float) -> str:
    """Return a noisy figure with no more digits than are worth reading."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
