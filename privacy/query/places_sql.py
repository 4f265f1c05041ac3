"""The short roads over a published file, which keeps each row's place within its privacy unit (`privacy.places`).

Where nothing is filtered, one scan decides row by row: of a unit's n rows (or groups), numbered at publication
in an order drawn then, the k that follow a salted start are kept, counting in a circle. Each is kept with the
same chance k/n, never more than k are, and the start is a hash of the charge's fresh salt and the unit. A filter
may leave any of a unit's rows, so there only units that cannot exceed a bound, filtered or not, pass as they are;
the others take the general road. Both depend on a unit's own rows alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from privacy.places import RANK, SIZE, KeyPlaces, prepared_keys
from privacy.query.layout import Layout, Shape
from privacy.query.relation_sql import shuffled
from privacy.quoting import name_sql
from privacy.schema import Table


@dataclass(frozen=True)
class Base:
    """The rows of a plan: columns c (cell), u (unit), r (order within the unit), and one per need; and their filter."""

    columns: tuple[str, ...]
    source: str
    parts: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    has_units: bool = True

    def sql(self, *, columns: tuple[str, ...] = (), where: tuple[str, ...] = ()) -> str:
        """Return the rows that have a cell and a unit, as a SELECT, with more columns and conditions if given."""
        inner = f"SELECT {', '.join(self.columns + columns)} FROM {self.source}"
        if self.where + where:
            inner += f" WHERE {' AND '.join(self.where + where)}"
        kept = ["c IS NOT NULL"] + (["u IS NOT NULL"] if self.has_units else [])
        return f"SELECT * FROM ({inner}) WHERE {' AND '.join(kept)}"

    def tables(self, *, where: tuple[str, ...] = ()) -> str:
        """Return the common table expressions that end with these rows, as `base`."""
        return ", ".join([*self.parts, f"base AS ({self.sql(where=where)})"])


Slow = Callable[[str, Layout], str]
Figures = Callable[..., str]


def one_scan(table: Table, facts: Layout, base: Base, figures: Figures) -> str | None:
    """Return the query that bounds and sums in one scan, or None where the plan needs another road."""
    if any(need.kind == "units" and need.expr is not None for need in facts.needs):
        return None  # whether a kept row of the unit meets the condition is not known row by row
    kept = _kept(table, facts, base)
    summed = figures(facts, {"rows": "count(*)", "units": "count(*) FILTER (WHERE p = 0)"})
    return None if kept is None else f"SELECT c, {summed} FROM ({kept}) WHERE p < {facts.rows} GROUP BY c"


def _kept(table: Table, facts: Layout, base: Base) -> str | None:
    """Return the rows of the kept groups with their places p, of which those below the bound are kept, or None."""
    if base.where:
        return None
    keys = _key_places(table, facts)
    where: tuple[str, ...] = ()
    if facts.shape is Shape.ROWS or not facts.keys:
        size, rank, start = name_sql(SIZE), name_sql(RANK), shuffled("u")
    elif len(facts.keys) == 1 and keys is not None:
        [key] = keys
        size, rank = name_sql(key.same), name_sql(key.nth)
        start = shuffled(f"u, {name_sql(key.group)}")
        if facts.has_unknown_keys or facts.groups < facts.cells:
            count, group = name_sql(key.groups), name_sql(key.group)
            where = (f"{_turned(count, group, shuffled('u'), facts.groups)} < {facts.groups}",)
    else:
        return None
    place = f"{_turned(size, rank, start, facts.rows)} AS p"
    return base.sql(columns=(place,), where=where)


def histogram_at_places(table: Table, facts: Layout, base: Base, index: int, slow: Slow) -> str:
    """Return the query of one histogram: in one scan, or where that is not to be, as `split` does it."""
    own = f"m{index}"
    counted = f"SELECT c, {own}, count(*) AS n FROM"
    kept = _kept(table, facts, base)
    if kept is not None:
        return f"{counted} ({kept}) WHERE p < {facts.rows} AND {own} IS NOT NULL GROUP BY c, {own}"
    calm = _calm(table, facts, has_units=False)
    direct = f"{counted} ({base.sql(where=(calm,))}) WHERE {own} IS NOT NULL GROUP BY c, {own}"
    rest = slow(base.tables(where=(f"NOT {calm}",)), facts)
    return f"SELECT c, {own}, sum(n) FROM ({direct} UNION ALL ({rest})) GROUP BY c, {own}"


def _turned(size: str, rank: str, start: str, most: int) -> str:
    """Return a place among `size`, counted from a salted start where not all `most` have room."""
    turned = f"(CAST({rank} AS UBIGINT) + {start} % {size}) % {size}"
    return f"(CASE WHEN {size} <= {most} THEN CAST({rank} AS UBIGINT) ELSE {turned} END)"


def _key_places(table: Table, facts: Layout) -> tuple[KeyPlaces, ...] | None:
    """Return the stored places of the keys; None where one is not a prepared column as it stands."""
    prepared = {places.column.name: places for places in prepared_keys(table)}
    found = []
    for key in facts.keys:
        if key.expr.op != "col" or key.expr.value not in prepared:
            return None
        found.append(prepared[key.expr.value])
    return tuple(found)


def split(table: Table, facts: Layout, base: Base, figures: Figures, slow: Slow) -> str:
    """Return the query where units that cannot exceed a bound pass directly and the others by the general road."""
    calm = _calm(table, facts, has_units=any(need.kind == "units" for need in facts.needs))
    direct = f"SELECT c, {figures(facts, {'rows': 'count(*)', 'units': 'count(*)'})}"
    direct += f" FROM ({base.sql(where=(calm,))}) GROUP BY c"
    rest = slow(base.tables(where=(f"NOT {calm}",)), facts)
    sums = ", ".join(f"sum(m{index}) AS m{index}" for index in range(len(facts.needs)))
    return f"SELECT c, {sums} FROM ({direct} UNION ALL ({rest})) GROUP BY c"


def _calm(table: Table, facts: Layout, *, has_units: bool) -> str:
    """Return the condition that a row's unit cannot exceed a bound, whatever a filter leaves of it.

    Where units are counted (`has_units`), it has one row.
    """
    size = name_sql(SIZE)
    if has_units:
        return f"({size} = 1)"  # several rows of a unit would be counted as several units
    calm = f"{size} <= {facts.rows}"
    if facts.shape is Shape.ROWS or not (facts.has_unknown_keys or facts.groups < facts.cells):
        return f"({calm})"
    few = [f"{size} <= {facts.groups}"]
    keys = _key_places(table, facts)
    if keys:
        spread = " * ".join(f"CAST({name_sql(key.groups)} AS DOUBLE)" for key in keys)
        few.append(f"{spread} <= {facts.groups}")
    return f"({calm} AND ({' OR '.join(few)}))"
