"""How fast the engine is: a user-level bounded GROUP BY against the same SQL by hand, no bounding, and peers.

    python tests/bench/bench_engine.py [--large] [--peers FOLDER]

1e6 rows; with --large 1e7 as well. With --peers, SmartNoise-SQL and OpenDP-Polars answer the same question over the
same rows in the same run, in environments that are made under FOLDER (about 1 GB). Each line gives seconds (the
median of several) and a ratio within this run, which is what means something on any machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb

from privacy.engines.duck import lockdown
from privacy.query.execute import Prepared, fresh_salt, prepare
from privacy.query.parse import parse
from privacy.query.price import price
from tests.bench.census import visits, write_visits

QUERY = "SELECT state, COUNT(*) AS n, SUM(income) AS income, AVG(age) AS age FROM visits GROUP BY state"
FILTERED = QUERY.replace("GROUP BY", "WHERE age >= 30 GROUP BY")
MEMORY_MB = 4096
THREADS = 2
LARGE = 10_000_000  # rows
MOST_SECONDS, MOST_RATIO = 2.5, 1.3  # at LARGE; against the same bounded SQL by hand, at any size
MOST_PLAIN, MOST_MB = 5.0, 1_200  # against no bounding at all, with stored places; peak memory
MOST_IMPORT = 1.0  # seconds until a worker can answer
PEERS = {"smartnoise": ("smartnoise-sql==1.0.10 pyarrow", 5.0), "opendp": ("opendp[polars]==0.16.0", 3.0)}
ROADS = ("stored", "filtered", "general")

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


def specification(rows: int, sql: str = QUERY) -> dict[str, Any]:
    """Return what a job is handed for a query over `rows` rows."""
    table = visits(rows)
    plan = parse(sql, table)
    pricing = price(plan, table, rho=10**10)
    return {
        "plan": plan.to_dict(),
        "table": table.to_dict(),
        "loss": pricing.loss.to_dict(),
        "declared_rows": rows,
        "memory_mb": MEMORY_MB,
        "threads": THREADS,
    }


def ready(rows: int, road: str) -> Prepared:
    """Return a run that takes one of ROADS: over stored places, the same with a filter, or without places."""
    made = prepare(specification(rows, FILTERED if road == "filtered" else QUERY))
    return replace(made, compiled=replace(made.compiled, placed=None)) if road == "general" else made


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


def by_hand(sql: str, path: str, memory_mb: int = MEMORY_MB) -> object:
    """Run one statement the way a person would, in an engine with the same memory and threads."""
    with duckdb.connect(":memory:") as connection:
        for setting in lockdown([path], memory_mb, THREADS):
            connection.execute(setting)
        return connection.execute(sql).fetchall()


def measure(rows: int, folder: Path, times: int) -> tuple[Path, dict[str, float]]:
    """Print the figures for one size; return the file and the medians."""
    file = folder / f"visits_{rows}.parquet"
    begin = time.perf_counter()
    if not file.exists():
        write_visits(file, rows)
        print(f"{rows:>10,} rows: made and published in {time.perf_counter() - begin:.1f} s", flush=True)
    path, runs = str(file), {road: ready(rows, road) for road in ROADS}
    actions: dict[str, Callable[[], object]] = {}
    for road, run in runs.items():
        actions[road] = lambda run=run: run.run(path, fresh_salt())
        actions[f"{road} by hand"] = lambda run=run, road=road: by_hand(
            run.compiled.text(path, fresh_salt(), has_places=road != "general"), path
        )
    actions["windows"] = lambda: by_hand(
        HAND_BOUNDED.format(path=path, salt=fresh_salt()), path, 3 * MEMORY_MB
    )
    actions["unbounded"] = lambda: by_hand(UNBOUNDED.format(path=path), path)
    found = medians(actions, times)
    tell(rows, found)
    for road in ROADS:
        peak = peak_mb(rows, path, road)
        print(f"{rows:>10,} rows: {road}, peak memory {peak} MB: {passed(peak <= MOST_MB)} at most {MOST_MB}")
    return file, found


def tell(rows: int, found: dict[str, float]) -> None:
    """Print the medians of one size and whether they are within what is asked."""
    size = f"{rows:>10,} rows:"
    for road in ROADS:
        ours, ratio = found[road], found[road] / found[f"{road} by hand"]
        whole = f": {passed(ours <= MOST_SECONDS)} at most {MOST_SECONDS} s" if rows == LARGE else ""
        within = f"{passed(ratio <= MOST_RATIO)} at most {MOST_RATIO}"
        print(f"{size} {road} {ours:.3f} s{whole}; {ratio:.2f} × the same SQL by hand: {within}")
    plain = found["stored"] / found["unbounded"]
    print(f"{size} no bounding at all {found['unbounded']:.3f} s; stored is {plain:.1f} × that: "
          f"{passed(plain <= MOST_PLAIN)} at most {MOST_PLAIN:g}")  # fmt: skip
    print(f"{size} bounded by plain windows {found['windows']:.3f} s; "
          f"stored takes {found['stored'] / found['windows']:.2f} of that", flush=True)  # fmt: skip


def passed(is_within: bool) -> str:
    """Return the word for a figure that is, or is not, within what is asked of it."""
    return "PASS" if is_within else "over"


def here(*words: str) -> str:
    """Return what this script prints in a process of its own with these arguments."""
    command = [sys.executable, __file__, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def peak_mb(rows: int, path: str, road: str) -> int:
    """Return the peak resident megabytes of a process that answers once."""
    return int(here("--once", path, str(rows), road))


def once(path: str, rows: int, road: str) -> None:
    """Answer once and print the peak of this process's memory in megabytes."""
    ready(rows, road).run(path, fresh_salt())
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))


def imports() -> None:
    """Print the seconds that a worker's fork server spends before it can answer."""
    code = "import privacy.query.execute, duckdb, opendp.measurements, opendp.mod"
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
        seconds.append(time.perf_counter() - begin)
    found = statistics.median(seconds)
    print(f"worker's imports {found:.2f} s: {passed(found <= MOST_IMPORT)} at most {MOST_IMPORT:g} s")


def peers(folder: Path, rows: int, file: Path, ours: float) -> None:
    """Let each peer answer over the same rows in its own environment, made if it is not there."""
    for name, (package, faster) in PEERS.items():
        home = folder / name
        if not (home / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            install = [str(home / "bin" / "pip"), "install", "--quiet", *package.split()]
            subprocess.run(install, check=True)
            (home / "ready").write_text(package)
        script = Path(__file__).parent / f"peer_{name}.py"
        run = [str(home / "bin" / "python"), str(script), str(file)]
        done = subprocess.run(run, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"{rows:>10,} rows: {package} failed: {done.stderr.strip().splitlines()[-1:]}")
            continue
        seconds, megabytes = done.stdout.split()[-2:]
        ratio = float(seconds) / ours
        print(f"{rows:>10,} rows: {package} {float(seconds):.2f} s, {megabytes} MB; {ratio:.1f} × ours: "
              f"{passed(ratio >= faster)} at least {faster:g}", flush=True)  # fmt: skip


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--peers", type=Path, help="a folder for the peers' environments")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the files for the next run")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()  # `make bench` passes everyone's options
    if options.once:
        path, rows, road = options.once
        return once(path, int(rows), road)
    print(f"{os.cpu_count()} processors, load before the start {os.getloadavg()[0]:.1f} (1 min)")
    imports()
    with tempfile.TemporaryDirectory() as made:
        folder = options.keep or Path(made)
        for rows in [1_000_000, LARGE] if options.large else [1_000_000]:
            file, found = measure(rows, folder, options.times)
            if options.peers and rows == 1_000_000:
                peers(options.peers.resolve(), rows, file, found["stored"])
    print(f"load at the end {os.getloadavg()[0]:.1f} (1 min), this run's own included")
    return None


if __name__ == "__main__":
    main()
