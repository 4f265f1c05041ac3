"""The names that one SELECT may use: each column's spelling, and the formula that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from privacy.query import refuse, refuse_source
from privacy.query.expr import Expr
from privacy.query.relation import MATCHED
from privacy.schema import Table
from privacy.unit import ROW_ID


def identifier(node: exp.Expression | None) -> str:
    """Return an identifier's text."""
    return node.name if isinstance(node, exp.Identifier) else ""


def renamed(expr: Expr, rename: Callable[[str], Expr]) -> Expr:
    """Return `expr` with each column replaced by what `rename` gives for it."""
    if expr.op == "col":
        return rename(expr.value or "")
    return Expr(expr.op, tuple(renamed(arg, rename) for arg in expr.args), expr.value)


@dataclass(frozen=True)
class Name:
    """One column: its qualifier, its own name, and its formula over the relation; None is the privacy unit.

    A hidden one needs its qualifier, as the right side's column after USING does.
    """

    alias: str
    shown: str
    expr: Expr | None
    is_hidden: bool = False


@dataclass(frozen=True)
class Names:
    """Every name of a relation's columns."""

    columns: tuple[Name, ...]

    @classmethod
    def of_table(cls, table: Table) -> Names:
        """Return the names of a declared table's columns and of its privacy unit."""
        columns = [Name(table.name, column.name, Expr("col", value=column.name)) for column in table.columns]
        if not table.is_public:
            columns.append(Name(table.name, table.unit.column or ROW_ID, None))
        return cls(tuple(columns))

    def _matching(self, node: exp.Column) -> list[Name]:
        """Return the columns that a reference may mean."""
        name, qualifier = identifier(node.this).lower(), node.args.get("table")
        if {key for key, value in node.args.items() if value} - {"this", "table"}:
            return []
        alias = None if qualifier is None else identifier(qualifier).lower()
        return [
            column
            for column in self.columns
            if column.shown.lower() == name
            and (not column.is_hidden if alias is None else column.alias.lower() == alias)
        ]

    def knows(self, node: exp.Column) -> bool:
        """Say whether a reference means a column that has values."""
        return any(column.expr is not None for column in self._matching(node))

    def is_unit(self, node: exp.Expression) -> bool:
        """Say whether a reference means the privacy unit."""
        return isinstance(node, exp.Column) and any(name.expr is None for name in self._matching(node))

    def find(self, node: exp.Column, clause: str) -> Name:
        """Return the column that a reference means; refuse unknown and ambiguous ones."""
        found = [column for column in self._matching(node) if column.expr is not None]
        name, qualifier = identifier(node.this), identifier(node.args.get("table"))
        shown = f"{qualifier}.{name}"[:130] if qualifier else name[:130]
        if not found:
            raise refuse.unknown_column(shown, clause)
        if len({column.expr for column in found}) > 1:
            raise refuse_source.ambiguous_column(shown, clause)
        return found[0]

    def aliased(self, alias: str) -> Names:
        """Return the same names under one qualifier."""
        return Names(tuple(replace(column, alias=alias) for column in self.columns))

    def on_side(self, prefix: str, *, may_lack: bool = False) -> Names:
        """Return the names as one side of a join has them; a formula is unknown where the row `may_lack` a partner."""

        def moved(expr: Expr | None) -> Expr | None:
            if expr is None:
                return None
            there = renamed(expr, lambda name: Expr("col", value=prefix + name))
            is_plain = not may_lack or there.op == "col"
            return there if is_plain else Expr("case", (Expr("col", value=MATCHED), there, Expr("null")))

        return Names(tuple(replace(column, expr=moved(column.expr)) for column in self.columns))

    def hiding(self, shown: set[str]) -> Names:
        """Return the same names, those in `shown` only by their qualifier."""
        return Names(
            tuple(replace(c, is_hidden=c.is_hidden or c.shown.lower() in shown) for c in self.columns)
        )
