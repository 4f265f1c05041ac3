"""Questions without SQL text.

    ds.where(col("age") >= 65).group_by("sex", bin("age", 10)).agg(count(), mean("chol").alias("m"))

The builder writes SQL, which the node reads like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gridhouse.terms import Column, Condition, Figure, Key, condition_sql, quoted, wrong

if TYPE_CHECKING:
    from gridhouse.datasets import Dataset
    from gridhouse.projects import Grant
    from gridhouse.queries import Query
    from gridhouse.values import Estimate


@dataclass(frozen=True)
class Ask:
    """A question being built; each method returns a new one. `sql()` is what it asks."""

    dataset: Dataset
    conditions: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    figures: tuple[Figure, ...] = ()
    orders: tuple[str, ...] = ()
    most: int | None = None
    joined: tuple[tuple[str, str, str, str], ...] = ()  # table, its column here, its column there, how

    def where(self, *conditions: Condition) -> Ask:
        """Take only rows for which every condition holds."""
        return replace(self, conditions=(*self.conditions, *(condition_sql(c) for c in conditions)))

    def join(self, table: str, *, on: str | tuple[str, str] = "", how: str = "inner") -> Ask:
        """Join another table of the dataset, by default on the privacy unit.

        `on` names the column that both have, or one of this table and one of that: for a public table its key.
        """
        if how not in ("inner", "left"):
            raise wrong("A join is inner or left.")
        here, there = (on, on) if isinstance(on, str) else on
        here, there = here or self.dataset.unit_column, there or self.dataset.unit_column
        if not here:
            raise wrong("This dataset has no column that names its privacy unit; name the column with on=.")
        return replace(self, joined=(*self.joined, (table, here, there, how)))

    def group_by(self, *keys: str | Key) -> Ask:
        """Give one line of figures for each value of these columns, bins or periods."""
        made = tuple(key if isinstance(key, Key) else Key(Column(key).sql) for key in keys)
        return replace(self, keys=(*self.keys, *made))

    def agg(self, *figures: Figure) -> Ask:
        """Compute these figures."""
        if not all(isinstance(figure, Figure) for figure in figures):
            raise wrong('agg() takes figures such as count() and mean("age").')
        return replace(self, figures=(*self.figures, *figures))

    def order_by(self, *names: str, descending: bool = False) -> Ask:
        """Sort the answer by columns of it, by name; the noisy figures decide, so this costs nothing."""
        end = " DESC" if descending else ""
        return replace(self, orders=(*self.orders, *(quoted(name) + end for name in names)))

    def limit(self, most: int) -> Ask:
        """Show at most so many lines."""
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise wrong("A limit is a whole number above 0.")
        return replace(self, most=most)

    def sql(self) -> str:
        """Return the question as SQL."""
        if not self.figures:
            raise wrong("Say what to compute, as in agg(count()).")
        items = [_as(key.sql, key.name) for key in self.keys]
        items += [_as(self._filled(figure), figure.name) for figure in self.figures]
        main = quoted(self.dataset.table)
        lines = [f"SELECT {', '.join(items)}", f"FROM {main}"]
        for table, here, there, how in self.joined:
            word, other = "LEFT JOIN" if how == "left" else "JOIN", quoted(table)
            lines.append(f"{word} {other} ON {main}.{quoted(here)} = {other}.{quoted(there)}")
        if self.conditions:
            lines.append("WHERE " + " AND ".join(self.conditions))
        if self.keys:
            lines.append("GROUP BY " + ", ".join(key.sql for key in self.keys))
        if self.orders:
            lines.append("ORDER BY " + ", ".join(self.orders))
        if self.most is not None:
            lines.append(f"LIMIT {self.most}")
        return "\n".join(lines)

    def _filled(self, figure: Figure) -> str:
        """Return a figure's SQL with what only the whole question knows."""
        if figure.needs == "unit":
            unit = self.dataset.unit_column
            counted = f"COUNT(DISTINCT {quoted(unit)})" if unit else "COUNT(*)"
            return figure.sql.replace("COUNT(DISTINCT {unit})", counted, 1)
        if figure.needs == "groups":
            if not self.keys:
                raise wrong("A cumulative count runs along a group: say group_by(…) too.")
            *within, along = (key.sql for key in self.keys)
            partition = f"PARTITION BY {', '.join(within)} " if within else ""
            return figure.sql.replace("{window}", f"{partition}ORDER BY {along}", 1)
        return figure.sql

    def query(
        self,
        *,
        epsilon: float | str | Decimal,
        title: str = "",
        grant: Grant | str | None = None,
        accounting: str = "zcdp",
    ) -> Query:
        """Return it as a query at that ε; nothing is sent yet. Name the grant that pays if several could."""
        options: dict[str, Any] = {"title": title, "grant": grant, "accounting": accounting}
        return self.dataset.sql(self.sql(), epsilon=epsilon, **options)

    def estimate(
        self,
        *,
        epsilon: float | str | Decimal | None = None,
        error: float | str | Decimal | None = None,
        figure: str = "",
        rows: int | None = None,
        grant: Grant | str | None = None,
        accounting: str = "zcdp",
    ) -> Estimate:
        """Return cost and accuracy at an ε, or at the least ε that keeps `figure` within ± `error`.

        `rows` is how many rows you suppose a group has; the errors of means depend on it. Nothing is stored.
        """
        offered = "1" if epsilon is None else epsilon
        query = self.query(epsilon=offered, grant=grant, accounting=accounting)
        return query.estimate(epsilon=epsilon, error=error, figure=figure, rows=rows)

    def submit(
        self,
        *,
        epsilon: float | str | Decimal | None = None,
        error: float | str | Decimal | None = None,
        figure: str = "",
        rows: int | None = None,
        title: str = "",
        grant: Grant | str | None = None,
        accounting: str = "zcdp",
    ) -> Query:
        """Submit it at an ε, or at the least ε that keeps `figure` within ± `error`."""
        if error is not None:
            wanted = {"error": error, "figure": figure, "rows": rows, "grant": grant}
            found = self.estimate(epsilon=epsilon, accounting=accounting, **wanted)  # type: ignore[arg-type]
            epsilon, accounting = found.epsilon, found.accounting
        if epsilon is None:
            raise wrong("Give either an ε or the error that you need.")
        return self.query(epsilon=epsilon, title=title, grant=grant, accounting=accounting).submit()


def _as(sql: str, name: str) -> str:
    return f"{sql} AS {quoted(name)}" if name else sql
