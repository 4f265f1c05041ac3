"""Plan to the one aggregate query that the engine runs: our own SQL, with bounding as its last step.

Rows of a unit beyond its bound are dropped by a salted hash of (unit, ordinal within the unit): the choice
depends on that unit's own rows alone, so removing another unit changes nothing. Only units over the bound are
ordered at all. Every value that leaves the query is an exact integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from privacy.query.check import Key
from privacy.query.layout import Layout, Shape
from privacy.query.plan import Plan
from privacy.query.rows_sql import MAX_KEY, RowSql, column_sql, name_sql, text_sql
from privacy.schema import Kind, Table
from privacy.unit import ROW_ID

SALT = "\0salt\0"  # no literal or name can hold a zero byte, so neither mark can be forged
PATH = "\0path\0"


@dataclass(frozen=True)
class Compiled:
    """The query text, with its path and salt still to be given; columns are the cell, then one per need."""

    sql: str

    def text(self, path: str, salt: int) -> str:
        """Return the query over the file at `path`, its rows ordered by `salt`."""
        return self.sql.replace(SALT, f"{int(salt)}::UBIGINT").replace(PATH, text_sql(path))


def compile_plan(plan: Plan, table: Table, facts: Layout) -> Compiled:
    """Return the query that computes every need of `facts`, by cell."""
    writer = RowSql(table)
    cell = _open_cell(facts.keys) if facts.has_unknown_keys else _coded_cell(facts.keys)
    columns = [f"{cell} AS c"]
    unit = table.unit.column
    conditions = [] if plan.where is None else [writer.expr(plan.where)]
    if unit is not None:
        columns += [f"{_unit_sql(unit, table)} AS u", f"{name_sql(ROW_ID)} AS r"]
    for index, need in enumerate(facts.needs):
        value = writer.need(need)
        if value is not None:
            columns.append(f"{value} AS m{index}")
    source = f"SELECT {', '.join(columns)} FROM read_parquet({PATH})"
    if conditions:
        source += f" WHERE {conditions[0]}"
    kept = ["c IS NOT NULL"] + (["u IS NOT NULL"] if unit is not None else [])
    base = f"base AS (SELECT * FROM ({source}) WHERE {' AND '.join(kept)})"
    return Compiled(
        {Shape.DIRECT: _direct, Shape.ROWS: _rows, Shape.GROUPS: _groups}[facts.shape](base, facts)
    )


def _unit_sql(unit: str, table: Table) -> str:
    """Return the privacy unit of a row, NULL where it is missing."""
    column = table.find(unit)
    quoted = name_sql(unit)
    if column is None or not column.missing:
        return quoted
    markers = ", ".join(text_sql(marker) for marker in column.missing)
    return f"(CASE WHEN CAST({quoted} AS VARCHAR) NOT IN ({markers}) THEN {quoted} END)"


def _position(key: Key) -> str:
    """Return the position of a row's value in its public list; NULL where it is not shown."""
    column = key.column
    value = column_sql(column)
    codes = key.codes or ()
    numbers = [int(code) for code in codes if not isinstance(code, str)]
    if column.kind is Kind.BOOLEAN:
        place = f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
    elif column.kind is Kind.INTEGER and not column.codes:
        raw = f"TRY_CAST({name_sql(column.name)} AS BIGINT)"
        inside = f"{raw} BETWEEN {numbers[0]} AND {numbers[-1]}"
        place = f"CASE WHEN {inside} AND {value} IS NOT NULL THEN {raw} - {numbers[0]} END"
    elif numbers:
        place = f"list_position([{', '.join(map(str, numbers))}], CAST({value} AS BIGINT)) - 1"
    else:
        listed = ", ".join(text_sql(str(code)) for code in codes)
        place = f"list_position([{listed}], {value}) - 1"
    return f"coalesce({place}, {len(codes)})" if key.has_unknown else f"({place})"


def _coded_cell(keys: Sequence[Key]) -> str:
    """Return the cell number of a row, counting through the public lists with the last key fastest."""
    cell = "0"
    for key in keys:
        cell = f"({cell} * {key.size} + {_position(key)})" if cell != "0" else f"({_position(key)})"
    return f"CAST({cell} AS BIGINT)"


def _open_cell(keys: Sequence[Key]) -> str:
    """Return a row's group as one text: each key as its length in bytes, a colon and its value; "-" if missing."""
    parts = []
    for key in keys:
        if key.codes is not None:
            value = f"CAST({_position(key)} AS VARCHAR)"
        else:
            text = column_sql(key.column)
            value = f"(CASE WHEN length({text}) <= {MAX_KEY} THEN {text} END)"
        written = f"strlen({value}) || ':' || {value}"
        parts.append(f"coalesce({written}, '-')" if key.codes is None and key.has_unknown else f"({written})")
    return " || ".join(parts)


def open_cell_values(text: str, keys: Sequence[Key]) -> tuple[str | int | bool | None, ...]:
    """Return the key values that `_open_cell` wrote into one text."""
    data, place = text.encode(), 0
    values: list[str | int | bool | None] = []
    for key in keys:
        if data[place : place + 1] == b"-":
            values.append(None)
            place += 1
            continue
        colon = data.index(b":", place)
        end = colon + 1 + int(data[place:colon])
        value = data[colon + 1 : end].decode()
        values.append(value if key.codes is None else key.values[int(value)])
        place = end
    return tuple(values)


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
