"""Questions that a fitted model answers: counts by its columns, from noisy values alone and so at no charge.

A question is covered if it counts rows of the same source, groups by columns of the workload, and has conditions
over them beside the workload's own. Where all its columns were measured in one marginal, ± is honest: the sum of
that marginal's noisy cells is unbiased with a known variance, so the fitted figure lies within
|fitted − noisy| + 1.96 σ √cells of the truth with 95 % confidence. Elsewhere no error is known, and none is stated.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np

from privacy.errors import QueryRejected
from privacy.query.answer import Answer, AnswerColumn, Cell
from privacy.query.plan import Expr, Plan
from privacy.workload.model import Array, Model, half_width
from privacy.workload.plan import Workload

Value = str | bool | Fraction | None
SCALE = 10  # figures are told to one decimal place
MAX_CONDITION_CELLS = 100_000
_SOURCE = ("table", "source")  # what must be the same in both plans; a plan may have only the first


def not_covered(message: str) -> QueryRejected:
    """Return the refusal of what the model does not know."""
    return QueryRejected(
        "not_covered",
        "query",
        message,
        "Count rows by columns of the workload, with conditions on them; or pay for a fresh answer.",
    )


@dataclass(frozen=True)
class Question:
    """A covered question: names of its grouping columns, its conditions, and the columns that these read."""

    plan: Plan
    keys: tuple[str, ...]
    conditions: tuple[Expr, ...]
    filters: tuple[Expr | None, ...]  # one for each aggregate
    reads: tuple[str, ...]


def question(plan: Plan, workload: Workload) -> Question:
    """Return `plan` as a question to a model of `workload`; raise QueryRejected `not_covered` where it is none."""
    first = workload.marginals[0].plan
    if any(getattr(plan, name, None) != getattr(first, name, None) for name in _SOURCE):
        raise not_covered("The model is about other rows.")
    if plan.having is not None or plan.order or plan.limit is not None:
        raise not_covered("The model answers without HAVING, ORDER BY and LIMIT.")
    if any(each.fn != "count" or each.arg is not None for each in plan.aggregates):
        raise not_covered("The model knows only numbers of rows.")
    if any(output.expr.op not in ("key", "agg") for output in plan.outputs):
        raise not_covered("The model answers with plain counts; compute with them yourself.")
    known = _names(workload)
    missing = [key for key in plan.keys if key not in known]
    if missing:
        raise not_covered("A grouping column is not one of the workload's.")
    conditions = _beside(plan.where, first.where)
    filters = tuple(aggregate.filter for aggregate in plan.aggregates)
    plain = {name for key, name in known.items() if _is_plain(key, name)}
    read = [name for each in (*conditions, *filters) if each is not None for name in _read(each)]
    if not set(read) <= plain:
        raise not_covered("A condition reads a column that is not one of the workload's.")
    keys = tuple(known[key] for key in plan.keys)
    return Question(plan, keys, conditions, filters, tuple(dict.fromkeys(read)))


def _names(workload: Workload) -> dict[object, str]:
    """Return the workload's attributes by what they group by."""
    found: dict[object, str] = {}
    for marginal in workload.marginals:
        found |= dict(zip(marginal.plan.keys, marginal.columns, strict=True))
    return found


def _is_plain(key: object, name: str) -> bool:
    """Say whether an attribute is a column as it is, so that conditions on the column can be asked of it."""
    return key == name or (isinstance(key, Expr) and key.op == "col" and key.value == name)


def _read(expr: Expr) -> list[str]:
    return [str(node.value) for node in expr.walk() if node.op == "col"]


def _conjuncts(expr: Expr | None) -> tuple[Expr, ...]:
    if expr is None:
        return ()
    return tuple(part for arg in expr.args for part in _conjuncts(arg)) if expr.op == "and" else (expr,)


def _beside(where: Expr | None, own: Expr | None) -> tuple[Expr, ...]:
    """Return the conditions of a question beside the workload's own, which it must have too."""
    asked, held = _conjuncts(where), _conjuncts(own)
    if any(part not in asked for part in held):
        raise not_covered("The workload has a condition that this question does not.")
    return tuple(part for part in asked if part not in held)


def answer(model: Model, asked: Question, *, label: str, model_sha256: str) -> Answer:
    """Return the model's answer, labelled; raise QueryRejected where the model cannot say."""
    names = list(dict.fromkeys([*asked.keys, *asked.reads]))
    joint = model.project(names)
    noisy = _noisy(model, names)
    cells = list(itertools.product(*(model.values(name) for name in asked.keys)))
    figures = [_figures(model, asked, names, joint, noisy, only) for only in asked.filters]
    columns, rows, accuracy = [], [], []
    for output in asked.plan.outputs:
        columns.append(
            AnswerColumn(output.name, "key" if output.expr.op == "key" else "count", _scale(output.expr))
        )
    for place, cell in enumerate(cells):
        row: list[Cell] = []
        errors: list[str | None] = []
        for output in asked.plan.outputs:
            index = int(output.expr.value or 0)
            if output.expr.op == "key":
                row.append(cell[index])
                errors.append(None)
            else:
                value, error = figures[index][place]
                row.append(round(value * SCALE))
                errors.append(error)
        rows.append(tuple(row))
        accuracy.append(tuple(errors))
    certificate = {"plan": asked.plan.sha256(), "model": model_sha256, "method": model.method}
    return Answer(tuple(columns), tuple(rows), tuple(accuracy), _notes(label, noisy is not None), certificate)


def _scale(expr: Expr) -> int | None:
    return None if expr.op == "key" else SCALE


def _notes(label: str, is_measured: bool) -> tuple[str, ...]:
    first = "± holds with 95 % confidence for each figure: these columns were measured together, noise known."
    other = (
        "No ± is known: these columns were not measured together. The model supposes that they hang together only"
        " through the columns that link them in the workload, which the data need not obey."
    )
    bounds = "± covers the noise and the fit, not rows left out because one privacy unit had too many."
    return (label, first, bounds) if is_measured else (label, other)


def _noisy(model: Model, names: list[str]) -> tuple[Array, Array] | None:
    """Return noisy counts by `names` and the variance of each, from the marginal that says it best; or None."""
    best: tuple[Array, Array] | None = None
    for index, one in enumerate(model.measured):
        if not set(names) <= set(one.columns):
            continue
        gone = tuple(axis for axis, name in enumerate(one.columns) if name not in names)
        kept = [name for name in one.columns if name in names]
        table = model.noisy(index).sum(axis=gone).transpose([kept.index(name) for name in names])
        merged = np.prod([model.size(one.columns[axis]) for axis in gone])
        variance = np.full(table.shape, float(merged) * half_width(one.scale, 1) ** 2)
        if best is None or variance.flat[0] < best[1].flat[0]:
            best = (table, variance)
    return best


def _figures(
    model: Model,
    asked: Question,
    names: list[str],
    joint: Array,
    noisy: tuple[Array, Array] | None,
    only: Expr | None,
) -> list[tuple[float, str | None]]:
    """Return each group's fitted count and ±, in the order of the groups."""
    conditions = [*asked.conditions, *([] if only is None else [only])]
    mask = _mask(model, asked.reads, conditions)
    places = {name: names.index(name) for name in asked.reads}
    full = np.zeros(model.shape(names))
    for where in np.argwhere(mask):
        at: list[int | slice] = [slice(None)] * len(names)
        for name, value in zip(asked.reads, where, strict=True):
            at[places[name]] = int(value)
        full[tuple(at)] = 1.0
    rest = tuple(range(len(asked.keys), len(names)))
    fitted = (joint * full).sum(axis=rest).ravel()
    if noisy is None:
        return [(float(value), None) for value in fitted]
    table = (noisy[0] * full).sum(axis=rest).ravel()
    width = np.sqrt((noisy[1] * full).sum(axis=rest)).ravel()
    return [
        (float(value), f"{abs(value - seen) + spread + 0.5 / SCALE:.6g}")
        for value, seen, spread in zip(fitted, table, width, strict=True)
    ]


def _mask(model: Model, reads: tuple[str, ...], conditions: list[Expr]) -> Array:
    """Return 1 for each combination of the columns read for which every condition holds."""
    shape = model.shape(reads)
    if int(np.prod(shape)) > MAX_CONDITION_CELLS:
        raise not_covered("The conditions read too many columns at once.")
    mask = np.zeros(shape)
    for place in np.ndindex(*shape):
        row = {name: model.values(name)[index] for name, index in zip(reads, place, strict=True)}
        mask[place] = all(truth(condition, row) is True for condition in conditions)
    return mask


def truth(expr: Expr, row: Mapping[str, Cell]) -> bool | None:
    """Return whether a condition holds in a row of public values; None where SQL's answer is unknown."""
    if expr.op in ("and", "or"):
        parts = [truth(arg, row) for arg in expr.args]
        decisive = expr.op == "or"
        return decisive if decisive in parts else (None if None in parts else not decisive)
    if expr.op == "not":
        inner = truth(expr.args[0], row)
        return None if inner is None else not inner
    if expr.op in ("col", "bool", "null") and not expr.args:
        found = _value(expr, row)
        return found if found is None or isinstance(found, bool) else _unknown()
    if expr.op not in ("eq", "lt", "le", "in", "isnull"):
        return _unknown()
    left, *others = [_value(arg, row) for arg in expr.args]
    if expr.op == "isnull":
        return left is None
    return _compared(expr.op, left, others)


def _compared(op: str, left: Value, others: list[Value]) -> bool | None:
    """Return a comparison in SQL's three values."""
    if left is None or (op != "in" and others[0] is None):
        return None
    if op in ("eq", "in"):
        if any(other is not None and other == left and type(other) is type(left) for other in others):
            return True
        return None if None in others else False
    right = others[0]
    if not isinstance(left, Fraction) or not isinstance(right, Fraction):
        return _unknown()
    return left < right if op == "lt" else left <= right


def _value(expr: Expr, row: Mapping[str, Cell]) -> Value:
    """Return a column's value or a literal; numbers exactly."""
    if expr.op == "col":
        cell = row[str(expr.value)]
        return Fraction(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
    if expr.op == "num" or (expr.op == "neg" and expr.args[0].op == "num"):
        return Fraction(expr.value or "0") if expr.op == "num" else -Fraction(expr.args[0].value or "0")
    literals: dict[str, Value] = {"text": expr.value, "bool": expr.value == "true", "null": None}
    return literals[expr.op] if expr.op in literals else _unknown()


def _unknown() -> NoReturn:
    """Refuse a condition that the model's public values cannot decide."""
    raise not_covered("The model decides comparisons of columns with values, IN, IS NULL, AND, OR and NOT.")
