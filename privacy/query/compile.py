"""Plan to the one aggregate query that the engine runs: our own SQL, with bounding as its last step.

Rows of a unit beyond its bound are dropped by a salted hash of (unit, ordinal within the unit): the choice
depends on that unit's own rows alone, so removing another unit changes nothing. Only units over the bound are
ordered at all. Every value that leaves the query is an exact integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from privacy.errors import EngineFault
from privacy.places import RANK
from privacy.query.cell_sql import coded_cell, open_cell
from privacy.query.histograms import drawn, histogram_sql
from privacy.query.layout import Layout, Shape
from privacy.query.places_sql import Base, histogram_at_places, one_scan, split
from privacy.query.plan import Plan, row_expressions
from privacy.query.relation import Scan, within
from privacy.query.relation_sql import SALT, Source, path_mark, shuffled
from privacy.query.scope import table_of
from privacy.quoting import name_sql, text_sql
from privacy.schema import Table


@dataclass(frozen=True)
class Compiled:
    """The query text, with its paths and salt still to be given; columns are the cell, then one per need.

    `tables` names the tables whose files are read, the main one by the name that comes first. `placed` is the same
    query, faster, for files that keep their rows' places (`privacy.places`), if there is one.
    """

    sql: str
    main: str
    tables: tuple[str, ...]
    placed: str | None = None

    def text(self, paths: str | Mapping[str, str], salt: int, *, has_places: bool = False) -> str:
        """Return the query over the tables' files, rows drawn by `salt`; one path alone is the main table's."""
        given = {self.main: paths} if isinstance(paths, str) else paths
        if not set(self.tables) <= set(given):
            raise EngineFault("A table's file is missing.", code="file_missing")
        sql = self.placed if has_places and self.placed is not None else self.sql
        sql = sql.replace(SALT, f"{int(salt)}::UBIGINT")
        for table in self.tables:
            sql = sql.replace(path_mark(table), text_sql(given[table]))
        return sql


def compile_plan(plan: Plan, table: Table, facts: Layout) -> Compiled:
    """Return the query that computes every need of `facts`, by cell."""
    base = _base(plan, table, facts)
    names = scanned(plan)
    if facts.shape is Shape.DIRECT:
        return Compiled(_direct(base.tables(), facts), table.name, names)
    slow = _rows if facts.shape is Shape.ROWS else _groups
    placed = None
    if isinstance(plan.source, Scan):
        ranked, own = _base(plan, table, facts, name_sql(RANK)), table_of(plan.source.table, table)
        placed = one_scan(own, facts, ranked, _final) or split(
            own, facts, ranked, _final, partial(slow, is_ranked=True)
        )
    return Compiled(slow(base.tables(), facts), table.name, names, placed)


def compile_histograms(plan: Plan, table: Table, facts: Layout) -> dict[int, Compiled]:
    """Return the query of each need that is a histogram; its columns are the cell, the bin and the number of rows."""
    base, names = _base(plan, table, facts), scanned(plan)
    binned = [index for index, need in enumerate(facts.needs) if need.kind == "bins"]
    ranked = None
    if isinstance(plan.source, Scan) and facts.shape is not Shape.DIRECT:
        ranked = _base(plan, table, facts, name_sql(RANK)), table_of(plan.source.table, table)
    found = {}
    for index in binned:
        placed = None
        if ranked is not None:
            slow = partial(histogram_sql, index=index, is_ranked=True)
            placed = histogram_at_places(ranked[1], facts, ranked[0], index, slow)
        found[index] = Compiled(histogram_sql(base.tables(), facts, index), table.name, names, placed)
    return found


def scanned(plan: Plan) -> tuple[str, ...]:
    """Return the names of the tables that a plan reads."""
    return tuple(dict.fromkeys(part.table for part in within(plan.source) if isinstance(part, Scan)))


def _base(plan: Plan, table: Table, facts: Layout, order: str | None = None) -> Base:
    """Return the plan's rows; `order`, if given, is what orders those of one unit."""
    source = Source(table)
    wanted = {node.value or "" for expr in row_expressions(plan) for node in expr.walk() if node.op == "col"}
    raw, writer, unit, place = source.read(plan.source, wanted)
    cell = open_cell(facts.keys, writer) if facts.has_unknown_keys else coded_cell(facts.keys, writer)
    columns = [f"{cell} AS c"]
    has_units = facts.shape is not Shape.DIRECT
    if has_units:
        columns += [f"{unit} AS u", f"{order or place} AS r"]
    for index, need in enumerate(facts.needs):
        value = writer.need(need)
        if value is not None:
            columns.append(f"{value} AS m{index}")
    where = () if plan.where is None else (writer.expr(plan.where),)
    return Base(tuple(columns), raw, tuple(source.parts), where, has_units)


def _per_row(facts: Layout) -> list[int]:
    """Return the needs that have a column of their own; histograms have a query of their own instead."""
    return [i for i, need in enumerate(facts.needs) if need.expr is not None and need.kind != "bins"]


def _final(facts: Layout, columns: Mapping[str, str]) -> str:
    """Return the outermost figures: for each need the expression of its kind."""
    figures = []
    for index, need in enumerate(facts.needs):
        own = f"sum(m{index})" if need.expr is not None else columns[need.kind]
        own = "0" if need.kind == "bins" else own
        figures.append(f"coalesce({own}, 0) AS m{index}")
    return ", ".join(figures)


def _direct(base: str, facts: Layout) -> str:
    """Return the query where every row is its own unit: nothing to bound."""
    figures = _final(facts, {"rows": "count(*)", "units": "count(*)"})
    return f"WITH {base} SELECT c, {figures} FROM base GROUP BY c"


def _rows(base: str, facts: Layout, *, is_ranked: bool = False) -> str:
    """Return the query that keeps R rows of a unit wherever they lie."""
    return (
        f"WITH {base}, "
        f"big AS (SELECT u FROM base GROUP BY u HAVING count(*) > {facts.rows}), "
        f"{drawn('u', facts.rows, is_ranked=is_ranked)}, "
        "kept AS (SELECT * FROM base ANTI JOIN big ON base.u = big.u UNION ALL SELECT * FROM drawn) "
        f"SELECT c, {_final(facts, {'rows': 'count(*)'})} FROM kept GROUP BY c"
    )


def _groups(base: str, facts: Layout, *, is_ranked: bool = False) -> str:
    """Return the query that keeps R rows of a unit in each group, then L0 groups of a unit.

    Everything is summed once by unit and group; only what lies beyond a bound is done again.
    """
    sums = ["count(*) AS n"]
    for index in _per_row(facts):
        fold = "max" if facts.needs[index].kind == "units" else "sum"
        sums.append(f"{fold}(m{index}) AS m{index}")
    partial = f"SELECT u, c, {', '.join(sums)}"
    bounded = (
        f"WITH {base}, "
        f"loose AS ({partial} FROM base GROUP BY u, c), "
        f"big AS (SELECT u, c FROM loose WHERE n > {facts.rows}), "
        f"{drawn('u, c', facts.rows, is_ranked=is_ranked)}, "
        f"part AS (SELECT * FROM loose WHERE n <= {facts.rows} "
        f"UNION ALL {partial} FROM drawn GROUP BY u, c)"
    )
    chosen = "part"
    if facts.has_unknown_keys or facts.groups < facts.cells:
        chosen = "chosen"
        bounded += (
            f", wide AS (SELECT u FROM loose GROUP BY u HAVING count(*) > {facts.groups}), "
            f"ranked AS (SELECT part.*, row_number() OVER (PARTITION BY u ORDER BY {shuffled('u, c')}, c) AS g "
            "FROM part SEMI JOIN wide ON part.u = wide.u), "
            "chosen AS (SELECT * FROM part ANTI JOIN wide ON part.u = wide.u "
            f"UNION ALL SELECT * EXCLUDE (g) FROM ranked WHERE g <= {facts.groups})"
        )
    figures = _final(facts, {"rows": "sum(n)", "units": "count(*)"})
    return f"{bounded} SELECT c, {figures} FROM {chosen} GROUP BY c"
