"""A workload's answer: the marginals' tables as one answer, as SQL shows grouping sets, and taken apart again.

The first column names the marginal; a column that a marginal does not have is empty in its rows. The certificate
says which columns each marginal has, for there an empty cell means that the value is missing in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from privacy.errors import EngineFault
from privacy.loss import Loss
from privacy.query.answer import Answer, AnswerColumn, Cell
from privacy.workload.plan import Workload

MARGINAL = "marginal"
_NOTES = (
    "Each table has its own noise, so tables that share a column add up to slightly different totals there.",
    "At most the declared number of rows of each privacy unit is counted, and the same ones in every table.",
)


def joined(workload: Workload, loss: Loss, answers: Sequence[Answer]) -> Answer:
    """Return the answers of a workload's marginals as one."""
    names = workload.columns
    rows: list[tuple[Cell, ...]] = []
    accuracy: list[tuple[str | None, ...]] = []
    for marginal, answer in zip(workload.marginals, answers, strict=True):
        places = {name: place for place, name in enumerate(marginal.columns)}
        for row, errors in zip(answer.rows, answer.accuracy, strict=True):
            keys = [row[places[name]] if name in places else None for name in names]
            rows.append((marginal.name, *keys, row[-1]))
            accuracy.append((*(None,) * (len(names) + 1), _error(answer, errors)))
    columns = [AnswerColumn(name, "key") for name in (_free(MARGINAL, names), *names)]
    columns.append(AnswerColumn(_free("count", names), "count", 1))
    certificate: dict[str, Any] = {
        "plan": workload.sha256(),
        "loss": loss.to_dict(),
        "marginals": [
            {"name": marginal.name, "columns": list(marginal.columns), **_part(answer)}
            for marginal, answer in zip(workload.marginals, answers, strict=True)
        ],
    }
    notes = dict.fromkeys([*(note for answer in answers for note in answer.notes), *_NOTES])
    return Answer(tuple(columns), tuple(rows), tuple(accuracy), tuple(notes), certificate)


def _free(name: str, taken: Sequence[str]) -> str:
    """Return `name`, with underscores where a column of the data has it already."""
    while name.lower() in {each.lower() for each in taken}:
        name += "_"
    return name


def _error(answer: Answer, errors: Sequence[str | None]) -> str | None:
    """Return a count's ±, which the column gives where it holds for every row."""
    return errors[-1] or answer.columns[-1].plus_minus


def _part(answer: Answer) -> dict[str, Any]:
    """Return one marginal's own certificate: its plan, its loss and its mechanism as the library writes it."""
    return {"certificate": dict(answer.certificate)}


def is_of_workload(answer: Answer) -> bool:
    """Say whether an answer holds the tables of a workload."""
    return "marginals" in answer.certificate


def tables(answer: Answer) -> list[tuple[str, Answer]]:
    """Return each marginal's name and table; one nameless table for an answer that is of no workload."""
    if not is_of_workload(answer):
        return [("", answer)]
    try:
        marginals = [(each["name"], list(each["columns"])) for each in answer.certificate["marginals"]]
        place = {column.name: index for index, column in enumerate(answer.columns)}
        parts = {
            name: [*(place[column] for column in columns), len(place) - 1] for name, columns in marginals
        }
    except (KeyError, TypeError):
        raise EngineFault(
            "These bytes are not an answer of this version.", code="answer_unreadable"
        ) from None
    lines: dict[str, list[int]] = {name: [] for name in parts}
    for index, row in enumerate(answer.rows):
        lines[str(row[0])].append(index)
    return [
        (
            name,
            Answer(
                tuple(answer.columns[column] for column in columns),
                tuple(tuple(answer.rows[row][column] for column in columns) for row in lines[name]),
                tuple(tuple(answer.accuracy[row][column] for column in columns) for row in lines[name]),
                (),
                {},
            ),
        )
        for name, columns in parts.items()
    ]
