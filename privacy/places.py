"""What a published file keeps of each row's place within its own privacy unit, so that bounding needs no sorting.

Every figure depends on the unit's own rows alone: how many they are, their order (drawn at publication), and
for each column that answers may be grouped by, how the unit's rows spread over its values. The names start with
the row number's, so that no declaration, upload or query can mean them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from privacy.column import Column, Kind
from privacy.quoting import list_sql, name_sql
from privacy.schema import Table
from privacy.unit import HIDDEN, ROW_ID

ORDER = f"{HIDDEN}order"  # what `places_sql` is given to order rows by
SIZE = f"{HIDDEN}size"  # rows of the row's unit in the file
RANK = f"{HIDDEN}rank"  # the row's number among them, from 0, in an order drawn at publication
MARK = "gridhouse_places"  # in the file's own metadata, with VERSION: the columns below are there
VERSION = "1"
# Twice the bytes of zstd, and half the time to read them.
FORMAT = f"FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false, KV_METADATA {{{MARK}: '{VERSION}'}}"
MAX_KEYS = 8  # grouping columns that are prepared, in their declared order: each costs a sort at publication
MAX_RANGE = 1_000  # values of an integer that is prepared without a code list
MAX_KEY = 256  # characters of a text that is shown as a group
_ORDER, _FIRST, _UNIT, _VALUE = (
    name_sql(name) for name in (ORDER, f"{HIDDEN}first", f"{HIDDEN}u", f"{HIDDEN}v")
)


@dataclass(frozen=True)
class KeyPlaces:
    """The four hidden columns of one grouping column; `value` is the group that a row is counted in."""

    column: Column

    @property
    def groups(self) -> str:
        """Return the name of: how many values the unit has."""
        return f"{HIDDEN}groups:{self.column.name}"

    @property
    def group(self) -> str:
        """Return the name of: the number of this row's value among them, from 0."""
        return f"{HIDDEN}group:{self.column.name}"

    @property
    def same(self) -> str:
        """Return the name of: how many of the unit's rows have this value."""
        return f"{HIDDEN}same:{self.column.name}"

    @property
    def nth(self) -> str:
        """Return the name of: the row's number among those, from 0."""
        return f"{HIDDEN}nth:{self.column.name}"

    @property
    def value(self) -> str:
        """Return as SQL the value that an answer shows for a row; NULL, one group, for all that it does not.

        It repeats the declaration, which a published file already obeys: two values that an answer counts in one
        group would otherwise have places of their own, and twice the rows.
        """
        column, name = self.column, name_sql(self.column.name)
        kept = []
        if column.codes:
            numbers = ", ".join(str(code) for code in column.codes)
            listed = f"{name} IN ({numbers})" if column.has_number_codes else _is_listed(name, column.codes)
            kept.append(listed)
        elif column.kind is Kind.INTEGER:
            kept.append(f"{name} BETWEEN {column.lower} AND {column.upper}")
        elif column.kind is Kind.TEXT:
            kept.append(f"length({name}) <= {MAX_KEY}")
        if column.missing:
            kept.append(f"NOT {_is_listed(name, column.missing)}")
        return f"(CASE WHEN {' AND '.join(kept)} THEN {name} END)" if kept else name


def _is_listed(name: str, texts: Sequence[str | int]) -> str:
    """Return the condition that a column, as text, is one of `texts`."""
    return f"list_contains({list_sql([str(text) for text in texts])}, CAST({name} AS VARCHAR))"


def prepared_keys(table: Table) -> tuple[KeyPlaces, ...]:
    """Return the grouping columns whose places a published file of `table` keeps; none where the row is the unit."""
    unit = table.unit.column
    if unit is None:
        return ()
    able = [column for column in table.columns if column.name != unit and _is_able(column)]
    return tuple(KeyPlaces(column) for column in able[:MAX_KEYS])


def _is_able(column: Column) -> bool:
    """Say whether a column can be grouped by as it stands."""
    if column.codes or column.kind in (Kind.BOOLEAN, Kind.TEXT):
        return True
    if column.kind is not Kind.INTEGER or column.lower is None or column.upper is None:
        return False
    return column.step == 1 and column.upper - column.lower < MAX_RANGE


def places_sql(table: Table, rows: str) -> str:
    """Return `rows`, a SELECT of the declared columns, the unit's and ORDER, with its places, row number first.

    ORDER orders the rows at random; it is left out. The result is in the order of the units' sizes, the largest
    first, so that an engine that looks for large units skips most of the file.
    """
    if table.unit.column is None:
        numbered = f"row_number() OVER (ORDER BY {_ORDER}) AS {name_sql(ROW_ID)}"
        return f"SELECT {numbered}, * EXCLUDE ({_ORDER}) FROM ({rows}) ORDER BY {name_sql(ROW_ID)}"
    unit, keys = name_sql(table.unit.column), prepared_keys(table)
    parts = [f"rows_in AS MATERIALIZED ({rows})", f"placed AS ({_placed(unit, keys)})"]
    parts += [f"spread{n} AS ({_spread(unit, key)})" for n, key in enumerate(keys)]
    joins = "".join(
        f" JOIN spread{n} ON placed.{unit} = spread{n}.{_UNIT}"
        f" AND placed.{_value(n)} IS NOT DISTINCT FROM spread{n}.{_VALUE}"
        for n in range(len(keys))
    )
    drop = ", ".join([_ORDER, _FIRST, *(_value(n) for n in range(len(keys)))])
    kept = [f"placed.* EXCLUDE ({drop})"]
    kept += [f"spread{n}.* EXCLUDE ({_UNIT}, {_VALUE})" for n in range(len(keys))]
    by = f"{name_sql(SIZE)} DESC, {_FIRST}, {name_sql(RANK)}"
    return (
        f"WITH {', '.join(parts)} SELECT row_number() OVER (ORDER BY {by}) AS {name_sql(ROW_ID)}, "
        f"{', '.join(kept)} FROM placed{joins} ORDER BY {name_sql(ROW_ID)}"
    )


def _placed(unit: str, keys: tuple[KeyPlaces, ...]) -> str:
    """Return the SELECT that numbers each unit's rows, and its rows with each value of a grouping column."""
    columns = [
        "*",
        _count(f"count(*) OVER (PARTITION BY {unit})", SIZE),
        _count(f"row_number() OVER (PARTITION BY {unit} ORDER BY {_ORDER}) - 1", RANK),
        f"min({_ORDER}) OVER (PARTITION BY {unit}) AS {_FIRST}",
    ]
    for n, key in enumerate(keys):
        number = f"row_number() OVER (PARTITION BY {unit}, {key.value} ORDER BY {_ORDER}) - 1"
        columns += [f"{key.value} AS {_value(n)}", _count(number, key.nth)]
    return f"SELECT {', '.join(columns)} FROM rows_in"


def _spread(unit: str, key: KeyPlaces) -> str:
    """Return the SELECT that counts each unit's values of one column, and its rows with each."""
    figures = (
        _count("count(*)", key.same),
        _count(f"count(*) OVER (PARTITION BY {unit})", key.groups),
        _count(f"row_number() OVER (PARTITION BY {unit} ORDER BY min({_ORDER})) - 1", key.group),
    )
    chosen = f"{unit} AS {_UNIT}, {key.value} AS {_VALUE}, {', '.join(figures)}"
    return f"SELECT {chosen} FROM rows_in GROUP BY {unit}, {key.value}"


def _count(figure: str, name: str) -> str:
    """Return a count as a narrow column."""
    return f"CAST({figure} AS UINTEGER) AS {name_sql(name)}"


def _value(number: int) -> str:
    """Return the name of a grouping column's shown value while a file is made."""
    return name_sql(f"{HIDDEN}value{number}")
