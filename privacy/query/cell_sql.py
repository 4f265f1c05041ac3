"""The cell of a row: the number of its public group, or its private group's name written as one text."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from privacy.query.check import Key
from privacy.query.intervals import BOOL, DATE
from privacy.query.rows_sql import MAX_KEY, RowSql, day_sql, double_sql
from privacy.quoting import name_sql, text_sql
from privacy.schema import Kind


def _raw_integer(key: Key, writer: RowSql) -> str | None:
    """Return the place of a declared integer by the short way: outside its range it is unknown, not clamped."""
    column = writer.declared(key.expr)
    if column is None or column.kind is not Kind.INTEGER or column.codes or column.step != 1:
        return None
    first, last = int(column.lower or 0), int(column.upper or 0)
    raw = f"TRY_CAST({name_sql(column.name)} AS BIGINT)"
    inside = f"{raw} BETWEEN {first} AND {last}"
    if column.missing:
        inside += f" AND {writer.expr(key.expr)} IS NOT NULL"
    return f"CASE WHEN {inside} THEN {raw} - {first} END"


def _place(key: Key, writer: RowSql) -> str:
    """Return the place of a row's value in its list of public values; NULL where it is not there."""
    value, codes, typed = writer.expr(key.expr), key.codes or (), key.typed
    if typed.kind == BOOL:
        return f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
    if typed.kind == DATE:
        days = ", ".join(day_sql(str(code)) for code in codes)
        return f"list_position([{days}], {value}) - 1"
    if not codes or isinstance(codes[0], str):
        texts = ", ".join(text_sql(str(code)) for code in codes)
        return f"list_position([{texts}], {value}) - 1"
    numbers = [int(code) for code in codes]
    if typed.codes:
        return f"list_position([{', '.join(map(str, numbers))}], TRY_CAST({value} AS BIGINT)) - 1"
    short = _raw_integer(key, writer)
    if short is not None:
        return short
    step = typed.step or Fraction(1)
    nearest = f"TRY_CAST(round({value} / {double_sql(step)}) AS BIGINT)"
    first, last = round(numbers[0] / step), round(numbers[-1] / step)
    return f"CASE WHEN {nearest} BETWEEN {first} AND {last} THEN {nearest} - {first} END"


def _position(key: Key, writer: RowSql) -> str:
    """Return a row's place among a key's public values, the place for unknown last; NULL where it is not shown."""
    place = _place(key, writer)
    return f"coalesce({place}, {len(key.codes or ())})" if key.has_unknown else f"({place})"


def coded_cell(keys: Sequence[Key], writer: RowSql) -> str:
    """Return the cell number of a row, counting through the public lists with the last key fastest."""
    cell = "0"
    for key in keys:
        place = _position(key, writer)
        cell = f"({cell} * {key.size} + {place})" if cell != "0" else f"({place})"
    return f"CAST({cell} AS BIGINT)"


def open_cell(keys: Sequence[Key], writer: RowSql) -> str:
    """Return a row's group as one text: each key as its length in bytes, a colon and its value; "-" if missing."""
    parts = []
    for key in keys:
        if key.codes is not None:
            value = f"CAST({_position(key, writer)} AS VARCHAR)"
        else:
            text = writer.expr(key.expr)
            value = f"(CASE WHEN length({text}) <= {MAX_KEY} THEN {text} END)"
        written = f"strlen({value}) || ':' || {value}"
        parts.append(f"coalesce({written}, '-')" if key.codes is None and key.has_unknown else f"({written})")
    return " || ".join(parts)


def open_cell_values(text: str, keys: Sequence[Key]) -> tuple[str | int | bool | None, ...]:
    """Return the key values that `open_cell` wrote into one text."""
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
