"""How time and memory of one bounded question grow: with rows, with groups, with a unit's rows.

    python tests/bench/bench_growth.py [--large]

Rows 1e4 to 1e6 (--large: 1e7), groups 1 to 1e5 (the most by two keys: 900 states × 111 ages), a unit's rows 1 to
1e3. Each line gives the seconds of an answer and the peak memory of the process that gave it, over a published file
and over the same file without its places. What grows faster than its cause ends the run with an error.
`bench_ledger.py` does the same for the ledger's length.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from privacy.query.execute import Prepared, fresh_salt, prepare
from privacy.query.parse import parse
from privacy.query.price import price
from tests.bench.bench_engine import MEMORY_MB, QUERY, THREADS
from tests.bench.census import visits, write_visits

SMALL, ROWS = 10_000, 200_000  # the fewest rows; the rows of the other two series
MOST = 2.0  # ten times the cause may take at most twice ten times the time
FLOOR = 0.1  # seconds: what is faster than this grows by chance


def ready(rows: int, states: int, keys: str) -> Prepared:
    """Return the run of the question, by its keys, over a table of that many rows and states."""
    table = visits(rows, states=states)
    plan = parse(QUERY.replace("BY state", f"BY {keys}"), table)
    loss = price(plan, table, rho=10**10).loss.to_dict()
    spec = {"plan": plan.to_dict(), "table": table.to_dict(), "loss": loss, "declared_rows": rows}
    return prepare({**spec, "memory_mb": MEMORY_MB, "threads": THREADS})


def once(path: str, rows: int, states: int, keys: str) -> None:
    """Print the seconds of an answer with and without places, and this process's peak memory in megabytes."""
    run, seconds = ready(rows, states, keys), []
    for has_places in (True, False):
        begin = time.perf_counter()
        road = run if has_places else replace(run, compiled=replace(run.compiled, placed=None))
        road.run(path, fresh_salt())
        seconds.append(time.perf_counter() - begin)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
    print(*seconds, peak)


def answer(
    folder: Path, rows: int, *, each: int = 5, states: int = 51, keys: str = "state"
) -> tuple[float, float, int]:
    """Return what `once` prints over a new file."""
    file = folder / "visits.parquet"
    write_visits(file, rows, each=each, states=states)
    command = [sys.executable, __file__, "--once", str(file), str(rows), str(states), keys]
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(done[0]), float(done[1]), int(done[2])


def series(name: str, causes: list[int], found: list[tuple[float, float, int]]) -> None:
    """Print one series, and fail where time grew faster than its cause."""
    for cause, (stored, general, peak) in zip(causes, found, strict=True):
        print(
            f"{cause:>10,} {name}: {stored:.3f} s, without places {general:.3f} s, peak memory {peak} MB",
            flush=True,
        )
    for i in range(1, len(causes)):
        grown = found[i][0] / max(FLOOR, found[i - 1][0])
        assert grown <= MOST * causes[i] / causes[i - 1], f"{name}: {grown:.1f} times the time"


def main() -> None:
    """Print each series."""
    if "--once" in sys.argv:
        path, rows, states, keys = sys.argv[2:6]
        return once(path, int(rows), int(states), keys)
    print(f"{os.cpu_count()} processors, load before the start {os.getloadavg()[0]:.1f} (1 min)")
    most = 10_000_000 if "--large" in sys.argv else 1_000_000
    sizes = [SMALL * 10**i for i in range(4) if SMALL * 10**i <= most]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        series("rows", sizes, [answer(folder, rows) for rows in sizes])
        groups = [1, 10, 100, 1_000, 10_000]
        found = [answer(folder, ROWS, states=states) for states in groups]
        widest = answer(folder, ROWS, states=900, keys="state, age")
        series("groups", [*groups, 900 * 111], [*found, widest])
        units = [1, 10, 100, 1_000]
        series("rows a unit", units, [answer(folder, ROWS, each=each) for each in units])
    print(f"load at the end {os.getloadavg()[0]:.1f} (1 min), this run's own included")
    return None


if __name__ == "__main__":
    main()
