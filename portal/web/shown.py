"""What tables and panels show, made ready: expected errors, mock runs, answers. No page computes in its template."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from datetime import datetime

from domains.jobs import queries as jobs
from domains.requests.estimates import Estimate
from domains.requests.models import AnalysisRequest, Revision
from portal.web import charts
from privacy.query.answer import Answer, AnswerColumn
from privacy.query.price import expected_error
from privacy.workload.answer import is_of_workload, tables


@dataclass(frozen=True)
class ExpectedError:
    """One column of the answer and how far it may be from the truth."""

    name: str
    kind: str
    plus_minus: float | None
    note: str


def expected_errors(estimate: Estimate, rows: str) -> list[ExpectedError]:
    """Return ± per figure; where it depends on the size of a group, for the number that the note names.

    That is the number typed by the asker, or else the declared size of the dataset shared evenly among the
    groups: never anything measured (DECISIONS 21).
    """
    pricing = estimate.specification.pricing
    supposed, whose = supposed_rows(estimate, rows)
    errors = expected_error(pricing, supposed) if supposed else {}
    lines = []
    for output in pricing.outputs:
        if output.kind == "key":
            continue
        known, note = output.plus_minus_95, output.note
        if known is None and errors.get(output.name) is not None:
            known, note = errors[output.name], f"if a group has {supposed:,} rows: {whose}"
        lines.append(ExpectedError(output.name, output.kind, None if known is None else float(known), note))
    return lines


def supposed_rows(estimate: Estimate, rows: str) -> tuple[int | None, str]:
    """Return how many rows a group is supposed to have, and in words where that number comes from."""
    typed = rows.strip()
    if typed.isascii() and typed.isdigit() and 0 < int(typed) <= 10**12:
        return int(typed), "your own number"
    declared, cells = estimate.specification.version.declared_rows, estimate.specification.pricing.cells
    if not declared or not cells:
        return None, ""
    return max(1, declared // cells), "the declared size of the dataset, shared evenly"


@dataclass(frozen=True)
class MeasureLine:
    """One noisy vector in plain words."""

    name: str
    words: str


_MECHANISMS = {
    "discrete Gaussian": "noise from a discrete Gaussian is added to each exact figure",
    "discrete Gaussian with threshold": "noise from a discrete Gaussian is added, and only group names whose "
    "noisy count reaches a threshold are shown",
    "discrete Laplace": "noise from a discrete Laplace distribution is added to each exact figure",
}


def measures(estimate: Estimate) -> list[MeasureLine]:
    """Return how each exact figure is made private: its mechanism in words, its ± and its share of the loss."""
    pricing = estimate.specification.pricing
    paid = {name: getattr(pricing.loss, name) for name in ("rho", "pure")}
    lines = []
    for measure in pricing.measures:
        words = _MECHANISMS.get(measure.mechanism, measure.mechanism)
        if measure.plus_minus_95 is not None:
            words += f"; ± {charts.number(float(measure.plus_minus_95))} in 95 of 100 draws"
        share = max((getattr(measure, name, 0) / whole for name, whole in paid.items() if whole), default=0)
        lines.append(MeasureLine(measure.name, f"{words}; takes {share:.0%} of the loss."))
    return lines


def stored_errors(revision: Revision | None) -> list[ExpectedError]:
    """Return the ± that was priced with a revision."""
    if revision is None:
        return []
    return [
        ExpectedError(
            output["name"],
            output["kind"],
            None if output["plus_minus_95"] is None else float(output["plus_minus_95"]),
            output["note"],
        )
        for output in revision.pricing["outputs"]
        if output["kind"] != "key"
    ]


@dataclass(frozen=True)
class Figure:
    """One cell: a key as it is, or a noisy figure with its ±."""

    value: str
    error: str
    is_number: bool


@dataclass(frozen=True)
class Grid:
    """An answer as a table: its columns, its lines of cells, a chart of its first figure, and its remarks."""

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Figure, ...], ...]
    total: int
    charts: tuple[charts.BarChart, ...]
    notes: tuple[str, ...]
    parts: tuple[tuple[str, Grid], ...] = ()  # a workload's tables by name, in place of its lines


MOST_ROWS = 500  # lines written on a page; downloads have them all
MOST_CHARTS = 3


def grid(answer: Answer, *, key: str) -> Grid:
    """Lay an answer out as a table, with a chart for each of its first noisy columns; `key` names them in the page.

    A workload's answer becomes one such table for each of its marginals.
    """
    if is_of_workload(answer):
        named = enumerate(tables(answer))
        parts = tuple((name, grid(part, key=f"{key}-{place}")) for place, (name, part) in named)
        drawn_parts = tuple(
            replace(chart, title=f"{chart.title}: {name}") for name, part in parts for chart in part.charts
        )
        return Grid(answer.columns, (), len(answer.rows), drawn_parts[:MOST_CHARTS], answer.notes, parts)
    lines = tuple(
        tuple(_figure(answer, row, column) for column in range(len(answer.columns)))
        for row in range(min(len(answer.rows), MOST_ROWS))
    )
    noisy = [index for index, column in enumerate(answer.columns) if column.kind != "key"]
    drawn = (_chart(answer, index, f"{key}-{index}") for index in noisy[:MOST_CHARTS])
    found = tuple(chart for chart in drawn if chart is not None)
    return Grid(answer.columns, lines, len(answer.rows), found, answer.notes)


def _figure(answer: Answer, row: int, column: int) -> Figure:
    value, error = answer.value(row, column), answer.accuracy[row][column]
    if answer.columns[column].kind == "key":
        words = {None: "unknown", True: "yes", False: "no", "": "(empty)"}
        is_word = value is None or isinstance(value, bool) or value == ""
        return Figure(words[value] if is_word else str(value), "", is_number=False)  # type: ignore[index]
    if value is None:
        return Figure("not known", "", is_number=True)
    shown_error = charts.number(float(error)) if error is not None else ""
    return Figure(charts.number(float(value)), shown_error, is_number=True)


def _chart(answer: Answer, column: int, key: str) -> charts.BarChart | None:
    """Draw one noisy column, one bar a line, named by the line's keys."""
    keys = [index for index, each in enumerate(answer.columns) if each.kind == "key"]
    points = []
    for row in range(len(answer.rows)):
        value, error = answer.value(row, column), answer.accuracy[row][column]
        if value is not None:
            label = (
                " · ".join(_figure(answer, row, index).value for index in keys) or answer.columns[column].name
            )
            points.append(charts.Point(label, float(value), None if error is None else float(error)))
    return charts.bar_chart(answer.columns[column].name, points, key=key)


@dataclass(frozen=True)
class MockRun:
    """A run on the mock: queued, running, finished or failed, and its table when it has one."""

    status: str
    grid: Grid | None

    @property
    def is_moving(self) -> bool:
        return self.status in {"queued", "running"}


def mock_run(analysis: AnalysisRequest, now: datetime) -> MockRun | None:
    """Return the request's last run on the mock, or None."""
    job = analysis.mock_job
    if job is None:
        return None
    payload = jobs.result(job)
    table = grid(Answer.from_bytes(payload), key="mock") if payload is not None else None
    return MockRun(jobs.public_status(job, now), table)


@dataclass(frozen=True)
class DiffLine:
    """One line of a difference: mark is "+", "-" or a space."""

    mark: str
    text: str


def diff(before: str, after: str) -> list[DiffLine]:
    """Return `after` line by line, marking what was added to `before` and what was taken away."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [DiffLine(line[0], line[2:]) for line in lines if line[0] in "+- "]
