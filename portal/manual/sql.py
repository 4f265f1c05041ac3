"""The SQL that can be asked and what is refused, from the engine's own tables."""

from __future__ import annotations

from portal.manual.tables import table
from privacy.query.reference import EXAMPLE, REFUSED, SUPPORTED, Refused
from privacy.schema import Column, Table
from privacy.workload.reference import FORMS, refusal_of
from privacy.workload.reference import REFUSED as WRONG
from privacy.workload.reference import Refused as WrongWorkload

SOURCES = """## Joins and sub-queries

Whatever a query reads, each of its rows belongs to one privacy unit. A sub-query in FROM or WITH computes and chooses
rows, or makes one row for each unit with `GROUP BY unit` (and more), with exact figures that are never shown. Private
tables join on the unit, and a public look-up table on its declared key. Before a join each private side keeps at most
as many rows of a unit as its table declares (groups times rows), drawn at random; conditions in WHERE choose before
the draw. The bounds of the whole are the largest of the joined tables' bounds; one row for each unit takes less noise.
"""
INTRODUCTION = """# SQL

One SELECT over the tables of one dataset. The text is parsed to a plan and never executed; the engine compiles the
plan to bounded exact integers, adds noise, and does everything else (HAVING, ORDER BY, LIMIT, arithmetic) on noisy
figures alone. What is not in the first table is refused with a public code, the clause, the reason and what to write
instead."""
WORKLOADS = """## Many tables in one charge

A **workload** counts rows by several sets of columns and is paid for by one charge. Write it as `GROUPING SETS`, or as
JSON with `marginals` and, if wanted, `where` (a condition in SQL), `bins` (public cut points: `{"age": [40, 65]}`),
`weights` (shares of the loss) and `rows_per_unit`. All tables together have at most 100,000 cells, and every column
needs public values. At most `rows_per_unit` rows of each privacy unit are counted, the same ones in every table; left
out, it is the declared bound on rows in one group. What is refused beside the codes above:"""
TABLE = """## The example tables

The examples read `visits`, in which one patient counts in at most {groups} groups with at most {rows} rows in each:"""


def page() -> str:
    """Return the page; each example in it is run by a test of the engine."""
    unit = EXAMPLE.unit
    return "\n\n".join(
        [
            INTRODUCTION,
            "## What can be asked",
            table(
                ("Form", "What it gives", "Example"),
                [(f"`{s.name}`", s.words, f"`{s.sql}`") for s in SUPPORTED],
            ),
            SOURCES.rstrip(),
            "## What is refused",
            table(("Code", "Where", "Why", "Instead", "Example"), [_refused(one) for one in REFUSED]),
            WORKLOADS,
            table(("Form", "Example"), [(name, f"`{text}`") for name, text in FORMS]),
            table(("Code", "Where", "Why", "Instead", "Example"), [_refused_workload(one) for one in WRONG]),
            TABLE.format(groups=unit.max_groups, rows=unit.max_rows),
            table(("Column", "Kind", "Public bounds or codes"), [_column(one) for one in EXAMPLE.columns]),
            *(part for other in EXAMPLE.others for part in _other(other)),
        ]
    )


def _other(other: Table) -> tuple[str, str]:
    """Return what is said of one of the example's further tables."""
    unit = other.unit
    groups = "1 group" if unit.max_groups == 1 else f"{unit.max_groups} groups"
    rows = "1 row" if unit.max_rows == 1 else f"{unit.max_rows} rows"
    held = f"private, at most {groups} with {rows} of one patient in each"
    words = f"public, looked up by its key `{other.key}`" if other.is_public else held
    columns = [_column(column) for column in other.columns]
    return f"`{other.name}` is {words}:", table(("Column", "Kind", "Public bounds or codes"), columns)


def _refused(one: Refused) -> tuple[str, ...]:
    refusal = one.refusal()
    if refusal is None:
        raise RuntimeError(f"The example of `{one.code}` is not refused: {one.sql}")
    example = one.sql if len(one.sql) <= 90 else one.sql[:60].rstrip() + " …"
    return f"`{one.code}`", refusal.clause, refusal.message, refusal.alternative, f"`{example}`"


def _refused_workload(one: WrongWorkload) -> tuple[str, ...]:
    refusal = refusal_of(one)
    if refusal is None:
        raise RuntimeError(f"The example of `{one.code}` is not refused: {one.text}")
    return f"`{one.code}`", refusal.clause, refusal.message, refusal.alternative, f"`{one.text}`"


def _column(column: Column) -> tuple[str, ...]:
    if column.codes:
        shown = ", ".join(str(code) for code in column.codes[:4])
        codes = f"{shown}, … ({len(column.codes)} codes)" if len(column.codes) > 4 else shown
        return f"`{column.name}`", str(column.kind.value), codes
    public = column.to_dict()
    bounds = "none" if column.lower is None else f"{public['lower']} to {public['upper']}"
    return f"`{column.name}`", str(column.kind.value), bounds
