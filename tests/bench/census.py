"""Rows like the American census sample, keyed by user: for the engine's benchmarks."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb

from privacy import places
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

STATES = 51
MEMORY_GB = 8  # for making the file; publication spills beyond it


def visits(rows: int, *, states: int = STATES) -> Table:
    """Return the declared table: visits of people, several for each."""
    return Table(
        "visits",
        (
            Column("state", Kind.INTEGER, codes=tuple(range(states)), nullable=False)
            if states > 1_000
            else Column("state", Kind.INTEGER, Decimal(0), Decimal(states - 1), nullable=False),
            Column("income", Kind.INTEGER, Decimal(0), Decimal(200_000), nullable=False),
            Column("age", Kind.INTEGER, Decimal(0), Decimal(110), nullable=False),
        ),
        PrivacyUnit("user_id", max_groups=3, max_rows=10),
        rows,
    )


def write_visits(path: Path, rows: int, *, each: int = 5, states: int = STATES) -> None:
    """Publish a file: about `each` rows a user (some have hundreds), nearly all of them in the user's own state."""
    users = max(1, rows // each)
    home = f"CAST(hash(user_id * 19 + 2) % {states} AS BIGINT)"
    raw = f"""
        WITH v AS (SELECT i, CAST(floor(pow(random(), 1.6) * {users}) AS BIGINT) AS user_id FROM range({rows}) t(i))
        SELECT user_id, CASE WHEN random() < 0.98 THEN {home} ELSE CAST(random() * {states - 1} AS BIGINT) END AS state,
               CAST(exp(9.5 + 2.2 * (random() + random() + random() - 1.5)) AS BIGINT) AS income,
               CAST(18 + hash(user_id) % 70 AS BIGINT) AS age, hash(i, 7) AS "{places.ORDER}"
        FROM v"""
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            f"SET memory_limit = '{MEMORY_GB}GB'; SET temp_directory = '{path.parent}'; SET threads = 2"
        )
        query = places.places_sql(visits(rows, states=states), raw)
        connection.execute(f"COPY ({query}) TO '{path}' ({places.FORMAT})")
