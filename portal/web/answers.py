"""An answer made ready for a page: a table of one page of its rows, and the drawing that fits its columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

from django.core.paginator import Page, Paginator

from portal.web import charts, plots, steps
from privacy.query.answer import Answer, AnswerColumn, Cell
from privacy.workload.answer import is_of_workload, tables

PAGE_ROWS = 200  # lines on a page; downloads have them all
MOST_CHARTS = 3
RANKED = "quantile"  # the kind of column whose ± counts places among the values, so it is no length to draw
LEAST_STEPS = 5  # values of an ordered key from which steps say more than bars


@dataclass(frozen=True)
class Figure:
    """One cell: a key as it is, or a noisy figure with its ±."""

    value: str
    error: str
    is_number: bool


@dataclass(frozen=True)
class Grid:
    """An answer as a table: its columns, one page of its lines, its drawings, and its remarks."""

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Figure, ...], ...]
    total: int
    page: Page[int]
    charts: tuple[plots.BarChart | steps.StepChart, ...]
    notes: tuple[str, ...]
    parts: tuple[tuple[str, Grid], ...] = ()  # a workload's tables by name, in place of its lines


def grid(answer: Answer, *, key: str, page: str = "1") -> Grid:
    """Lay an answer out; `key` names its drawings in the page, and only the lines of this `page` are written.

    A workload's answer becomes one such table for each of its marginals.
    """
    if is_of_workload(answer):
        return _of_workload(answer, key)
    shown = Paginator(range(len(answer.rows)), PAGE_ROWS).get_page(page)
    lines = tuple(
        tuple(figure(answer, row, column) for column in range(len(answer.columns))) for row in shown
    )
    return Grid(answer.columns, lines, len(answer.rows), shown, tuple(_drawn(answer, key)), answer.notes)


def _of_workload(answer: Answer, key: str) -> Grid:
    """Return the marginals of a workload, each as a table with its drawings."""
    named = enumerate(tables(answer))
    parts = tuple((name, grid(part, key=f"{key}-{place}")) for place, (name, part) in named)
    drawn = tuple(
        replace(chart, title=f"{chart.title}: {name}") for name, part in parts for chart in part.charts
    )
    none = Paginator(range(0), PAGE_ROWS).get_page(1)
    return Grid(answer.columns, (), len(answer.rows), none, drawn[:MOST_CHARTS], answer.notes, parts)


def figure(answer: Answer, row: int, column: int) -> Figure:
    """Return one cell in words and numbers."""
    value, error = answer.value(row, column), answer.accuracy[row][column]
    if answer.columns[column].kind == "key":
        words = {None: "unknown", True: "yes", False: "no", "": "(empty)"}
        is_word = value is None or isinstance(value, bool) or value == ""
        return Figure(words[value] if is_word else str(value), "", is_number=False)  # type: ignore[index]
    if value is None:
        return Figure("not known", "", is_number=True)
    shown_error = charts.number(float(error)) if error is not None else ""
    if shown_error and answer.columns[column].kind == RANKED:
        shown_error += " points of rank"
    return Figure(charts.number(float(value)), shown_error, is_number=True)


def _drawn(answer: Answer, key: str) -> Iterator[plots.BarChart | steps.StepChart]:
    """Yield a drawing for each of the first noisy columns."""
    keys = [index for index, each in enumerate(answer.columns) if each.kind == "key"]
    noisy = [index for index, each in enumerate(answer.columns) if each.kind != "key"]
    made = (chart for column in noisy for chart in _of_column(answer, keys, column, f"{key}-{column}"))
    yield from islice(made, MOST_CHARTS)


def _of_column(
    answer: Answer, keys: Sequence[int], column: int, key: str
) -> Iterator[plots.BarChart | steps.StepChart]:
    """Yield steps along the last key where that is ordered, one drawing for each of the others; else bars."""
    if not keys or not _is_ordered(answer, keys[-1]):
        chart = _bars(answer, keys, column, key)
        if chart is not None:
            yield chart
        return
    found: dict[str, list[steps.Step]] = {}
    for row in range(min(len(answer.rows), steps.MOST_STEPS)):
        place = ordinal(answer.rows[row][keys[-1]])
        if place is not None:
            head = " · ".join(figure(answer, row, index).value for index in keys[:-1])
            found.setdefault(head, []).append(_step(answer, row, keys[-1], column, place))
    name, axis = answer.columns[column].name, answer.columns[keys[-1]].name
    for number, (head, along) in enumerate(found.items()):
        title = f"{name}, {head}" if head else name
        total = len(answer.rows) if len(answer.rows) > steps.MOST_STEPS else None
        chart_of = steps.step_chart(title, along, key=f"{key}-{number}", axis=axis, total=total)
        if chart_of is not None:
            yield chart_of


def _is_ordered(answer: Answer, column: int) -> bool:
    """Say whether a key holds enough numbers or dates, and nothing else, to be drawn along."""
    values = {row[column] for row in answer.rows[: steps.MOST_STEPS]} - {None}
    places = [ordinal(value) for value in values]
    return len(places) >= LEAST_STEPS and None not in places


def ordinal(value: Cell) -> float | None:
    """Return where a number or a date lies, or None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return float(value)
    try:
        return float(date.fromisoformat(value).toordinal()) if len(value) == 10 else _decimal(value)
    except ValueError:
        return None


def _decimal(text: str) -> float | None:
    place = float(text)
    return place if math.isfinite(place) else None


def _error(answer: Answer, row: int, column: int) -> float | None:
    """Return ± where it is in the figure's own unit."""
    error = answer.accuracy[row][column]
    return None if error is None or answer.columns[column].kind == RANKED else float(error)


def _step(answer: Answer, row: int, along: int, column: int, place: float) -> steps.Step:
    value = answer.value(row, column)
    return steps.Step(
        place,
        figure(answer, row, along).value,
        None if value is None else float(value),
        _error(answer, row, column),
    )


def _bars(answer: Answer, keys: Sequence[int], column: int, key: str) -> plots.BarChart | None:
    """Draw one noisy column, a bar a line; with two keys and more, the first ones head the last one's bars."""
    points = []
    for row in range(len(answer.rows)):
        value = answer.value(row, column)
        if value is None:
            continue
        names = [figure(answer, row, index).value for index in keys] or [answer.columns[column].name]
        points.append(
            plots.Point(names[-1], float(value), _error(answer, row, column), " · ".join(names[:-1]))
        )
        if len(points) == plots.MOST_BARS:
            break
    return plots.bar_chart(answer.columns[column].name, points, key=key, total=len(answer.rows))
