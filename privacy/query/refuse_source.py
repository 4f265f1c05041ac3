"""The refusals of FROM, JOIN, WITH and sub-queries: one place for each public code's words."""

from __future__ import annotations

from privacy.errors import QueryRejected


def join_form(name: str) -> QueryRejected:
    """Refuse joins other than inner, left and right ones."""
    return QueryRejected(
        "join_form",
        "JOIN",
        f"{name} is not supported.",
        "Use JOIN, LEFT JOIN or RIGHT JOIN with ON or USING; put brackets' content into WITH.",
    )


def join_condition() -> QueryRejected:
    """Refuse joins on anything but the privacy unit or a public table's key."""
    return QueryRejected(
        "join_condition",
        "JOIN",
        "Private tables join on the privacy unit alone, and a public table on its declared key.",
        "Write JOIN … USING (unit), or ON private.column = public.key; put other conditions in WHERE.",
    )


def recursive() -> QueryRejected:
    """Refuse WITH RECURSIVE."""
    return QueryRejected(
        "recursive", "WITH", "WITH RECURSIVE is not supported.", "Write each step as its own WITH name."
    )


def inner_clause(name: str) -> QueryRejected:
    """Refuse to sort or cut the rows of a sub-query."""
    return QueryRejected(
        "inner_clause",
        name,
        f"{name} in a sub-query would let one unit decide which rows of others are read.",
        "Sort and limit the answer, or choose rows with WHERE.",
    )


def inner_group(unit: str) -> QueryRejected:
    """Refuse to aggregate over several units beneath the final aggregate."""
    return QueryRejected(
        "inner_group",
        "GROUP BY",
        "A sub-query may aggregate only the rows of one privacy unit.",
        f'Add "{unit}" to its GROUP BY, or aggregate in the outermost SELECT.',
    )


def inner_distinct(unit: str) -> QueryRejected:
    """Refuse DISTINCT over several units."""
    return QueryRejected(
        "inner_distinct",
        "SELECT DISTINCT",
        "DISTINCT in a sub-query must keep the rows of different privacy units apart.",
        f'Add "{unit}" to its SELECT list.',
    )


def ambiguous_column(name: str, where: str) -> QueryRejected:
    """Refuse a name that two tables have."""
    return QueryRejected(
        "ambiguous_column",
        where,
        f'"{name}" is a column of more than one table here.',
        "Write the table's name or alias before it.",
    )


def public_only() -> QueryRejected:
    """Refuse to read a public table other than as the right side of a join with a private one."""
    return QueryRejected(
        "public_only",
        "FROM",
        "A public table is only looked up from a private one.",
        "Write FROM private_table JOIN public_table ON private_table.column = public_table.key.",
    )


def join_too_wide(most: int) -> QueryRejected:
    """Refuse joins that could make too many rows of one unit."""
    return QueryRejected(
        "join_too_wide",
        "JOIN",
        f"This join could make more than {most} rows of one privacy unit.",
        "First aggregate one side in a sub-query: one row for each unit.",
    )


def too_many_relations() -> QueryRejected:
    """Refuse queries over too many tables and sub-queries."""
    return QueryRejected(
        "too_many_relations",
        "FROM",
        "The query reads too many tables and sub-queries.",
        "Split the question into several queries.",
    )


def inner_function(name: str, where: str) -> QueryRejected:
    """Refuse aggregates that a sub-query does not compute."""
    return QueryRejected(
        "inner_function",
        where,
        f"{name} is not computed over the rows of one unit.",
        "A sub-query computes COUNT, COUNT(DISTINCT), SUM, AVG, MIN and MAX; others stand in the outermost SELECT.",
    )
