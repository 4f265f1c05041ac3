"""What tables and panels show, made ready: expected errors, mock runs, answers. No page computes in its template."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime

from domains.jobs import queries as jobs
from domains.requests.estimates import Estimate
from domains.requests.models import AnalysisRequest, Revision
from portal.web import charts
from privacy.query.answer import Answer, AnswerColumn
from privacy.query.price import expected_error


@dataclass(frozen=True)
class ExpectedError:
    """One column of the answer and how far it may be from the truth."""

    name: str
    kind: str
    plus_minus: float | None
    note: str


def expected_errors(estimate: Estimate, rows: str) -> list[ExpectedError]:
    """Return ± per column; a mean's only for the number of rows that the asker typed (DECISIONS 21)."""
    pricing = estimate.specification.pricing
    typed = rows.strip()
    supposed = int(typed) if typed.isdigit() and 0 < int(typed) <= 10**12 else None
    errors = expected_error(pricing, supposed) if supposed else {}
    lines = []
    for output in pricing.outputs:
        if output.kind == "key":
            continue
        known = errors.get(output.name, output.plus_minus_95) if supposed else output.plus_minus_95
        note = output.note
        if output.kind == "mean" and known is not None and supposed:
            note = f"if a group has {supposed:,} rows: your own number"
        lines.append(ExpectedError(output.name, output.kind, None if known is None else float(known), note))
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


MOST_ROWS = 500  # lines written on a page; downloads have them all
MOST_CHARTS = 3


def grid(answer: Answer, *, key: str) -> Grid:
    """Lay an answer out as a table, with a chart for each of its first noisy columns; `key` names them in the page."""
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
