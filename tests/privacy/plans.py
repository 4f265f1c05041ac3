"""Random queries over the hostile tables of `engine_data`."""

from __future__ import annotations

import random

VALUES = (
    "x",
    "k",
    "x * 2 - k",
    "ABS(x)",
    "CASE WHEN h THEN x ELSE k END",
    "LEAST(GREATEST(x * k, 0), 20)",
    "COALESCE(x, 7)",
)
CONDITIONS = (
    "x > 0",
    "k IN (1, 2, 3)",
    "h",
    "NOT h",
    "h IS NULL",
    "g = 'a' OR x < 10",
    "note LIKE '%u%'",
    "note IS NOT NULL AND g <> 'b'",
    '"num.co" BETWEEN 1 AND 4',
    "day >= DATE '2020-01-01'",
    "YEAR(day) = 2020",
    "SQRT(ABS(x)) / GREATEST(k, 1) < 2",
)
CODED_KEYS = ("g", "h", '"num.co"', "k")


def random_query(dice: random.Random, *, has_people: bool, may_be_open: bool = True) -> str:
    """Return one query that the parser accepts: aggregates, perhaps filters, a WHERE and keys."""
    keys = dice.sample(CODED_KEYS, dice.choice([0, 0, 1, 1, 2]))
    if may_be_open and dice.random() < 0.25:
        keys.append("note")
    items = []
    for _ in range(dice.randint(1, 3)):
        call = dice.choice(["COUNT(*)", "COUNT({v})", "SUM({v})", "AVG({v})", "VARIANCE({v})", "UNITS"])
        if call == "UNITS":
            call = "COUNT(DISTINCT who)" if has_people else "COUNT(DISTINCT _row)"
        item = call.format(v=dice.choice(VALUES))
        if dice.random() < 0.25:
            item += f" FILTER (WHERE {dice.choice(CONDITIONS)})"
        items.append(item)
    columns = [*keys, *(f"{item} AS a{i}" for i, item in enumerate(items))]
    sql = f"SELECT {', '.join(columns)} FROM t"
    if dice.random() < 0.5:
        sql += f" WHERE {dice.choice(CONDITIONS)}"
    if keys:
        sql += f" GROUP BY {', '.join(keys)}"
    return sql
