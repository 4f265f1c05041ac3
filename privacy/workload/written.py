"""A workload written as JSON: marginals, and optionally a condition, bins, weights and rows per unit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from sqlglot import exp

from privacy.schema import decimal_text
from privacy.workload import refuse
from privacy.workload.plan import MAX_WEIGHT

MAX_TEXT = 20_000
MAX_BINS = 100
_FIELDS = {"marginals", "where", "bins", "weights", "rows_per_unit"}


@dataclass(frozen=True)
class Term:
    """One grouping term: the name of the attribute, and what a row's value of it is."""

    name: str
    node: exp.Expression

    @property
    def sql(self) -> str:
        """Return the term's one spelling."""
        return str(self.node.sql(dialect="duckdb", normalize=True, identify=False)).lower()


@dataclass(frozen=True)
class Written:
    """What a JSON workload asks."""

    sets: tuple[tuple[Term, ...], ...]
    weights: tuple[int, ...]
    where: str
    rows_per_unit: int | None


def from_json(text: str) -> Written:
    """Read a JSON workload; raise QueryRejected where a field is unknown or has another form."""
    try:
        data = json.loads(text) if len(text) <= MAX_TEXT else None
    except (ValueError, RecursionError):
        raise refuse.json_form("The text begins like JSON and cannot be read as it.") from None
    if not isinstance(data, dict) or "marginals" not in data or not set(data) <= _FIELDS:
        raise refuse.json_form(
            "A workload has marginals and, if wanted, where, bins, weights and rows_per_unit."
        )
    marginals, where, bins = data["marginals"], data.get("where") or "", data.get("bins") or {}
    is_listed = isinstance(marginals, list) and all(
        isinstance(names, list) and all(isinstance(name, str) and name for name in names)
        for names in marginals
    )
    if not is_listed or not isinstance(where, str) or not isinstance(bins, dict):
        raise refuse.json_form("“marginals” is a list of lists of names, “where” a text, “bins” an object.")
    cuts = {name: _cut(name, points) for name, points in bins.items()}
    sets = tuple(tuple(Term(name, cuts.get(name) or _column(name)) for name in names) for names in marginals)
    if not set(cuts) <= {name for names in marginals for name in names}:
        raise refuse.json_form("“bins” names a column that no marginal has.")
    return Written(sets, _weights(data.get("weights"), len(sets)), where, data.get("rows_per_unit"))


def _column(name: str) -> exp.Expression:
    return exp.column(exp.to_identifier(name, quoted=True))


def _weights(given: Any, count: int) -> tuple[int, ...]:
    """Return one whole weight for each marginal."""
    if given is None:
        return (1,) * count
    is_whole = isinstance(given, list) and all(
        type(weight) is int and 1 <= weight <= MAX_WEIGHT for weight in given
    )
    if not is_whole or len(given) != count:
        raise refuse.weights()
    return tuple(given)


def _cut(name: str, points: Any) -> exp.Expression:
    """Return the CASE that names the bin of a number: below the first point, between two, from the last on."""
    edges = _edges(name, points)
    labels = [f"below {edges[0]}"]
    labels += [f"{low} to below {high}" for low, high in pairwise(edges)]
    case = exp.Case()
    for edge, label in zip(edges, labels, strict=True):
        case = case.when(exp.LT(this=_column(name), expression=_number(edge)), exp.Literal.string(label))
    last = exp.GTE(this=_column(name), expression=_number(edges[-1]))
    return case.when(last, exp.Literal.string(f"{edges[-1]} or more"))


def _number(text: str) -> exp.Expression:
    return exp.Neg(this=exp.Literal.number(text[1:])) if text.startswith("-") else exp.Literal.number(text)


def _edges(name: str, points: Any) -> list[str]:
    """Return ascending cut points in their plain spelling."""
    if not isinstance(points, list) or not 1 <= len(points) <= MAX_BINS:
        raise refuse.bins(name)
    try:
        numbers = [Decimal(str(point)) for point in points if not isinstance(point, bool)]
    except InvalidOperation:
        raise refuse.bins(name) from None
    plain = all(number.is_finite() and abs(number) < Decimal(2**53) for number in numbers)
    if not plain or len(numbers) != len(points) or numbers != sorted(set(numbers)):
        raise refuse.bins(name)
    return [decimal_text(number) for number in numbers]
