"""What a relation holds, from public declarations alone: its columns' types, and how many rows of one unit.

Every level is typed and checked here, when a plan is parsed and again when it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from privacy.query import refuse, refuse_source
from privacy.query.dates import DATE_PARTS
from privacy.query.expr import Aggregate, Expr, invalid_plan
from privacy.query.intervals import BOOL, NULL, NUMBER, Typed, grid
from privacy.query.numbers import MAX_SIZE
from privacy.query.refuse import mismatch
from privacy.query.relation import MATCHED, MAX_RELATIONS, Derived, Join, Relation, Scan, within
from privacy.query.types import Checker, column_type
from privacy.schema import Table

INNER = ("count", "distinct", "sum", "mean", "min", "max")
MAX_JOINED = 10_000  # joined rows of one unit
MAX_KEYS = 8
MOST_ROWS = 10**9
MAX_COUNTED = 2**53  # beyond it a double no longer holds every integer
Columns = Mapping[str, Typed]
_WHOLE = frozenset({"floor", "ceil", "round", *DATE_PARTS})


@dataclass(frozen=True)
class Extent:
    """How much of one privacy unit a relation holds.

    `units` bounds the number of units; an answer counts a unit in `groups` groups with `rows` rows in each.
    `held` is how many rows of a unit there can be, None where nothing holds them back; `declared` is how many
    the owner expects at most, and how many a join lets in.
    """

    units: int
    groups: int
    rows: int
    held: int | None
    declared: int

    @property
    def kept(self) -> int:
        """Return how many rows of a unit a join lets in."""
        return self.declared if self.held is None else min(self.held, self.declared)


def table_of(name: str, main: Table) -> Table:
    """Return the declared table of exactly that name."""
    found = main.find_table(name)
    if found is None or found.name != name:
        raise refuse.unknown_table(main.name)
    return found


def is_public(relation: Relation, main: Table) -> bool:
    """Say whether a relation is a public look-up table."""
    return isinstance(relation, Scan) and table_of(relation.table, main).is_public


def columns_of(relation: Relation, main: Table) -> Columns:
    """Return a relation's columns by name with what each can be; raise QueryRejected where a level may not run."""
    return _facts(relation, main)[0]


def extent(relation: Relation, main: Table) -> Extent:
    """Return how much of one privacy unit a relation holds; raise QueryRejected where a level may not run."""
    return _facts(relation, main)[1]


def _facts(relation: Relation, main: Table) -> tuple[Columns, Extent]:
    """Return the checked columns and the extent of a relation, each level read once."""
    if sum(1 for _ in within(relation)) > MAX_RELATIONS:
        raise refuse_source.too_many_relations()
    if isinstance(relation, Scan):
        table = table_of(relation.table, main)
        columns: Columns = {column.name: column_type(column) for column in table.columns}
        unit, most = table.unit, table.unit.max_groups * table.unit.max_rows
        held = Extent(
            table.max_units, unit.max_groups, unit.max_rows, 1 if unit.column is None else None, most
        )
    elif isinstance(relation, Derived):
        columns, held = _derived(relation, main)
    else:
        columns, held = _joined(relation, main)
    if relation.where is not None:
        Checker(columns, "WHERE").truth(relation.where)
    return columns, held


def _derived(derived: Derived, main: Table) -> tuple[Columns, Extent]:
    """Return the facts of rows grouped within their unit: no more of a unit than there are values of the keys."""
    if is_public(derived.source, main):
        raise refuse_source.public_only()
    source, held = _facts(derived.source, main)
    if len(derived.keys) > MAX_KEYS or len(set(derived.keys)) != len(derived.keys):
        raise invalid_plan()
    columns: dict[str, Typed] = {}
    values: int | None = 1
    for index, key in enumerate(derived.keys):
        typed = columns[f"key.{index}"] = Checker(source, "GROUP BY").check(key)
        # A declared number need not lie on its grid, so only codes and what was rounded bound how many there are.
        is_listed = typed.kind != NUMBER or bool(typed.codes) or key.op in _WHOLE
        codes = typed.codes_or_range if is_listed else None
        values = None if values is None or codes is None else values * (len(set(codes)) + typed.is_nullable)
    for index, aggregate in enumerate(derived.aggregates):
        columns[f"agg.{index}"] = inner_type(aggregate, source, held.kept)
    most = min((end for end in (held.held, values) if end is not None), default=None)
    return columns, replace(
        held, held=most, declared=held.declared if most is None else min(held.declared, most)
    )


def _joined(join: Join, main: Table) -> tuple[Columns, Extent]:
    """Return the facts of a join; the right side's columns may be unknown where a row found no partner."""
    if is_public(join.left, main):
        raise refuse_source.public_only()
    (left, own), (right, other) = _facts(join.left, main), _facts(join.right, main)
    if (join.on is not None) != is_public(join.right, main):
        raise invalid_plan()
    if join.on is not None:
        _check_key(join, left, right, main)
    columns = {f"l.{name}": typed for name, typed in left.items()}
    for name, typed in right.items():
        columns[f"r.{name}"] = replace(typed, is_nullable=typed.is_nullable or join.is_left)
    if join.is_left:
        columns[MATCHED] = Typed(BOOL)
    return columns, own if join.on is not None else _pairs(own, other, is_left=join.is_left)


def _pairs(left: Extent, right: Extent, *, is_left: bool) -> Extent:
    """Return the extent of two private relations joined on the unit; each side lets in what it keeps of a unit."""
    rows = left.kept * right.kept
    if rows > MAX_JOINED:
        raise refuse_source.join_too_wide(MAX_JOINED)
    units = left.units if is_left else min(left.units, right.units)
    return Extent(units, max(left.groups, right.groups), max(left.rows, right.rows), rows, rows)


def _check_key(join: Join, left: Columns, right: Columns, main: Table) -> None:
    """Refuse a look-up by a value of another kind than the public table's key."""
    own = Checker(left, "ON").check(join.on or Expr("null"))
    key = right[key_name(join.right, main)]
    if own.kind not in (key.kind, NULL):
        mismatch("ON", f"A {own.kind} cannot be looked up in a key that is a {key.kind}.")


def key_name(relation: Relation, main: Table) -> str:
    """Return the declared key column of a public table."""
    key = table_of(relation.table, main).key if isinstance(relation, Scan) else None
    if key is None:
        raise invalid_plan()
    return key


def inner_type(aggregate: Aggregate, source: Columns, most: int) -> Typed:
    """Return what an aggregate over at most `most` rows of one unit can be; what exceeds it is clamped."""
    checker = Checker(source, "SELECT")
    if aggregate.fn not in INNER or (aggregate.arg is None) != (
        aggregate.fn == "count" and aggregate.arg is None
    ):
        raise invalid_plan()
    if aggregate.filter is not None:
        Checker(source, "FILTER").truth(aggregate.filter)
    arg = None if aggregate.arg is None else checker.check(aggregate.arg)
    if arg is None or aggregate.fn in ("count", "distinct"):
        is_whole = arg is None and aggregate.filter is None
        return Typed(NUMBER, Fraction(int(is_whole)), Fraction(most), Fraction(1))
    is_unknown = arg.is_nullable or aggregate.filter is not None
    if aggregate.fn in ("min", "max"):
        return replace(arg, is_nullable=is_unknown)
    if arg.kind not in (NUMBER, NULL):
        mismatch("SELECT", f"A sum or mean needs numbers, not a {arg.kind}.")
    lower, upper, step = summand(arg)
    if aggregate.fn == "mean":
        return Typed(NUMBER, lower * step, upper * step, None, is_unknown)
    ends = (min(0, lower) * most * step, max(0, upper) * most * step)
    if max(map(abs, ends)) > MAX_SIZE:
        raise refuse.too_large("SELECT")
    return Typed(NUMBER, *ends, step, is_unknown)


def summand(arg: Typed) -> tuple[int, int, Fraction]:
    """Return a summand's bounds in whole steps of its grid, and the grid."""
    if arg.bounds is None:
        raise refuse.unbounded()
    lower, upper = arg.bounds
    step = arg.step or grid(upper - lower)
    low, high = (lower / step).__floor__(), (upper / step).__ceil__()
    if max(abs(low), abs(high)) > MAX_COUNTED:
        raise refuse.too_large("SELECT")
    return low, high, step


def has_one_row_a_group(relation: Relation, keys: tuple[Expr, ...]) -> bool:
    """Say whether grouping by `keys` leaves at most one row of a unit in each group."""
    if not isinstance(relation, Derived):
        return False
    return {Expr("col", value=f"key.{i}") for i in range(len(relation.keys))} <= set(keys)


def work(relation: Relation, main: Table, declared_rows: int | None) -> int:
    """Return how many rows the engine handles at most, from public sizes; `declared_rows` are the main table's.

    Grouping handles its rows twice; a join handles both sides and the pairs that it makes.
    """
    if isinstance(relation, Scan):
        if relation.table == main.name and declared_rows:
            return declared_rows
        held = extent(relation, main)
        return min(held.units * held.declared, MOST_ROWS)
    if isinstance(relation, Derived):
        return min(2 * work(relation.source, main, declared_rows), MOST_ROWS)
    left, right = work(relation.left, main, declared_rows), work(relation.right, main, declared_rows)
    partners = 1 if relation.on is not None else extent(relation.right, main).kept
    return min(left + right + left * partners, MOST_ROWS)
