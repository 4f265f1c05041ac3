"""The refusals of the parser: one place for each public code's words."""

from __future__ import annotations

from typing import NoReturn

from privacy.errors import QueryRejected

MEASURES = "COUNT, COUNT(DISTINCT unit), SUM, AVG, STDDEV and MEDIAN"


def syntax(message: str) -> QueryRejected:
    """Refuse a text that is no SQL."""
    return QueryRejected("syntax", "query", message, "Write one SELECT … FROM … query.")


def too_long(message: str) -> QueryRejected:
    """Refuse a text beyond the size limit."""
    return QueryRejected("too_long", "query", message, "Split the question into several queries.")


def too_deep() -> QueryRejected:
    """Refuse a text nested too deeply."""
    return QueryRejected("too_deep", "query", "The query is nested too deeply.", "Use fewer brackets.")


def many_statements() -> QueryRejected:
    """Refuse anything but one statement."""
    return QueryRejected(
        "many_statements", "query", "There must be exactly one statement.", "Send each query by itself."
    )


def not_select() -> QueryRejected:
    """Refuse statements that are no SELECT."""
    return QueryRejected("not_select", "query", "Only a SELECT can be answered.", "Write SELECT … FROM ….")


def clause(name: str) -> QueryRejected:
    """Refuse a clause that the engine does not read."""
    return QueryRejected(
        "unsupported_clause",
        name,
        f"{name} is not supported in this form.",
        "Use SELECT, FROM, WHERE, GROUP BY, HAVING, ORDER BY and LIMIT.",
    )


def distinct() -> QueryRejected:
    """Refuse SELECT DISTINCT."""
    return QueryRejected(
        "distinct", "SELECT DISTINCT", "DISTINCT would show exact values.", "Use GROUP BY with COUNT(*)."
    )


def offset() -> QueryRejected:
    """Refuse OFFSET."""
    return QueryRejected("offset", "OFFSET", "OFFSET is not supported.", "Use ORDER BY with LIMIT.")


def window() -> QueryRejected:
    """Refuse window functions and QUALIFY."""
    return QueryRejected(
        "window",
        "OVER",
        "The one window that is answered is a running count over all grouping columns.",
        "Write SUM(COUNT(*)) OVER (PARTITION BY a ORDER BY b) with GROUP BY a, b.",
    )


def subquery(where: str) -> QueryRejected:
    """Refuse sub-queries."""
    return QueryRejected(
        "subquery",
        where,
        "A sub-query stands only in FROM and in WITH.",
        "Join it in FROM, or use CASE for conditions.",
    )


def set_operation() -> QueryRejected:
    """Refuse UNION, INTERSECT and EXCEPT."""
    return QueryRejected(
        "set_operation", "UNION", "Queries cannot be combined.", "Ask each by itself, or use OR in WHERE."
    )


def unknown_table(name: str) -> QueryRejected:
    """Refuse every source but the dataset's table."""
    return QueryRejected("unknown_table", "FROM", "There is no such table here.", f'Write FROM "{name}".')


def unknown_column(name: str, where: str) -> QueryRejected:
    """Refuse a column that was not declared."""
    return QueryRejected(
        "unknown_column",
        where,
        f'There is no declared column "{name}".',
        "Use a column listed on the dataset's page; quote names that hold a dot.",
    )


def unknown_function(name: str, where: str) -> QueryRejected:
    """Refuse a function that is not on the allow-list."""
    return QueryRejected(
        "unknown_function",
        where,
        f"{name} is not supported.",
        f"Use {MEASURES}, CASE, arithmetic and the functions listed in the reference.",
    )


def min_max(name: str, where: str) -> QueryRejected:
    """Refuse the order statistics that have no private form."""
    return QueryRejected(
        "order_statistic",
        where,
        f"{name} is not answered.",
        "Use QUANTILE_CONT(x, 0.5); for the commonest value, GROUP BY it and ORDER BY COUNT(*) DESC LIMIT 1.",
    )


def spread(name: str, where: str) -> QueryRejected:
    """Refuse spreads of two columns."""
    return QueryRejected(
        "spread",
        where,
        f"{name} is not supported.",
        "Ask for AVG(x), AVG(y) and AVG(x * y), and VARIANCE of each: it follows from them.",
    )


def nested_aggregate(where: str) -> QueryRejected:
    """Refuse an aggregate where rows are read."""
    return QueryRejected(
        "aggregate_in_rows",
        where,
        "An aggregate cannot stand here: this part is computed for each row.",
        "Use HAVING for conditions on aggregates.",
    )


def select_star() -> QueryRejected:
    """Refuse SELECT *."""
    return QueryRejected("select_star", "SELECT", "Rows cannot be shown.", f"Use {MEASURES}.")


def no_aggregate() -> QueryRejected:
    """Refuse a SELECT without an aggregate."""
    return QueryRejected("no_aggregate", "SELECT", "The query computes no aggregate.", f"Use {MEASURES}.")


def ungrouped_column(name: str, where: str) -> QueryRejected:
    """Refuse a bare column that is not grouped by."""
    return QueryRejected(
        "ungrouped_column",
        where,
        f'"{name}" stands outside an aggregate and is not in GROUP BY.',
        "Add it to GROUP BY, or aggregate it.",
    )


def group_expression() -> QueryRejected:
    """Refuse GROUP BY over anything but expressions of columns."""
    return QueryRejected(
        "group_expression",
        "GROUP BY",
        "GROUP BY takes columns, expressions of them, aliases and positions of the SELECT list.",
        "Write each grouping by itself; ROLLUP, CUBE and GROUPING SETS are several queries.",
    )


def bad_limit() -> QueryRejected:
    """Refuse a LIMIT that is no plain number."""
    return QueryRejected(
        "bad_limit", "LIMIT", "LIMIT is a whole number from 1 to 1,000,000.", "Write LIMIT 10."
    )


def count_distinct(unit: str, where: str) -> QueryRejected:
    """Refuse distinct counts of anything but the privacy unit."""
    return QueryRejected(
        "count_distinct",
        where,
        "Only privacy units can be counted as distinct.",
        f'Write COUNT(DISTINCT "{unit}"), or GROUP BY the column.',
    )


def too_large(where: str) -> QueryRejected:
    """Refuse values beyond what a double holds in whole units."""
    return QueryRejected(
        "too_large",
        where,
        "A value in this expression can exceed 10^15 in size.",
        "Divide by a constant, or bound a part with LEAST and GREATEST.",
    )


def unbounded() -> QueryRejected:
    """Refuse sums and means of what has no public bounds."""
    return QueryRejected(
        "unbounded",
        "SELECT",
        "A sum or mean needs public bounds, and this expression has none.",
        "Bound it yourself: LEAST(GREATEST(column, 0), 100).",
    )


def group_unbounded(name: str) -> QueryRejected:
    """Refuse grouping by what has no public list of values."""
    return QueryRejected(
        "group_unbounded",
        "GROUP BY",
        f"{name} has no public list of values, or one that is too long.",
        "Group by a category, a truth value, text, a short range of whole numbers or days, or bins of one:"
        " FLOOR(age / 10) * 10, YEAR(day), DATE_TRUNC('month', day), CASE.",
    )


def mismatch(clause: str, message: str) -> NoReturn:
    """Refuse an operation on the wrong kind of value."""
    raise QueryRejected("type_mismatch", clause, message, "Compare like with like, and compute with numbers.")
