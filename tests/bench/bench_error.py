"""Error of each aggregate at an equal charge: ours, measured over releases, against the formulas of others.

The others' noise is drawn here from their published formulas at the same ρ, which is kinder to them than their own
accounting. Run: `python tests/bench/bench_error.py [--releases 300]`.

SmartNoise-SQL 1.0 (docs: "SQL: rewriting"): AVG and VARIANCE become noisy SUM(x), SUM(x * x) and COUNT, sums with
sensitivity max(|lower|, |upper|) around zero, the budget in equal parts. OpenDP 0.16 (docs: "quantiles",
"make_sum"): the same sums by hand; a quantile scores |(1 − p)·less − p·greater| by noisy max. Tumult Analytics 0.18
(docs: "privacy guarantee and mechanisms"): sums around the middle of the range, in equal parts; a quantile by the
exponential mechanism over the intervals between the sorted values.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np

from privacy.query.execute import prepare
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

LOW, HIGH, RHO = 0.0, 100.0, 0.001
DICE = np.random.default_rng(20)
COLUMN = Column("x", Kind.DECIMAL, Decimal(0), Decimal(100), Decimal("0.1"), nullable=False)
TABLE = Table("t", (COLUMN,), PrivacyUnit(None, 1, 1), 10**5)
OURS = {
    "count": "COUNT(*)",
    "sum": "SUM(x)",
    "mean": "AVG(x)",
    "variance": "VAR_POP(x)",
    "median": "MEDIAN(x)",
    "quantile .9": "QUANTILE_CONT(x, 0.9)",
}


def gauss(sensitivity: float, rho: float) -> float:
    """Return one draw of the Gaussian that ρ pays for."""
    return float(DICE.normal(0, sensitivity / np.sqrt(2 * rho)))


def moments(x: np.ndarray, centre: float, fn: str) -> float:
    """Return a mean or variance from noisy sums around `centre`, in equal parts."""
    y, parts = x - centre, 2 if fn == "mean" else 3
    reach = max(abs(LOW - centre), abs(HIGH - centre))
    n = len(x) + gauss(1, RHO / parts)
    mean = (y.sum() + gauss(reach, RHO / parts)) / n
    if fn == "mean":
        return float(mean + centre)
    return float((np.square(y).sum() + gauss(reach**2, RHO / parts)) / n - mean**2)


def on_grid(x: np.ndarray, p: float) -> float:
    """Return OpenDP's quantile over the grid of tenths."""
    grid, ordered = np.arange(0, 1001) / 10, np.sort(x)
    less = np.searchsorted(ordered, grid - 0.01)
    more = len(x) - np.searchsorted(ordered, grid + 0.01)
    score = -np.abs((1 - p) * less - p * more)
    scale = max(p, 1 - p) / np.sqrt(2 * RHO)
    return float(grid[np.argmax(score + DICE.gumbel(0, scale, len(grid)))])


def between(x: np.ndarray, p: float) -> float:
    """Return Tumult's quantile: an interval between sorted values by the exponential mechanism, a point in it."""
    ends = np.concatenate([[LOW], np.sort(x), [HIGH]])
    score = -np.abs(np.arange(len(x) + 1) - p * len(x))
    scale = max(p, 1 - p) / np.sqrt(2 * RHO)
    with np.errstate(divide="ignore"):
        chosen = np.argmax(score / scale + np.log(np.diff(ends)) + DICE.gumbel(size=len(x) + 1))
    return float(DICE.uniform(ends[chosen], ends[chosen + 1]))


def theirs(x: np.ndarray, fn: str) -> dict[str, Callable[[], float]]:
    """Return one draw of each other system's answer; SmartNoise-SQL has no quantiles."""
    middle = (LOW + HIGH) / 2
    if fn == "count":
        once = lambda: len(x) + gauss(1, RHO)  # noqa: E731 (three names for one formula)
        return {"SmartNoise-SQL": once, "OpenDP": once, "Tumult": once}
    if fn == "sum":
        once = lambda: float(x.sum()) + gauss(HIGH, RHO)  # noqa: E731
        return {"SmartNoise-SQL": once, "OpenDP": once, "Tumult": once}
    if fn in ("mean", "variance"):
        zero = lambda: moments(x, 0.0, fn)  # noqa: E731
        return {"SmartNoise-SQL": zero, "OpenDP": zero, "Tumult": lambda: moments(x, middle, fn)}
    p = 0.5 if fn == "median" else 0.9
    return {"OpenDP": lambda: on_grid(x, p), "Tumult": lambda: between(x, p)}


def ours(folder: Path, x: np.ndarray, fn: str) -> Callable[[], float]:
    """Return a draw of our own answer, by the engine's own run."""
    path = str(folder / "t.parquet")
    duckdb.execute(
        "COPY (SELECT row_number() OVER () - 1 AS _row, x FROM (SELECT unnest(?::DOUBLE[]) AS x))"
        f" TO '{path}' (FORMAT parquet)",
        [x.tolist()],
    )
    plan = parse(f"SELECT {OURS[fn]} AS a FROM t", TABLE)
    loss = price(plan, TABLE, rho=int(RHO * 10**12)).loss
    ready = prepare({"plan": plan.to_dict(), "table": TABLE.to_dict(), "loss": loss.to_dict()})
    exact, bins = ready.exact(path, 1), ready.bins(path, 1)
    quiet = replace(ready)
    object.__setattr__(quiet, "exact", lambda path, salt: exact)  # the rows do not change between releases
    object.__setattr__(quiet, "bins", lambda path, salt: bins)
    return lambda: float(str(quiet.run(path, 1).value(0, 0)))


def main() -> None:
    """Print a table of root mean square errors; those of quantiles are in percentile points of rank."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--releases", type=int, default=300)
    releases = asked.parse_args().releases
    x = np.round(np.clip(DICE.gamma(4, 9, 5000), LOW, HIGH), 1)
    ordered = np.sort(x)
    truth = {"count": len(x), "sum": x.sum(), "mean": x.mean(), "variance": x.var()}
    print("| aggregate | Gridhouse | SmartNoise-SQL | OpenDP | Tumult |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for fn in OURS:
            draws = {"Gridhouse": ours(Path(folder), x, fn), **theirs(x, fn)}
            line = []
            for name in ("Gridhouse", "SmartNoise-SQL", "OpenDP", "Tumult"):
                if name not in draws:
                    line.append("none")
                    continue
                found = np.array([draws[name]() for _ in range(releases)])
                if fn in truth:
                    errors = found - truth[fn]
                else:
                    p = 0.5 if fn == "median" else 0.9
                    below = np.searchsorted(ordered, found - 0.01) / len(x)
                    until = np.searchsorted(ordered, found + 0.01) / len(x)
                    errors = 100 * np.maximum(0, np.maximum(below - p, p - until))
                line.append(f"{np.sqrt(np.mean(errors**2)):.3g}")
            print(f"| {fn} | " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
