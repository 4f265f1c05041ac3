"""Text to Workload, from GROUPING SETS or from JSON; every marginal becomes a plan of the query room's own parser.

Both forms are taken apart into the same pieces (source, condition, sets of named grouping terms). From these one
SELECT … COUNT(*) … GROUP BY … is written for each marginal and read by `privacy.query.parse`, the one gate there is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query.layout import layout
from privacy.query.parse import parse as parse_query
from privacy.query.parse_text import tree
from privacy.schema import Table
from privacy.workload import refuse
from privacy.workload.plan import MAX_MARGINALS, Marginal, Workload
from privacy.workload.written import Term, from_json

MAX_CELLS = 100_000  # of all marginals together
_SETS = re.compile(r"\bGROUPING\s+SETS\b", re.IGNORECASE)
_SELECT_PARTS = {"expressions", "from_", "where", "group", "with_", "joins"}


@dataclass(frozen=True)
class _Pieces:
    """What both forms come down to: clauses of a SELECT, and the grouping terms of each marginal."""

    clauses: dict[str, object]
    sets: tuple[tuple[Term, ...], ...]
    weights: tuple[int, ...]
    rows_per_unit: int | None = None


def asks_workload(text: str) -> bool:
    """Say whether `text` is meant as a workload: JSON, or one SELECT with GROUPING SETS."""
    if text.lstrip().startswith("{"):
        return True
    if not _SETS.search(text):
        return False
    try:
        return tree(text).find(exp.GroupingSets) is not None
    except QueryRejected:
        return False


def parse(text: str, table: Table) -> Workload:
    """Return the workload that `text` asks of `table`; raise QueryRejected with a public code on anything else."""
    pieces = _of_json(text, table) if text.lstrip().startswith("{") else _of_sql(tree(text))
    _check_sets(pieces.sets)
    marginals = tuple(
        Marginal(parse_query(_select(pieces, terms), table), weight)
        for terms, weight in zip(pieces.sets, pieces.weights, strict=True)
    )
    workload = Workload(marginals, pieces.rows_per_unit)
    check_workload(workload, table)
    return workload


def check_workload(workload: Workload, table: Table) -> None:
    """Refuse a workload that is too large, has private group names, or exceeds the declared bounds.

    The parser calls this, and so does the engine again when it is handed a workload.
    """
    unit = table.unit
    rows, most = workload.rows_per_unit, unit.max_groups * unit.max_rows
    if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or not 1 <= rows <= most):
        raise refuse.rows_per_unit(most)
    if not 1 <= len(workload.marginals) <= MAX_MARGINALS:
        raise refuse.sets(f"A workload has from 1 to {MAX_MARGINALS} marginals.")
    cells = 0
    for marginal in workload.marginals:
        plan = marginal.plan
        if (
            [aggregate.fn for aggregate in plan.aggregates] != ["count"]
            or plan.having
            or plan.order
            or plan.limit
        ):
            raise refuse.only_counts()
        facts = layout(plan, workload.held(table))
        for name, key in zip(marginal.columns, facts.keys, strict=True):
            if key.codes is None:
                raise refuse.open_key(name)
        cells += facts.cells
    if cells > MAX_CELLS:
        raise refuse.too_many_cells(MAX_CELLS)


def _check_sets(sets: Sequence[Sequence[Term]]) -> None:
    """Refuse marginals that are empty, twice the same, or too many."""
    if not 1 <= len(sets) <= MAX_MARGINALS:
        raise refuse.sets(f"A workload has from 1 to {MAX_MARGINALS} marginals.")
    names = [frozenset(term.name for term in terms) for terms in sets]
    if any(not terms or len(own) != len(terms) for terms, own in zip(sets, names, strict=True)):
        raise refuse.sets("Each marginal names at least one column, and each column once.")
    if len(set(names)) != len(names):
        raise refuse.sets("Two marginals have the same columns.")


def _select(pieces: _Pieces, terms: Sequence[Term]) -> str:
    """Return one marginal as SQL text for the query parser."""
    names = {term.name.lower() for term in terms}
    count = next(name for name in ("count", "rows", "rows_counted") if name not in names)
    shown = [exp.alias_(term.node.copy(), term.name, quoted=True) for term in terms]
    select = exp.Select(
        expressions=[*shown, exp.alias_(exp.Count(this=exp.Star()), count, quoted=True)],
        group=exp.Group(expressions=[term.node.copy() for term in terms]),
    )
    for name, node in pieces.clauses.items():
        select.set(name, _copied(node))
    return str(select.sql(dialect="duckdb"))


def _copied(node: object) -> object:
    if isinstance(node, list):
        return [each.copy() for each in node]
    return node.copy() if isinstance(node, exp.Expression) else node


def _of_json(text: str, table: Table) -> _Pieces:
    """Return the pieces of a JSON workload; its condition is SQL, read as the WHERE of one SELECT."""
    asked = from_json(text)
    source = exp.From(this=exp.Table(this=exp.to_identifier(table.name, quoted=True)))
    clauses: dict[str, object] = {"from_": source}
    if asked.where:
        probe = tree(f"SELECT COUNT(*) FROM t WHERE ({asked.where}\n)")
        is_condition = isinstance(probe, exp.Select) and {
            name for name, value in probe.args.items() if value
        } == {"expressions", "from_", "where"}
        if not is_condition:
            raise refuse.clause("clauses in “where” beside the condition")
        clauses["where"] = probe.args["where"]
    return _Pieces(clauses, asked.sets, asked.weights, asked.rows_per_unit)


def _of_sql(node: exp.Expression) -> _Pieces:
    """Return the pieces of SELECT … COUNT(*) … GROUP BY GROUPING SETS (…)."""
    if not isinstance(node, exp.Select):
        raise refuse.clause("statement but SELECT")
    for name, value in node.args.items():
        if value and name not in _SELECT_PARTS:
            raise refuse.clause(name.strip("_").upper())
    group = node.args.get("group")
    parts = [part for name, part in (group.args if group else {}).items() if part]
    flat = [each for part in parts for each in (part if isinstance(part, list) else [part])]
    if len(flat) != 1 or not isinstance(flat[0], exp.GroupingSets):
        raise refuse.sets("GROUPING SETS stands alone in GROUP BY.")
    named = _named(node)
    sets = tuple(tuple(_term(each, named) for each in _members(item)) for item in flat[0].expressions)
    _check_shown(node, {term.sql for terms in sets for term in terms}, named)
    clauses = {name: node.args[name] for name in ("with_", "from_", "joins", "where") if node.args.get(name)}
    return _Pieces(clauses, sets, (1,) * len(sets))


def _members(item: exp.Expression) -> list[exp.Expression]:
    """Return the terms of one grouping set: (a, b), (a) or a."""
    if isinstance(item, exp.Tuple):
        return list(item.expressions)
    return [item.unnest() if isinstance(item, exp.Paren) else item]


def _named(select: exp.Select) -> dict[str, exp.Expression]:
    """Return the SELECT list's expressions by their lower-case alias."""
    return {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}


def _term(node: exp.Expression, named: dict[str, exp.Expression]) -> Term:
    """Return one grouping term: a column, an alias of the SELECT list, or an expression under its alias."""
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in named:
        return Term(node.name.lower(), named[node.name.lower()])
    if isinstance(node, exp.Column):
        return Term(str(node.name), node)
    for alias, other in named.items():
        if other == node:
            return Term(alias, node)
    if isinstance(node, (exp.GroupingSets, exp.Cube, exp.Rollup)):
        raise refuse.sets("Grouping sets hold columns, not further sets.")
    return Term(str(node.sql(dialect="duckdb"))[:100], node)


def _check_shown(select: exp.Select, terms: set[str], named: dict[str, exp.Expression]) -> None:
    """Refuse a SELECT list with anything but one COUNT(*) and grouping terms."""
    counts = 0
    for item in select.expressions:
        node = item.unalias()
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            counts += 1
        elif Term("", node).sql not in terms:
            raise refuse.only_counts()
    if counts != 1 or any(isinstance(node, exp.Count) and alias in terms for alias, node in named.items()):
        raise refuse.only_counts()
