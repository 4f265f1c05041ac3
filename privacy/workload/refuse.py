"""The refusals of workloads: one place for each public code's words."""

from __future__ import annotations

from privacy.errors import QueryRejected

FORM = "SELECT COUNT(*) FROM t GROUP BY GROUPING SETS ((a, b), (c))"


def json_form(message: str) -> QueryRejected:
    """Refuse a text that begins like JSON and is no workload."""
    return QueryRejected(
        "workload_json",
        "workload",
        message,
        'Write {"marginals": [["a", "b"], ["c"]], "where": "d > 0", "bins": {"e": [40, 65]}}.',
    )


def clause(name: str) -> QueryRejected:
    """Refuse a clause that a workload cannot have."""
    return QueryRejected(
        "workload_clause",
        name,
        f"A workload of marginals has no {name}.",
        f"Write {FORM}, with WHERE if needed.",
    )


def only_counts() -> QueryRejected:
    """Refuse any figure but the number of rows."""
    return QueryRejected(
        "workload_only_counts",
        "SELECT",
        "A workload counts rows, and shows the columns that it is grouped by.",
        f"Write {FORM}; ask for other figures in queries of their own.",
    )


def sets(message: str) -> QueryRejected:
    """Refuse grouping sets that are empty, doubled, too many or mixed with other terms."""
    return QueryRejected("workload_sets", "GROUP BY", message, f"Write {FORM}.")


def open_key(name: str) -> QueryRejected:
    """Refuse an attribute whose values are not public."""
    return QueryRejected(
        "workload_open_key",
        "GROUP BY",
        f"“{name}” has no public list of values.",
        "Use columns with code lists, or cut a number into bins at public points.",
    )


def too_many_cells(most: int) -> QueryRejected:
    """Refuse marginals that hold too many cells together."""
    return QueryRejected(
        "workload_too_large",
        "GROUP BY",
        f"These marginals have more than {most:,} cells together.",
        "Use fewer columns in a marginal, or coarser bins.",
    )


def weights() -> QueryRejected:
    """Refuse weights that are not small whole numbers, one for each marginal."""
    return QueryRejected(
        "workload_weights",
        "weights",
        "Give each marginal one whole weight from 1 to 1,000.",
        "Leave the weights out for equal shares.",
    )


def rows_per_unit(most: int) -> QueryRejected:
    """Refuse a number of rows that the declared bounds do not allow."""
    return QueryRejected(
        "workload_rows",
        "rows_per_unit",
        f"A workload counts from 1 to {most:,} rows of a privacy unit of this dataset.",
        "Leave it out for the declared bound.",
    )


def bins(name: str) -> QueryRejected:
    """Refuse cut points that are not ascending plain numbers."""
    return QueryRejected(
        "workload_bins",
        "bins",
        f"The cut points of “{name[:60]}” are not 1 to 100 ascending decimal numbers.",
        'Write them as in {"age": [40, 65]}: below 40, from 40 to below 65, and 65 or more.',
    )


def too_small() -> QueryRejected:
    """Refuse a loss that leaves some marginal nothing."""
    return QueryRejected(
        "rho_too_small",
        "ρ",
        "The offered loss is too small to split.",
        "Offer a larger ε, or fewer marginals.",
    )
