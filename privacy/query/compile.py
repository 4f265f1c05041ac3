"""Plan to the one aggregate query that the engine runs: our own SQL, with bounding as its last step.

Rows of a unit beyond its bound are dropped by a salted hash of (unit, ordinal within the unit): the choice
depends on that unit's own rows alone, so removing another unit changes nothing. Only units over the bound are
ordered at all. Every value that leaves the query is an exact integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from privacy.errors import EngineFault
from privacy.query.cell_sql import coded_cell, open_cell
from privacy.query.layout import Layout, Shape
from privacy.query.plan import Plan, row_expressions
from privacy.query.relation import Scan, within
from privacy.query.relation_sql import SALT, Source, path_mark
from privacy.query.rows_sql import text_sql
from privacy.schema import Table


@dataclass(frozen=True)
class Compiled:
    """The query text, with its paths and salt still to be given; columns are the cell, then one per need.

    `tables` names the tables whose files are read, the main one by the name that comes first.
    """

    sql: str
    main: str
    tables: tuple[str, ...]

    def text(self, paths: str | Mapping[str, str], salt: int) -> str:
        """Return the query over the tables' files, rows drawn by `salt`; one path alone is the main table's."""
        given = {self.main: paths} if isinstance(paths, str) else paths
        if not set(self.tables) <= set(given):
            raise EngineFault("A table's file is missing.", code="file_missing")
        sql = self.sql.replace(SALT, f"{int(salt)}::UBIGINT")
        for table in self.tables:
            sql = sql.replace(path_mark(table), text_sql(given[table]))
        return sql


def compile_plan(plan: Plan, table: Table, facts: Layout) -> Compiled:
    """Return the query that computes every need of `facts`, by cell."""
    source = Source(table)
    wanted = {node.value or "" for expr in row_expressions(plan) for node in expr.walk() if node.op == "col"}
    raw, writer, unit, place = source.read(plan.source, wanted)
    cell = open_cell(facts.keys, writer) if facts.has_unknown_keys else coded_cell(facts.keys, writer)
    columns = [f"{cell} AS c"]
    has_unit = facts.shape is not Shape.DIRECT
    if has_unit:
        columns += [f"{unit} AS u", f"{place} AS r"]
    for index, need in enumerate(facts.needs):
        value = writer.need(need)
        if value is not None:
            columns.append(f"{value} AS m{index}")
    rows = f"SELECT {', '.join(columns)} FROM {raw}"
    if plan.where is not None:
        rows += f" WHERE {writer.expr(plan.where)}"
    kept = ["c IS NOT NULL"] + (["u IS NOT NULL"] if has_unit else [])
    base = ", ".join([*source.parts, f"base AS (SELECT * FROM ({rows}) WHERE {' AND '.join(kept)})"])
    shapes = {Shape.DIRECT: _direct, Shape.ROWS: _rows, Shape.GROUPS: _groups}
    scans = (part.table for part in within(plan.source) if isinstance(part, Scan))
    return Compiled(shapes[facts.shape](base, facts), table.name, tuple(dict.fromkeys(scans)))


def _per_row(facts: Layout) -> list[int]:
    """Return the needs that have a column of their own."""
    return [index for index, need in enumerate(facts.needs) if need.expr is not None]


def _final(facts: Layout, columns: Mapping[str, str]) -> str:
    """Return the outermost figures: for each need the expression of its kind."""
    figures = []
    for index, need in enumerate(facts.needs):
        own = f"sum(m{index})" if need.expr is not None else columns[need.kind]
        figures.append(f"coalesce({own}, 0) AS m{index}")
    return ", ".join(figures)


def _direct(base: str, facts: Layout) -> str:
    """Return the query where every row is its own unit: nothing to bound."""
    figures = _final(facts, {"rows": "count(*)", "units": "count(*)"})
    return f"WITH {base} SELECT c, {figures} FROM base GROUP BY c"


def _drawn(by: str, most: int) -> str:
    """Return the CTE `drawn`: rows of `base` beyond the bound (`big`), ranked by salted hash within each `by`.

    The first window numbers a unit's own rows, so that no row number from outside the unit enters the hash.
    """
    same = " AND ".join(f"base.{key} = big.{key}" for key in by.split(", "))
    return (
        f"placed AS (SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY r) AS o "
        f"FROM base SEMI JOIN big ON {same}), "
        f"ranks AS (SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY hash({SALT}, {by}, o), o) AS d "
        f"FROM placed), "
        f"drawn AS (SELECT * EXCLUDE (o, d) FROM ranks WHERE d <= {most})"
    )


def _rows(base: str, facts: Layout) -> str:
    """Return the query that keeps R rows of a unit wherever they lie."""
    return (
        f"WITH {base}, "
        f"big AS (SELECT u FROM base GROUP BY u HAVING count(*) > {facts.rows}), "
        f"{_drawn('u', facts.rows)}, "
        "kept AS (SELECT * FROM base ANTI JOIN big ON base.u = big.u UNION ALL SELECT * FROM drawn) "
        f"SELECT c, {_final(facts, {'rows': 'count(*)'})} FROM kept GROUP BY c"
    )


def _groups(base: str, facts: Layout) -> str:
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
        f"{_drawn('u, c', facts.rows)}, "
        f"part AS (SELECT * FROM loose WHERE n <= {facts.rows} "
        f"UNION ALL {partial} FROM drawn GROUP BY u, c)"
    )
    chosen = "part"
    if facts.has_unknown_keys or facts.groups < facts.cells:
        chosen = "chosen"
        bounded += (
            f", wide AS (SELECT u FROM loose GROUP BY u HAVING count(*) > {facts.groups}), "
            f"ranked AS (SELECT part.*, row_number() OVER (PARTITION BY u ORDER BY hash({SALT}, u, c), c) AS g "
            "FROM part SEMI JOIN wide ON part.u = wide.u), "
            "chosen AS (SELECT * FROM part ANTI JOIN wide ON part.u = wide.u "
            f"UNION ALL SELECT * EXCLUDE (g) FROM ranked WHERE g <= {facts.groups})"
        )
    figures = _final(facts, {"rows": "sum(n)", "units": "count(*)"})
    return f"{bounded} SELECT c, {figures} FROM {chosen} GROUP BY c"
