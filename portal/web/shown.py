"""What tables and panels show, made ready: expected errors, mock runs, answers. No page computes in its template."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime

from domains.jobs import queries as jobs
from domains.requests.estimates import Estimate
from domains.requests.models import AnalysisRequest, Revision
from portal.web import charts
from portal.web.answers import Grid, grid
from privacy.query.answer import Answer
from privacy.query.price import expected_error


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
    "exponential mechanism": "one of the public values is drawn, the likelier the nearer its rank is to the one asked",
    "permute and flip": "one of the public values is drawn, the likelier the nearer its rank is to the one asked",
    "discrete Laplace": "noise from a discrete Laplace distribution is added to each exact figure",
}


def measures(estimate: Estimate) -> list[MeasureLine]:
    """Return how each exact figure is made private: its mechanism in words, its ± and its share of the loss."""
    pricing = estimate.specification.pricing
    paid = {name: getattr(pricing.loss, name) for name in ("rho", "pure")}
    lines = []
    for measure in pricing.measures:
        words = _MECHANISMS.get(measure.mechanism, measure.mechanism)
        if " on " in measure.mechanism:  # a tree of sums
            base, levels = measure.mechanism.split(" on ", 1)
            words = f"{_MECHANISMS.get(base, base)}, on {levels} that are then made to agree"
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
