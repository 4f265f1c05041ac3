"""Answers as steps within a band of their intervals: whatever goes along a number or a date, cumulative or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from portal.web.charts import number
from portal.web.plots import TOP, Point, Scale, Tick, ends, scale_of

MOST_STEPS = 1_000
STEPS_HEIGHT = 260


@dataclass(frozen=True)
class Step:
    """A value from `x` on, as far as the next one; None where it is not known."""

    x: float
    label: str
    value: float | None
    error: float | None


@dataclass(frozen=True)
class StepChart:
    """A line of steps over a number or a date, within a band of its 95 % intervals."""

    key: str
    title: str
    text: str
    axis: str
    width: int
    height: float
    left: float
    right: float
    top: float
    zero: float
    bottom: float
    line: str
    band: str
    ticks: tuple[Tick, ...]
    marks_x: tuple[Tick, ...]
    kind: str = "steps"


def step_chart(
    title: str, steps: Sequence[Step], *, key: str, axis: str, total: int | None = None
) -> StepChart | None:
    """Lay out steps in the order of their x, or return None where fewer than two are known."""
    drawn = sorted(steps[:MOST_STEPS], key=lambda step: step.x)
    known = [
        Point(s.label, s.value, s.error) for s in drawn if s.value is not None and math.isfinite(s.value)
    ]
    if len(known) < 2:
        return None
    left, right, bottom = 70.0, 760.0, TOP + float(STEPS_HEIGHT)
    upright = scale_of(known, bottom, TOP)
    gap = min(after.x - before.x for before, after in pairwise(drawn)) or 1.0
    along = Scale(drawn[0].x, drawn[-1].x + gap, left, right)
    return StepChart(
        key=key,
        title=title,
        text=_steps_text(drawn, known, axis, total or len(steps)),
        axis=axis,
        width=780,
        height=bottom + 54,
        left=left,
        right=right,
        top=TOP,
        zero=upright.at(0.0),
        bottom=bottom,
        line=_line(drawn, along, upright, gap),
        band=_band(drawn, along, upright, gap),
        ticks=tuple(Tick(upright.at(value), number(value)) for value in upright.ticks),
        marks_x=tuple(Tick(along.at(step.x), step.label) for step in drawn[:: max(1, -(-len(drawn) // 8))]),
    )


def _runs(drawn: Sequence[Step]) -> list[list[int]]:
    """Return the places of neighbouring known steps: an unknown one leaves a gap."""
    runs: list[list[int]] = [[]]
    for at, step in enumerate(drawn):
        if step.value is None or not math.isfinite(step.value):
            runs.append([])
        else:
            runs[-1].append(at)
    return [run for run in runs if run]


def _until(drawn: Sequence[Step], at: int, gap: float) -> float:
    """Return where a step ends."""
    return drawn[at + 1].x if at + 1 < len(drawn) else drawn[at].x + gap


def _line(drawn: Sequence[Step], along: Scale, upright: Scale, gap: float) -> str:
    """Return the path of the values."""
    parts = []
    for run in _runs(drawn):
        for place, at in enumerate(run):
            y = upright.at(drawn[at].value or 0.0)
            begin = f"M{along.at(drawn[at].x)} {y}" if place == 0 else f"V{y}"
            parts.append(f"{begin}H{along.at(_until(drawn, at, gap))}")
    return "".join(parts)


def _band(drawn: Sequence[Step], along: Scale, upright: Scale, gap: float) -> str:
    """Return the outline of the intervals: along their upper ends, and back along the lower ones."""
    parts = []
    for run in _runs(drawn):
        corners = []
        for sign, places in ((1, run), (-1, run[::-1])):
            for at in places:
                y = upright.at((drawn[at].value or 0.0) + sign * (drawn[at].error or 0.0))
                ends = (along.at(drawn[at].x), along.at(_until(drawn, at, gap)))
                corners += [f"{x} {y}" for x in (ends if sign > 0 else ends[::-1])]
        parts.append(f"M{' L'.join(corners)}Z")
    return "".join(parts)


def _steps_text(drawn: Sequence[Step], known: Sequence[Point], axis: str, total: int) -> str:
    words = f"Steps over {axis} from {drawn[0].label} to {drawn[-1].label}, within a band of 95 % intervals."
    words += f" {ends(known)}"
    unknown = len(drawn) - len(known)
    if unknown:
        words += f" {unknown} not known and left out."
    if total > len(drawn):
        words += f" The first {len(drawn):,} of {total:,} rows are drawn."
    return words + " The table has every figure."
