"""From the one SQL text that is written, DuckDB's, to another engine's: node by node, from a closed list.

The text is always our own, made from a plan. What the list does not hold is refused before any row is read,
so a construct that is new in the compiler waits here until somebody has thought about each engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from privacy.engines.address import Relation
from privacy.engines.reach import COLUMN, WHOLE, Reach, Reaches
from privacy.errors import EngineFault, QueryRejected
from privacy.schema import Kind, Table

_KNOWN = """
Abs Add Alias And Array ArrayContains Between Boolean CTE Case Cast Ceil Coalesce Column Count DPipe DataType
DataTypeParam Date DateTrunc Day DayOfWeek Distinct Div EQ Floor From GT GTE Greatest Group Having Identifier If In
Is Join LT LTE Least Length Like Literal Ln Max Min Month Mul NEQ Neg Not Null Or Order Ordered Paren Quarter
ReadParquet Round Row RowNumber Select Sqrt Star Sub Subquery Sum Table TableAlias TimestampTrunc TryCast Tuple
Union Var Where Window With Year Anonymous"""
_NODES = frozenset(_KNOWN.split())
_FUNCTIONS = frozenset({"hash", "isfinite", "list_contains", "list_position", "row", "strlen"})


@dataclass(frozen=True)
class Place:
    """Where a declared table's rows lie in an engine, and as which of its types each column was found."""

    relation: Relation
    table: Table
    types: Mapping[str, str]


class Dialect(ABC):
    """How one engine writes what differs between engines. Everything that it writes is total: it cannot raise."""

    name: str

    @abstractmethod
    def source(self, place: Place, wanted: Sequence[str]) -> str:
        """Return the rows of a table as a query: the wanted columns as declared, and what they hold as `_row`.

        By `_row` the rows of one unit are ordered, so that no other unit has a say in which of them are kept.
        """

    @abstractmethod
    def rewrite(self, node: Any, exp: Any) -> Any:
        """Return what stands for `node` on this engine; its children are rewritten already."""


def translate(text: str, places: Mapping[str, Place], dialect: Dialect) -> str:
    """Return the engine's text for a query in DuckDB's, which reads `read_parquet('<name of a table>')`.

    Raises QueryRejected for what this engine cannot do, and EngineFault for a table without a place.
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(text, read="duckdb")
    _require_known(tree, exp)
    Reaches(tree, _columns(places.values())).require(tree)
    _name_columns(tree, exp)
    wanted = {node.name for node in tree.walk() if isinstance(node, exp.Column)}
    for node in list(tree.walk())[::-1]:  # children before their parents
        new = _source(node, places, wanted, dialect, exp) or dialect.rewrite(node, exp)
        if new is not node:
            node.replace(new)
    _name_subqueries(tree, exp)
    return str(tree.sql(dialect=dialect.name))


def _require_known(tree: Any, exp: Any) -> None:
    """Refuse a node or function that is not on the list."""
    for node in tree.walk():
        name = type(node).__name__
        is_known = name in _NODES and (name != "Anonymous" or node.name.lower() in _FUNCTIONS)
        if not is_known:
            raise QueryRejected(
                "engine_lacks",
                "SELECT",
                "The engine that holds these data cannot compute this yet.",
                "Ask for counts, sums and means.",
            )


@cache
def _type(kind: str, dialect: str) -> Any:
    from sqlglot import exp

    return exp.DataType.build(kind, dialect=dialect)


def cast(value: Any, kind: str, dialect: str) -> Any:
    """Return a conversion to a type by its name; reading that name anew would take half of a translation."""
    from sqlglot import exp

    return exp.cast(value, _type(kind, dialect))


def _columns(places: Any) -> dict[str, Reach]:
    """Return the reach of each declared column as a source lets it in."""
    found: dict[str, Reach] = {}
    for place in places:
        for column in place.table.columns:
            own = COLUMN if column.kind is Kind.DECIMAL else WHOLE
            found[column.name] = found[column.name].join(own) if column.name in found else own
    return found


def _name_columns(tree: Any, exp: Any) -> None:
    """Write out each `* EXCLUDE (…)`, for not every engine knows it."""
    with_ = tree.args.get("with_")
    known: dict[str, list[str]] = {}
    for cte in with_.expressions if with_ else []:
        for select in [node for node in cte.this.walk() if isinstance(node, exp.Select)][::-1]:
            _write_out(select, known, exp)
        known[cte.alias] = _names(cte.this, known, exp)


def _write_out(select: Any, known: Mapping[str, list[str]], exp: Any) -> None:
    written = []
    for item in select.expressions:
        left_out = item.args.get("except_") if isinstance(item, exp.Star) else None
        if not left_out:
            written.append(item)
            continue
        without = {column.name for column in left_out}
        names = [name for name in _names_from(select, known, exp) if name not in without]
        written += [exp.column(name, quoted=True) for name in names]
    select.set("expressions", written)


def _names(query: Any, known: Mapping[str, list[str]], exp: Any) -> list[str]:
    """Return the columns of a query, in order."""
    while isinstance(query, exp.Union | exp.Subquery):
        query = query.this
    found: list[str] = []
    for item in query.expressions:
        is_star = isinstance(item, exp.Star) or (
            isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        )
        found += _names_from(query, known, exp) if is_star else [item.alias_or_name]
    return found


def _names_from(select: Any, known: Mapping[str, list[str]], exp: Any) -> list[str]:
    """Return the columns of what a SELECT reads FROM; partners of a semi-join bring none."""
    read = select.args["from_"].this
    if isinstance(read, exp.Subquery):
        return _names(read.this, known, exp)
    if read.name not in known:
        raise EngineFault("A query names a relation that is not there.")
    return known[read.name]


def _source(node: Any, places: Mapping[str, Place], wanted: set[str], dialect: Dialect, exp: Any) -> Any:
    """Return the query that stands for reading a table's file; None for any other node."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.ReadParquet):
        return None
    place = places.get(node.this.expressions[0].this)
    if place is None:
        raise EngineFault("A table's place is missing.", code="place_missing")
    names = [name for name in place.types if name in wanted]
    return exp.maybe_parse(dialect.source(place, names), dialect=dialect.name).subquery(node.alias or "t")


def _name_subqueries(tree: Any, exp: Any) -> None:
    """Give each sub-query in FROM a name, which some engines demand."""
    for number, node in enumerate(n for n in tree.walk() if isinstance(n, exp.Subquery)):
        if isinstance(node.parent, exp.From | exp.Join) and not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(f"q{number}")))
