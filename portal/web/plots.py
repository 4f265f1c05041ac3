"""Answers as bars with error bars, in groups where there are two keys; each drawing says in words what it shows.

A drawing is a value with coordinates, which a template writes as SVG. The table beside it has every figure, so
a drawing may show the first rows only, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from portal.web.charts import number

LABEL_WIDTH, PLOT_WIDTH, ROW, HEAD, TOP = 190, 560, 34, 26, 8
MOST_BARS = 40
SERIES = 6  # colours; a series beyond them begins again, and its words tell it apart


@dataclass(frozen=True)
class Point:
    """A labelled value and the half width of its 95 % interval, which may be unknown; `group` heads it."""

    label: str
    value: float
    error: float | None
    group: str = ""


@dataclass(frozen=True)
class Mark:
    """One bar with its whisker, in pixels of the view box; `series` numbers its colour."""

    label: str
    words: str
    y: float
    x: float
    width: float
    low: float
    high: float
    middle: float
    series: int = 0


@dataclass(frozen=True)
class Tick:
    """One line of an axis: its place and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Heading:
    """The name of a group of bars, above them."""

    y: float
    label: str
    words: str


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars with 95 % error bars; `text` says what a reader who does not see it should know."""

    key: str
    title: str
    text: str
    width: int
    height: float
    zero: float
    axis_y: float
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    headings: tuple[Heading, ...] = ()
    kind: str = "bars"


def bar_chart(title: str, points: Sequence[Point], *, key: str, total: int | None = None) -> BarChart | None:
    """Lay out bars, under headings where points have groups, or return None where there is nothing to draw.

    `total` is how many there are where `points` are only the first of them.
    """
    shown = [point for point in points if math.isfinite(point.value)][:MOST_BARS]
    if not shown:
        return None
    scale = scale_of(shown, LABEL_WIDTH, LABEL_WIDTH + PLOT_WIDTH)
    series = {label: at for at, label in enumerate(dict.fromkeys(point.label for point in shown))}
    marks, headings, y, group = [], [], float(TOP), ""
    for point in shown:
        if point.group and point.group != group:
            group = point.group
            headings.append(Heading(y + HEAD - 9, _shorten(group, 60), group))
            y += HEAD
        marks.append(_mark(point, y, scale, series[point.label] % SERIES if point.group else 0))
        y += ROW
    return BarChart(
        key=key,
        title=title,
        text=_bars_text(shown, total or len(points)),
        width=LABEL_WIDTH + PLOT_WIDTH + 30,
        height=y + 30,
        zero=scale.at(0.0),
        axis_y=y,
        marks=tuple(marks),
        ticks=tuple(Tick(scale.at(value), number(value)) for value in scale.ticks),
        headings=tuple(headings),
    )


@dataclass(frozen=True)
class Scale:
    """Where a value lies on the drawing, between two ends in pixels of the view box."""

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...] = ()

    def at(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.begin + (self.end - self.begin) * share, 2)


def scale_of(points: Sequence[Point], begin: float, end: float) -> Scale:
    """Return a scale that holds zero and every value with its error."""
    low = min(0.0, *(point.value - (point.error or 0) for point in points))
    high = max(0.0, *(point.value + (point.error or 0) for point in points))
    ticks = tuple(_ticks(low, high))
    return Scale(min(low, ticks[0]), max(high, ticks[-1]), begin, end, ticks)


def _mark(point: Point, y: float, scale: Scale, series: int) -> Mark:
    left, right = sorted((scale.at(0.0), scale.at(point.value)))
    error = point.error or 0.0
    named = f"{point.group} · {point.label}" if point.group else point.label
    return Mark(
        label=_shorten(point.label, 26),
        words=f"{named}: {_spoken(point)}",
        y=y + 5,
        x=left,
        width=max(1.0, round(right - left, 2)),
        low=scale.at(point.value - error),
        high=scale.at(point.value + error),
        middle=y + ROW / 2,
        series=series,
    )


def _spoken(point: Point) -> str:
    return number(point.value) + (f" ± {number(point.error)}" if point.error is not None else "")


def _bars_text(shown: Sequence[Point], total: int) -> str:
    words = f"{len(shown)} bars with 95 % error bars. {ends(shown)}"
    if total > len(shown):
        words += f" The first {len(shown):,} of {total:,} rows are drawn."
    return words + " The table has every figure."


def ends(shown: Sequence[Point]) -> str:
    """Say which value is the largest and which the smallest."""
    largest = max(shown, key=lambda point: point.value)
    words = f"Largest: {_named(largest)}, {number(largest.value)}."
    if len(shown) > 1:
        smallest = min(shown, key=lambda point: point.value)
        words += f" Smallest: {_named(smallest)}, {number(smallest.value)}."
    return words


def _named(point: Point) -> str:
    return f"{point.group} · {point.label}" if point.group else point.label


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round values that cover [low, high]."""
    span = high - low or 1.0
    raw = span / 5
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * factor for factor in (1, 2, 5, 10) if base * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
