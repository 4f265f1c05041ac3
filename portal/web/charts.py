"""Figures as values that templates draw in SVG, each with the words and numbers that say the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from privacy.loss import Loss

BAR_WIDTH = 1000  # units of the budget bar's view box
ALARMS = ((95, "bad"), (80, "wait"), (50, "info"))  # percent used, and the tone of the chip that says so


class BalanceLike(Protocol):
    """What a budget bar needs of the ledger's balance."""

    scope: str
    label: str
    limit: Loss
    reserved: Loss
    spent: Loss


@dataclass(frozen=True)
class Part:
    """One stretch of a budget bar, in view box units; `pattern` is the fill that marks it without colour."""

    name: str
    x: float
    width: float
    pattern: str = ""


@dataclass(frozen=True)
class BudgetBar:
    """A drawn budget; `text` carries everything that the picture does."""

    key: str
    label: str
    parts: tuple[Part, ...]
    text: str
    alarm: str
    alarm_text: str


def budget_bar(balance: BalanceLike, request: Loss | None = None, *, key: str = "") -> BudgetBar:
    """Draw committed, reserved, this request and what is left, as shares of the limit.

    Shares are of the currency that is nearest its limit, because that one stops the next question.
    """
    asked = request or Loss.zero()
    share = _shares(balance, asked)
    parts, at = [], 0.0
    for name, pattern in (("spent", ""), ("reserved", "dots"), ("request", "hatch")):
        width = min(share[name], 1 - at)
        if width > 0:
            parts.append(Part(name, round(at * BAR_WIDTH, 2), round(width * BAR_WIDTH, 2), pattern))
        at += width
    used = (share["spent"] + share["reserved"]) * 100
    alarm = next((tone for limit, tone in ALARMS if used >= limit), "")
    return BudgetBar(
        key=key or f"bar-{balance.scope}",
        label=balance.label,
        parts=tuple(parts),
        text=_bar_text(share, has_request=request is not None),
        alarm=alarm,
        alarm_text=f"{_percent(used / 100)} used" if alarm else "",
    )


def _shares(balance: BalanceLike, asked: Loss) -> dict[str, float]:
    """Return each part over the limit, in the currency that is used most."""
    best: dict[str, float] = {"spent": 0.0, "reserved": 0.0, "request": 0.0}
    for currency in ("rho", "delta"):
        amounts = {
            "spent": getattr(balance.spent, currency),
            "reserved": getattr(balance.reserved, currency),
            "request": getattr(asked, currency),
        }
        limit = getattr(balance.limit, currency)
        if not any(amounts.values()):
            continue
        shares = {name: amount / limit if limit else math.inf for name, amount in amounts.items()}
        shares = {name: 0.0 if math.isnan(value) else value for name, value in shares.items()}
        if sum(shares.values()) > sum(best.values()):
            best = shares
    return best


def _bar_text(share: dict[str, float], *, has_request: bool) -> str:
    spent, reserved, asked = share["spent"], share["reserved"], share["request"]
    words = [f"{_percent(spent)} committed", f"{_percent(reserved)} reserved"]
    if has_request:
        words.append(f"this request {_percent(asked)}")
    left = 1 - spent - reserved - asked
    if left < 0:
        return f"{', '.join(words)}: more than the limit."
    return f"{', '.join(words)}, {_percent(left)} left."


def _percent(share: float) -> str:
    """Return a share for people: percents with a digit where it matters, and never 0 % for something."""
    if not math.isfinite(share):
        return "over 999 %"
    percent = share * 100
    if 0 < percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


# --- Results ----------------------------------------------------------------------------------------------------

LABEL_WIDTH, PLOT_WIDTH, ROW, TOP = 190, 560, 34, 8
MOST_BARS = 40


@dataclass(frozen=True)
class Mark:
    """One bar with its whisker, in pixels of the view box."""

    label: str
    words: str
    y: float
    x: float
    width: float
    low: float
    high: float
    middle: float


@dataclass(frozen=True)
class Tick:
    """One line of the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars with 95 % error bars; `text` says what a reader who does not see it should know."""

    key: str
    title: str
    text: str
    width: int
    height: int
    zero: float
    axis_y: float
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Point:
    """A labelled value and the half width of its 95 % interval, which may be unknown."""

    label: str
    value: float
    error: float | None


def bar_chart(title: str, points: Sequence[Point], *, key: str) -> BarChart | None:
    """Lay out a chart, or return None where there is nothing to draw; the table beside it always has all rows."""
    shown = [point for point in points if math.isfinite(point.value)][:MOST_BARS]
    if not shown:
        return None
    low = min(0.0, *(point.value - (point.error or 0) for point in shown))
    high = max(0.0, *(point.value + (point.error or 0) for point in shown))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    scale = _Scale(low, high)
    axis_y = TOP + len(shown) * ROW
    return BarChart(
        key=key,
        title=title,
        text=_chart_text(shown, len(points)),
        width=LABEL_WIDTH + PLOT_WIDTH + 30,
        height=axis_y + 30,
        zero=scale.at(0.0),
        axis_y=axis_y,
        marks=tuple(_mark(point, TOP + index * ROW, scale) for index, point in enumerate(shown)),
        ticks=tuple(Tick(scale.at(value), number(value)) for value in ticks),
    )


@dataclass(frozen=True)
class _Scale:
    """Where a value lies on the drawing, from left to right."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the x of a value, in pixels of the view box."""
        return round(LABEL_WIDTH + PLOT_WIDTH * (value - self.low) / (self.high - self.low), 2)


def _mark(point: Point, y: float, scale: _Scale) -> Mark:
    left, right = sorted((scale.at(0.0), scale.at(point.value)))
    error = point.error or 0.0
    words = number(point.value) + (f" ± {number(point.error)}" if point.error is not None else "")
    return Mark(
        label=_shorten(point.label),
        words=f"{point.label}: {words}",
        y=y + 5,
        x=left,
        width=max(1.0, round(right - left, 2)),
        low=scale.at(point.value - error),
        high=scale.at(point.value + error),
        middle=y + ROW / 2,
    )


def _chart_text(shown: Sequence[Point], total: int) -> str:
    largest = max(shown, key=lambda point: point.value)
    smallest = min(shown, key=lambda point: point.value)
    words = f"{len(shown)} bars with 95 % error bars. Largest: {largest.label}, {number(largest.value)}."
    if len(shown) > 1:
        words += f" Smallest: {smallest.label}, {number(smallest.value)}."
    if total > len(shown):
        words += f" The first {len(shown)} of {total} rows are drawn."
    return words + " The table has every figure."


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round values that cover [low, high]."""
    span = high - low or 1.0
    raw = span / 5
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * factor for factor in (1, 2, 5, 10) if base * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


def _shorten(text: str) -> str:
    return text if len(text) <= 26 else text[:25] + "…"


def number(value: float | None) -> str:
    """Write a noisy figure: grouped thousands, and no more digits than are worth reading."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value < 0:
        return f"−{number(-value)}"
    size = abs(value)
    if value == int(value) and size < 1e15:
        return f"{int(value):,}"
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:.{digits}f}" if size >= 0.01 else f"{value:.3g}"
