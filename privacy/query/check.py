"""Whether a plan may be priced and run against a declared table: types, keys, names and sizes.

The parser calls this, and so does the engine again when it is handed a plan: it trusts no stored one.
"""

from __future__ import annotations

from dataclasses import dataclass

from privacy.errors import QueryRejected
from privacy.query import refuse, refuse_source
from privacy.query.check_aggregate import check_aggregate
from privacy.query.expr import ARITHMETIC, COMPARISONS, RUNNING, Expr, invalid_plan
from privacy.query.intervals import TEXT, Typed
from privacy.query.plan import Plan
from privacy.query.refuse import mismatch
from privacy.query.relation import Scan, within
from privacy.query.scope import MAX_KEYS, Columns, columns_of, is_public, table_of
from privacy.query.types import Checker
from privacy.query.words import formula
from privacy.schema import Table

MAX_CELLS = 100_000
MAX_OUTPUTS = 50


@dataclass(frozen=True)
class Key:
    """One grouping expression; `codes` are its public values, or None where they are not known beforehand.

    `has_unknown` adds one group for rows where it is unknown. Days are written as ISO dates.
    """

    expr: Expr
    typed: Typed
    codes: tuple[str | int | bool, ...] | None
    has_unknown: bool

    @property
    def size(self) -> int:
        """Return the number of public values, the group for missing ones included."""
        return len(self.codes or ()) + self.has_unknown

    @property
    def values(self) -> tuple[str | int | bool | None, ...]:
        """Return the public values in their declared order, the group for missing ones last."""
        return (*(self.codes or ()), *((None,) if self.has_unknown else ()))


def key_of(expr: Expr, plan: Plan, columns: Columns) -> Key:
    """Return how `expr` can be grouped by; refuse what has too many or no public values."""
    typed = Checker(columns, "GROUP BY").check(expr)
    codes = typed.codes_or_range
    if not any(node.op == "col" for node in expr.walk()) or (codes is None and typed.kind != TEXT):
        raise refuse.group_unbounded(formula(expr, plan))
    return Key(expr, typed, codes, typed.is_nullable)


def keys_of(plan: Plan, table: Table) -> tuple[Key, ...]:
    """Return the plan's grouping expressions as keys."""
    columns = columns_of(plan.source, table)
    return tuple(key_of(expr, plan, columns) for expr in plan.keys)


def check_plan(plan: Plan, table: Table) -> None:
    """Refuse a plan that is not total, not typed, too wide, or computes no aggregate."""
    if plan.table != table.name:
        raise refuse.unknown_table(table.name)
    _check_size(plan)
    columns = columns_of(plan.source, table)
    if is_public(plan.source, table):
        raise refuse_source.public_only()
    cells = 1
    for key in keys_of(plan, table):
        cells *= 1 if key.codes is None else key.size
        if cells > MAX_CELLS:
            raise QueryRejected(
                "too_many_cells",
                "GROUP BY",
                f"These columns make more than {MAX_CELLS} groups.",
                "Group by fewer columns, or by ones with shorter code lists.",
            )
    if plan.where is not None:
        Checker(columns, "WHERE").truth(plan.where)
    has_unit = unit_of(plan, table) is not None
    for aggregate in plan.aggregates:
        check_aggregate(aggregate, columns, keys=len(plan.keys), has_unit=has_unit)
        if aggregate.filter is not None:
            Checker(columns, "FILTER").truth(aggregate.filter)
    _check_answer(plan, table)
    _check_running(plan, table)


def _check_running(plan: Plan, table: Table) -> None:
    """Refuse a running count over groups whose names are themselves private."""
    if any(aggregate.fn in RUNNING for aggregate in plan.aggregates) and any(
        key.codes is None for key in keys_of(plan, table)
    ):
        raise QueryRejected(
            "running_unknown_keys",
            "OVER",
            "A running count needs groups that are known beforehand.",
            "Group by columns with a code list or a short declared range.",
        )


def unit_of(plan: Plan, table: Table) -> str | None:
    """Return the privacy unit's column in the first private table that the plan reads; None for the row."""
    scans = [part for part in within(plan.source) if isinstance(part, Scan) and not is_public(part, table)]
    return table_of(scans[0].table, table).unit.column if scans else None


def _check_size(plan: Plan) -> None:
    """Refuse a plan with no aggregate, or with too many parts."""
    if not plan.aggregates:
        raise refuse.no_aggregate()
    if len(plan.outputs) > MAX_OUTPUTS or len(plan.aggregates) > MAX_OUTPUTS or len(plan.keys) > MAX_KEYS:
        raise QueryRejected(
            "too_many_columns",
            "SELECT",
            f"A query has at most {MAX_OUTPUTS} columns and {MAX_KEYS} grouping columns.",
            "Split the question into several queries.",
        )
    if len(set(plan.keys)) != len(plan.keys):
        raise invalid_plan()
    names = [output.name.lower() for output in plan.outputs]
    if len(set(names)) != len(names):
        raise QueryRejected(
            "duplicate_name", "SELECT", "Two columns of the answer share a name.", "Name each with AS."
        )
    if any(not name or len(name) > 128 or not name.isprintable() for name in names):
        raise QueryRejected("bad_name", "SELECT", "A column's name cannot be shown.", "Choose a plain name.")


def _check_answer(plan: Plan, table: Table) -> None:
    """Refuse outputs, HAVING and ORDER BY that are not formulas over the answer."""
    keys = keys_of(plan, table)
    for output in plan.outputs:
        if _post_kind(output.expr, plan, keys, "SELECT") == "key" and output.expr.op != "key":
            mismatch("SELECT", "A grouping column stands for itself in the answer.")
        if not any(node.op in ("key", "agg") for node in output.expr.walk()):
            raise refuse.no_aggregate()
        if _post_kind(output.expr, plan, keys, "SELECT") == "truth":
            mismatch("SELECT", "A condition cannot be a column of the answer.")
    if plan.having is not None and _post_kind(plan.having, plan, keys, "HAVING") != "truth":
        mismatch("HAVING", "HAVING needs a condition.")
    for order in plan.order:
        if _post_kind(order.expr, plan, keys, "ORDER BY") == "truth":
            mismatch("ORDER BY", "ORDER BY needs a figure or a grouping column.")


def _post_kind(expr: Expr, plan: Plan, keys: tuple[Key, ...], clause: str) -> str:
    """Return whether a formula over the answer is a "number", a "truth" or a "key"."""
    if expr.op in ("key", "agg"):
        pool = len(plan.keys) if expr.op == "key" else len(plan.aggregates)
        if expr.args or not (expr.value or "").isascii() or not (expr.value or "").isdigit():
            raise invalid_plan()
        if int(expr.value or 0) >= pool:
            raise invalid_plan()
        return "key" if expr.op == "key" else "number"
    if expr.op == "num":
        Checker({}, clause).check(expr)
        return "number"
    if expr.op in ("text", "bool", "date", "null"):
        return "key"
    kinds = [_post_kind(arg, plan, keys, clause) for arg in expr.args]
    if _is_formula(expr, kinds):
        return "number"
    if _is_condition(expr, kinds):
        return "truth"
    raise refuse.unknown_function(f"{expr.op.upper()} on the answer's figures", clause)


def _is_formula(expr: Expr, kinds: list[str]) -> bool:
    """Say whether an operation is arithmetic on figures."""
    return (expr.op == "neg" and kinds == ["number"]) or (expr.op in ARITHMETIC and kinds == ["number"] * 2)


def _is_condition(expr: Expr, kinds: list[str]) -> bool:
    """Say whether an operation is a condition on figures or grouping columns."""
    if expr.op == "not":
        return kinds == ["truth"]
    if expr.op in ("and", "or"):
        return len(kinds) > 1 and set(kinds) == {"truth"}
    if expr.op == "isnull":
        return len(kinds) == 1 and kinds[0] != "truth"
    if expr.op == "in":
        return len(kinds) > 1 and _comparable(Expr("eq", expr.args), kinds)
    return expr.op in COMPARISONS and len(kinds) == 2 and _comparable(expr, kinds)


def _comparable(expr: Expr, kinds: list[str]) -> bool:
    """Say whether figures are compared with figures, or grouping columns with literals."""
    if "truth" in kinds:
        return False
    if "key" not in kinds:
        return True
    return expr.op == "eq" and all(
        arg.op in ("key", "text", "num", "bool", "date", "null") for arg in expr.args
    )
