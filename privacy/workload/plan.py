"""The workload: several counting plans over the same rows, and what share of the loss each is given.

A workload keeps the same rows of a privacy unit in every marginal: at most `rows_per_unit` of them, wherever they
lie. So all marginals are about one table, and each has L2 = rows_per_unit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from privacy.errors import QueryRejected
from privacy.query.plan import Plan, columns_touched, describe
from privacy.schema import Table
from privacy.unit import PrivacyUnit

VERSION = 1
KIND = "workload"
MAX_MARGINALS = 64
MAX_WEIGHT = 1_000
SEPARATOR = " × "


def invalid_workload() -> QueryRejected:
    """Return the refusal of a workload that no parser of ours wrote."""
    return QueryRejected(
        "invalid_workload", "plan", "This is not a workload of this version.", "Parse the request again."
    )


@dataclass(frozen=True)
class Marginal:
    """One table of counts: its plan, whose last output is the count, and the weight of its share of the loss."""

    plan: Plan
    weight: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the marginal's attributes, in its order."""
        return tuple(output.name for output in self.plan.outputs[:-1])

    @property
    def name(self) -> str:
        """Return what pages call this marginal."""
        return SEPARATOR.join(self.columns)


@dataclass(frozen=True)
class Workload:
    """Marginals measured together; `rows_per_unit` is None where the declared bound holds."""

    marginals: tuple[Marginal, ...]
    rows_per_unit: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all attributes, each once, in the order of their first use."""
        return tuple(dict.fromkeys(name for marginal in self.marginals for name in marginal.columns))

    def held(self, table: Table) -> Table:
        """Return `table` with the bounds under which each marginal is measured: one group's worth of rows a unit.

        Where the bound on groups is 1, `privacy.query` keeps the first rows of a unit in the order of their
        salted hash, whatever group they lie in: the same ones for each plan that has the same condition.
        """
        unit = table.unit
        if unit.column is None:
            return table
        rows = unit.max_rows if self.rows_per_unit is None else self.rows_per_unit
        return replace(table, unit=PrivacyUnit(unit.column, 1, rows))

    def to_dict(self) -> dict[str, Any]:
        """Return the workload as JSON values."""
        return {
            "kind": KIND,
            "version": VERSION,
            "marginals": [
                {"plan": marginal.plan.to_dict(), "weight": marginal.weight} for marginal in self.marginals
            ],
            "rows_per_unit": self.rows_per_unit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Workload:
        """Read what `to_dict` wrote; raise QueryRejected on anything else."""
        try:
            marginals = tuple(
                Marginal(Plan.from_dict(each["plan"]), each["weight"]) for each in data["marginals"]
            )
            workload = cls(marginals, data["rows_per_unit"])
        except (KeyError, TypeError):
            raise invalid_workload() from None
        is_same = set(data) == set(workload.to_dict()) and (data["kind"], data["version"]) == (KIND, VERSION)
        if not is_same or not all(len(marginal.plan.outputs) > 1 for marginal in marginals):
            raise invalid_workload()
        return workload

    def canonical(self) -> bytes:
        """Return the one spelling of this workload that is hashed."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    def sha256(self) -> str:
        """Return the workload's hash as 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()


def is_workload(data: object) -> bool:
    """Say whether a stored plan is a workload; only its kind is looked at."""
    return isinstance(data, Mapping) and data.get("kind") == KIND


_GROUPS = "One group for each "
_OWN_WORDS = (
    "Computes ",
    "One group ",
    "Columns read",
)  # a single plan's lines that a workload says its own way


def in_words(workload: Workload) -> list[str]:
    """Return lines that say what the workload counts, from which rows and columns, for the person who decides."""
    marginals = workload.marginals
    lines = [f"Counts rows in {len(marginals)} tables, all paid for by one charge."]
    for marginal in marginals:
        share = "" if marginal.weight == 1 else f" It gets {marginal.weight} parts of the loss."
        groups = next(line for line in describe(marginal.plan) if line.startswith(_GROUPS))
        lines.append(f"One count for each {groups.removeprefix(_GROUPS)}{share}")
    lines += [line for line in describe(marginals[0].plan) if not line.startswith(_OWN_WORDS)]
    if workload.rows_per_unit is not None:
        lines.append(f"Counts at most {workload.rows_per_unit} rows of each privacy unit.")
    return [*lines, "Columns read: " + ", ".join(touched(workload)) + "."]


def touched(workload: Workload) -> tuple[str, ...]:
    """Return the names of every private column the workload reads, sorted."""
    names = {name for marginal in workload.marginals for name in columns_touched(marginal.plan)}
    return tuple(sorted(names))
