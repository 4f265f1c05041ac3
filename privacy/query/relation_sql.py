"""Relations as SQL: what a plan's source reads, with the unit `u` of each row and the row's place `r` in its unit.

`r` orders the rows of one unit by what they hold themselves, so that drawing some of them by a salted hash of
their ordinals depends on no other unit. A join lets in at most the declared rows of a unit from each side.
"""

from __future__ import annotations

from fractions import Fraction

from privacy.errors import EngineFault
from privacy.query.expr import Aggregate, Expr
from privacy.query.relation import MATCHED, Derived, Join, Relation, Scan, within
from privacy.query.rows_sql import RowSql, column_sql, double_sql
from privacy.query.scope import columns_of, extent, key_name, summand, table_of
from privacy.query.types import Checker
from privacy.quoting import name_sql, text_sql
from privacy.schema import Kind, Table
from privacy.unit import ROW_ID

SALT = "\0salt\0"  # no literal or name can hold a zero byte, so no mark can be forged


def shuffled(names: str) -> str:
    """Return a salted hash of columns whose order is fair.

    Once is not enough: DuckDB joins the hashes of several values by XOR, so rows whose own hashes lie close come
    next to each other under every salt, and a row without such a neighbour is drawn more often.
    """
    return f"hash(hash({SALT}, {names}))"


def path_mark(table: str) -> str:
    """Return what stands in the text for the path of a table's file."""
    return f"\0path {table}\0"


def unit_sql(table: Table, *, as_text: bool = False) -> str:
    """Return the privacy unit of a file's row, NULL where it is missing.

    For a join it is written `as_text`: two files may hold one unit as different types, and no comparison of
    types may fail on a value. The two zeros of a float are one unit.
    """
    if table.unit.column is None:
        return name_sql(ROW_ID)
    column, quoted = table.find(table.unit.column), name_sql(table.unit.column)
    text = f"CAST({quoted} AS VARCHAR)"
    value = quoted
    if as_text:
        value = text
        if column is not None and (column.kind is Kind.DECIMAL or column.has_number_codes):
            value = f"(CASE WHEN TRY_CAST({quoted} AS DOUBLE) = 0 THEN '0' ELSE {text} END)"
    if column is None or not column.missing:
        return value
    return f"(CASE WHEN {text} NOT IN ({', '.join(map(text_sql, column.missing))}) THEN {value} END)"


class Source:
    """Writes the relations of one plan; `parts` collects the common table expressions that they need."""

    def __init__(self, main: Table) -> None:
        self.main = main
        self.parts: list[str] = []

    def read(self, relation: Relation, wanted: set[str]) -> tuple[str, RowSql, str, str]:
        """Return what to read FROM, what writes expressions over it, and its unit and place of a row."""
        if isinstance(relation, Scan):  # nothing stands between the file and the bounding
            table = table_of(relation.table, self.main)
            if relation.where is not None:
                raise EngineFault("A plan holds a condition twice.")
            return f"read_parquet({path_mark(table.name)})", RowSql(table), unit_sql(table), name_sql(ROW_ID)
        return f"({self.select(relation, wanted)}) AS s", self.writer(relation), "u", "r"

    def writer(self, relation: Relation, prefix: str = "") -> RowSql:
        """Return what writes expressions over a relation that was selected; its columns are x0, x1, …."""
        return RowSql(None, {name: f"{prefix}x{i}" for i, name in enumerate(columns_of(relation, self.main))})

    def select(self, relation: Relation, wanted: set[str], *, as_text: bool = False) -> str:
        """Return the query for `u`, `r` and the wanted columns of a relation, its condition applied."""
        as_text = as_text or any(isinstance(part, Join) and part.on is None for part in within(relation))
        if isinstance(relation, Scan):
            return self._scan(relation, wanted, as_text=as_text)
        own = wanted | _read(relation.where)
        if isinstance(relation, Derived):
            sql = self._grouped(relation, as_text=as_text)
        elif relation.on is None:
            sql = self._joined(relation, own)
        else:
            sql = self._looked_up(relation, own, as_text=as_text)
        if relation.where is None:
            return sql
        return f"SELECT * FROM ({sql}) WHERE {self.writer(relation).expr(relation.where)}"

    def _scan(self, scan: Scan, wanted: set[str], *, as_text: bool) -> str:
        """Return a private table's rows, each column read through its declaration."""
        table = table_of(scan.table, self.main)
        unit = unit_sql(table, as_text=as_text)
        columns = [f"{unit} AS u", f"{name_sql(ROW_ID)} AS r", *_columns_sql(table, wanted)]
        where = "" if scan.where is None else f" AND {RowSql(table).expr(scan.where)}"
        read = f"read_parquet({path_mark(table.name)})"
        return f"SELECT {', '.join(columns)} FROM {read} WHERE {unit} IS NOT NULL{where}"

    def _grouped(self, derived: Derived, *, as_text: bool) -> str:
        """Return one row for each unit and each value of the keys, with exact aggregates that keep no order."""
        read = [*derived.keys, *(part for aggregate in derived.aggregates for part in aggregate.parts())]
        rows = self.select(derived.source, set().union(*map(_read, read)), as_text=as_text)
        writer = self.writer(derived.source)
        inner = ["u", *(f"{writer.expr(key)} AS k{i}" for i, key in enumerate(derived.keys))]
        outer, by = [], [f"k{i}" for i in range(len(derived.keys))]
        for index, aggregate in enumerate(derived.aggregates):
            value, figure = self._aggregate(derived, aggregate, writer, f"v{index}")
            inner.append(f"{value} AS v{index}")
            outer.append(f"{figure} AS x{len(by) + index}")
        place = f"row({', '.join(by)})" if len(by) > 1 else by[0] if by else "0"
        columns = ["u", f"{place} AS r", *(f"{key} AS x{i}" for i, key in enumerate(by)), *outer]
        group = ", ".join(["u", *by])
        return f"SELECT {', '.join(columns)} FROM (SELECT {', '.join(inner)} FROM ({rows})) GROUP BY {group}"

    def _aggregate(
        self, derived: Derived, aggregate: Aggregate, writer: RowSql, name: str
    ) -> tuple[str, str]:
        """Return one row's value for an inner aggregate, and the figure over the column `name` that holds it.

        Sums are made of whole steps of a grid, so they are the same in any order. Figures are clamped to what
        the declared number of a unit's rows allows, as their public bounds say.
        """
        most = extent(derived.source, self.main).kept
        value = "1" if aggregate.arg is None else writer.expr(aggregate.arg)
        only = None if aggregate.filter is None else writer.expr(aggregate.filter)
        if aggregate.fn in ("count", "distinct"):
            counted = f"count({'DISTINCT ' if aggregate.fn == 'distinct' else ''}{name})"
            return _where(only, value), f"CAST(least({counted}, {most}) AS DOUBLE)"
        if aggregate.fn in ("min", "max"):
            return _where(only, value), f"{aggregate.fn}({name})"
        typed = Checker(columns_of(derived.source, self.main), "SELECT").check(aggregate.arg or Expr("null"))
        low, high, step = summand(typed)
        ends = f"{double_sql(Fraction(low))}), {double_sql(Fraction(high))}"
        whole = f"CAST(round(least(greatest({value} / {double_sql(step)}, {ends})) AS BIGINT)"
        row = _where(f"isfinite({value})" if only is None else f"({only}) AND isfinite({value})", whole)
        scale = f"* {double_sql(Fraction(step.numerator))} / {double_sql(Fraction(step.denominator))}"
        if aggregate.fn == "mean":
            mean = f"CAST(sum({name}) AS DOUBLE) / count({name}) {scale}"
            figure = f"least(greatest({mean}, {double_sql(low * step)}), {double_sql(high * step)})"
        else:
            least, largest = min(0, low) * most, max(0, high) * most
            held = f"least(greatest(sum({name}), CAST({least} AS HUGEINT)), CAST({largest} AS HUGEINT))"
            figure = f"CAST({held} AS DOUBLE) {scale}"
        return row, _where(f"count({name}) > 0", figure)

    def _joined(self, join: Join, wanted: set[str]) -> str:
        """Return the pairs of two private relations' rows of one unit."""
        left, right = self._side(join.left, _side(wanted, "l.")), self._side(join.right, _side(wanted, "r."))
        kind = "LEFT JOIN" if join.is_left else "JOIN"
        columns = ["a.u AS u", "row(a.r, b.r) AS r", *self._pair(join, wanted, "b.u")]
        return f"SELECT {', '.join(columns)} FROM {left} AS a {kind} {right} AS b ON a.u = b.u"

    def _looked_up(self, join: Join, wanted: set[str], *, as_text: bool) -> str:
        """Return the left rows, each with at most one row of a public table."""
        on = join.on or Expr("null")
        left = self.select(join.left, _side(wanted, "l.") | _read(on), as_text=as_text)
        key = key_name(join.right, self.main)
        table = table_of(getattr(join.right, "table", ""), self.main)
        columns = _columns_sql(table, _side(wanted, "r."))
        where = "" if join.right.where is None else f" WHERE {RowSql(table).expr(join.right.where)}"
        reading = f"{column_sql(next(column for column in table.columns if column.name == key))} AS k"
        own = ", ".join([reading, f"{name_sql(ROW_ID)} AS r", *columns])
        rows = f"SELECT {own} FROM read_parquet({path_mark(table.name)}){where}"
        # Declared unique; two values may still become one as they are read, and one match a row is what is priced.
        once = "row_number() OVER (PARTITION BY k ORDER BY r)"
        right = f"(SELECT * EXCLUDE (n) FROM (SELECT *, {once} AS n FROM ({rows}) WHERE k IS NOT NULL) WHERE n = 1)"
        kind = "LEFT JOIN" if join.is_left else "JOIN"
        pairs = ["a.u AS u", "a.r AS r", *self._pair(join, wanted, "b.k")]
        match = f"{self.writer(join.left, 'a.').expr(on)} = b.k"
        return f"SELECT {', '.join(pairs)} FROM ({left}) AS a {kind} {right} AS b ON {match}"

    def _pair(self, join: Join, wanted: set[str], partner: str) -> list[str]:
        """Return the wanted columns of a join, from the sides `a` and `b`."""
        sides = {
            "l.": {name: f"a.x{i}" for i, name in enumerate(columns_of(join.left, self.main))},
            "r.": {name: f"b.x{i}" for i, name in enumerate(columns_of(join.right, self.main))},
        }
        columns = []
        for index, name in enumerate(columns_of(join, self.main)):
            if name == MATCHED:
                columns.append(f"{partner} IS NOT NULL AS x{index}")
            elif name in wanted:
                columns.append(f"{sides[name[:2]][name[2:]]} AS x{index}")
        return columns

    def _side(self, relation: Relation, wanted: set[str]) -> str:
        """Return one side of a join, with no more rows of a unit than a join lets in."""
        sql = self.select(relation, wanted, as_text=True)
        held = extent(relation, self.main)
        if held.held is not None and held.held <= held.kept:
            return f"({sql})"
        name = f"s{len(self.parts)}"
        self.parts += [f"{name} AS ({sql})", *drawn_rows(name, held.kept)]
        return f"{name}_kept"


def drawn_rows(name: str, most: int) -> list[str]:
    """Return the CTEs that keep `most` rows of each unit of the CTE `name`, as `<name>_kept`.

    The inner window numbers a unit's own rows, so that no row number from outside the unit enters the hash.
    """
    placed = (
        "SELECT *, row_number() OVER (PARTITION BY u ORDER BY r) AS o "
        f"FROM {name} SEMI JOIN {name}_big ON {name}.u = {name}_big.u"
    )
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY u ORDER BY {shuffled('u, o')}, o) AS d FROM ({placed})"
    )
    return [
        f"{name}_big AS (SELECT u FROM {name} GROUP BY u HAVING count(*) > {most})",
        f"{name}_drawn AS (SELECT * EXCLUDE (o, d) FROM ({ranked}) WHERE d <= {most})",
        f"{name}_kept AS (SELECT * FROM {name} ANTI JOIN {name}_big ON {name}.u = {name}_big.u"
        f" UNION ALL SELECT * FROM {name}_drawn)",
    ]


def _where(condition: str | None, value: str) -> str:
    """Return `value` where `condition` holds and NULL elsewhere."""
    return value if condition is None else f"CASE WHEN {condition} THEN {value} END"


def _read(expr: Expr | None) -> set[str]:
    """Return the names of the columns that an expression reads."""
    return set() if expr is None else {node.value or "" for node in expr.walk() if node.op == "col"}


def _side(wanted: set[str], prefix: str) -> set[str]:
    """Return the names wanted from one side of a join, as that side calls them."""
    return {name.removeprefix(prefix) for name in wanted if name.startswith(prefix)}


def _columns_sql(table: Table, wanted: set[str]) -> list[str]:
    """Return the wanted columns of a table, read through their declarations and numbered as they are declared."""
    return [
        f"{column_sql(column)} AS x{i}" for i, column in enumerate(table.columns) if column.name in wanted
    ]
