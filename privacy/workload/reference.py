"""What workloads are and what is refused of them, as tables: the reference page is generated from here.

Every entry has an example over the query room's example table, and a test runs each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from privacy.errors import QueryRejected
from privacy.query.reference import EXAMPLE
from privacy.workload.parse import parse

FORMS = (
    (
        "SQL",
        "SELECT sex, score, died, COUNT(*) FROM visits WHERE age > 18 GROUP BY GROUPING SETS ((sex, score), (died))",
    ),
    (
        "JSON",
        '{"marginals": [["sex", "score"], ["died"]], "where": "age > 18", "weights": [2, 1], "rows_per_unit": 4}',
    ),
)


@dataclass(frozen=True)
class Refused:
    """One public refusal code: its clause, its reason and what to do instead come from running the example."""

    code: str
    text: str


REFUSED = (
    Refused("workload_json", '{"tables": [["sex"]]}'),
    Refused(
        "workload_clause", "SELECT COUNT(*) FROM visits GROUP BY GROUPING SETS ((sex)) HAVING COUNT(*) > 9"
    ),
    Refused("workload_only_counts", "SELECT SUM(age) FROM visits GROUP BY GROUPING SETS ((sex), (died))"),
    Refused("workload_sets", "SELECT COUNT(*) FROM visits GROUP BY GROUPING SETS ((sex), (sex))"),
    Refused("workload_open_key", "SELECT COUNT(*) FROM visits GROUP BY GROUPING SETS ((sex), (diagnosis))"),
    Refused("workload_too_large", '{"marginals": [["ward", "sex", "age"], ["ward", "died", "age"]]}'),
    Refused("workload_weights", '{"marginals": [["sex"], ["died"]], "weights": [1]}'),
    Refused("workload_rows", '{"marginals": [["sex"]], "rows_per_unit": 13}'),
    Refused("workload_bins", '{"marginals": [["age"]], "bins": {"age": [65, 40]}}'),
)


def refusal_of(entry: Refused) -> QueryRejected | None:
    """Return what an example is refused with, or None if it is not."""
    try:
        parse(entry.text, EXAMPLE)
    except QueryRejected as refusal:
        return refusal
    return None
