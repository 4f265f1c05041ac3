"""The query of one histogram: how many of the rows that a plan keeps fall in each bin of each cell.

Rows are kept by the same bounds as in `compile`; where a file keeps its rows' places, the main query may draw
others. Each query is within its own share of the loss, so nothing rests on their being the same.
"""

from __future__ import annotations

from privacy.query.layout import Layout, Shape
from privacy.query.relation_sql import shuffled


def drawn(by: str, most: int, *, is_ranked: bool = False) -> str:
    """Return the CTE `drawn`: rows of `base` beyond the bound (`big`), ranked by salted hash within each `by`.

    The first window numbers a unit's own rows, so that no row number from outside the unit enters the hash;
    where `r` is already such a number (`is_ranked`), it is taken as it is.
    """
    same = " AND ".join(f"base.{key} = big.{key}" for key in by.split(", "))
    number = "r" if is_ranked else f"row_number() OVER (PARTITION BY {by} ORDER BY r)"
    draw = shuffled(f"{by}, o")
    return (
        f"placed AS (SELECT *, {number} AS o FROM base SEMI JOIN big ON {same}), "
        f"ranks AS (SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY {draw}, o) AS d FROM placed), "
        f"drawn AS (SELECT * EXCLUDE (o, d) FROM ranks WHERE d <= {most})"
    )


def histogram_sql(base: str, facts: Layout, index: int, *, is_ranked: bool = False) -> str:
    """Return the query of one histogram: how many kept rows of each cell fall in each bin."""
    chosen = ""
    if facts.shape is Shape.GROUPS:
        ranked, same = drawn("u, c", facts.rows, is_ranked=is_ranked), "base.u = big.u AND base.c = big.c"
        big = f"big AS (SELECT u, c FROM base GROUP BY u, c HAVING count(*) > {facts.rows})"
        if facts.has_unknown_keys or facts.groups < facts.cells:
            chosen = f"SEMI JOIN ({_chosen_pairs(facts.groups)}) AS pairs ON kept.u = pairs.u AND kept.c = pairs.c "
    elif facts.shape is Shape.ROWS:
        ranked, same = drawn("u", facts.rows, is_ranked=is_ranked), "base.u = big.u"
        big = f"big AS (SELECT u FROM base GROUP BY u HAVING count(*) > {facts.rows})"
    if facts.shape is Shape.DIRECT:
        kept = f"WITH {base}, kept AS (SELECT * FROM base) "
    else:
        kept = (
            f"WITH {base}, {big}, {ranked}, "
            f"kept AS (SELECT * FROM base ANTI JOIN big ON {same} UNION ALL SELECT * FROM drawn) "
        )
    own = f"m{index}"
    return f"{kept}SELECT c, {own}, count(*) AS n FROM kept {chosen}WHERE {own} IS NOT NULL GROUP BY c, {own}"


def _chosen_pairs(most: int) -> str:
    """Return the groups that are kept of each unit, chosen as `_groups` chooses them."""
    return (
        f"SELECT u, c FROM (SELECT u, c, row_number() OVER (PARTITION BY u ORDER BY {shuffled('u, c')}, c) AS g "
        f"FROM (SELECT DISTINCT u, c FROM base)) WHERE g <= {most}"
    )
