"""How fast the engine is: a user-level bounded GROUP BY against the same SQL by hand, and against no bounding.

Run as a script: `python tests/bench/bench_engine.py [--large]` (1e6 rows; with --large 1e7 as well). Each line
gives seconds (the median of several) and a ratio within this run, which is what means something on any machine.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb

from privacy.query.execute import fresh_salt, lockdown, prepare
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

QUERY = "SELECT state, COUNT(*) AS n, SUM(income) AS income, AVG(age) AS age FROM visits GROUP BY state"
MEMORY_MB = 4096
THREADS = 2
LARGE = 10_000_000  # rows
MOST_SECONDS, MOST_RATIO = 2.5, 1.3  # at LARGE; against the same bounded SQL by hand, at any size


def visits(rows: int) -> Table:
    """Return the declared table: visits of people, several for each."""
    return Table(
        "visits",
        (
            Column("state", Kind.INTEGER, Decimal(0), Decimal(50), nullable=False),
            Column("income", Kind.INTEGER, Decimal(0), Decimal(200_000), nullable=False),
            Column("age", Kind.INTEGER, Decimal(0), Decimal(110), nullable=False),
        ),
        PrivacyUnit("user_id", max_groups=3, max_rows=10),
        rows,
    )


def write_visits(path: str, rows: int) -> None:
    """Write a file like the American census sample: about five rows for each user, fifty-one states."""
    duckdb.sql(
        f"""COPY (
        WITH v AS (SELECT i, CAST(floor(pow(random(), 1.6) * {rows // 5}) AS BIGINT) AS user_id
                   FROM range({rows}) t(i))
        SELECT i AS _row, user_id,
               CAST(CASE WHEN random() < 0.98 THEN hash(user_id * 19 + 2) % 51 ELSE random() * 50 END AS INTEGER)
                   AS state,
               CAST(exp(9.5 + 2.2 * (random() + random() + random() - 1.5)) AS INTEGER) AS income,
               CAST(18 + hash(user_id) % 70 AS INTEGER) AS age
        FROM v) TO '{path}' (FORMAT parquet)"""
    )


def medians(actions: dict[str, Callable[[], object]], times: int = 5) -> dict[str, float]:
    """Return the median seconds of each action; they take turns, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(times + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if turn:  # the first turn warms the caches
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


def by_hand(sql: str, path: str) -> object:
    """Run one statement the way a person would, in an engine with the same memory and threads."""
    with duckdb.connect(":memory:") as connection:
        for setting in lockdown(path, MEMORY_MB, THREADS):
            connection.execute(setting)
        return connection.execute(sql).fetchall()


HAND_BOUNDED = """
WITH base AS (SELECT state AS c, user_id AS u, _row AS r, income AS x, age AS y
              FROM read_parquet('{path}') WHERE user_id IS NOT NULL),
     ranked AS (SELECT *, row_number() OVER (PARTITION BY u, c ORDER BY hash({salt}::UBIGINT, u, r)) AS d FROM base),
     part AS (SELECT u, c, count(*) AS n, sum(least(greatest(x, 0), 200000)) AS x,
                     sum(least(greatest(y, 0), 110)) AS y FROM ranked WHERE d <= 10 GROUP BY u, c),
     chosen AS (SELECT *, row_number() OVER (PARTITION BY u ORDER BY hash({salt}::UBIGINT, u, c)) AS g FROM part)
SELECT c, sum(n), sum(x), sum(y) FROM chosen WHERE g <= 3 GROUP BY c
"""
UNBOUNDED = "SELECT state, count(*), sum(income), avg(age) FROM read_parquet('{path}') GROUP BY state"


def measure(rows: int, folder: str) -> None:
    """Print the figures for one size."""
    path = str(Path(folder) / f"visits_{rows}.parquet")
    write_visits(path, rows)
    table = visits(rows)
    plan = parse(QUERY, table)
    pricing = price(plan, table, rho=10**10)
    spec = {
        "plan": plan.to_dict(),
        "table": table.to_dict(),
        "loss": pricing.loss.to_dict(),
        "declared_rows": rows,
        "memory_mb": MEMORY_MB,
        "threads": THREADS,
    }
    ready = prepare(spec)
    found = medians(
        {
            "engine": lambda: prepare(spec).run(path, fresh_salt()),
            "same": lambda: by_hand(ready.compiled.text(path, fresh_salt()), path),
            "windows": lambda: by_hand(HAND_BOUNDED.format(path=path, salt=fresh_salt()), path),
            "unbounded": lambda: by_hand(UNBOUNDED.format(path=path), path),
        }
    )
    tell(rows, found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    due = price(plan, table, rho=10**10, declared_rows=rows).deadline_seconds
    print(f"{rows:>10,} rows: deadline {due} s, peak memory {peak} MB", flush=True)


def tell(rows: int, found: dict[str, float]) -> None:
    """Print the medians of one size and whether they are within what is asked."""
    ours, size = found["engine"], f"{rows:>10,} rows:"
    whole = f": {passed(ours <= MOST_SECONDS)} at most {MOST_SECONDS} s" if rows == LARGE else ""
    print(f"{size} engine {ours:.3f} s{whole}")
    ratio = ours / found["same"]
    within = f"{passed(ratio <= MOST_RATIO)} at most {MOST_RATIO}"
    print(f"{size} same bounded SQL by hand {found['same']:.3f} s, engine/hand {ratio:.2f}: {within}")
    for name, words in (("windows", "bounded by plain windows"), ("unbounded", "no bounding at all")):
        print(f"{size} {words} {found[name]:.3f} s, engine/{name} {ours / found[name]:.2f}")


def passed(is_within: bool) -> str:
    """Return the word for a figure that is, or is not, within what is asked of it."""
    return "PASS" if is_within else "over"


def main() -> None:
    """Print every figure."""
    sizes = [1_000_000, LARGE] if "--large" in sys.argv[1:] else [1_000_000]
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            measure(rows, folder)


if __name__ == "__main__":
    main()
