"""Error of each aggregate at an equal charge: ours, measured over releases, against the formulas of others.

The others' noise is drawn here from their published formulas at the same ρ, which is kinder to them than their own
accounting. Run: `python tests/bench/bench_error.py [--releases 300]`.

SmartNoise-SQL 1.0 (docs: "SQL: rewriting"): AVG and VARIANCE become noisy SUM(x), SUM(x * x) and COUNT, sums with
sensitivity max(|lower|, |upper|) around zero, the budget in equal parts; it has no quantiles. OpenDP 0.16 (docs:
"quantiles", "make_sum"): the same sums by hand; a quantile scores |(1 − p)·less − p·greater| by noisy max, and an
end is the quantile 0 or 1. Tumult Analytics 0.18 (docs: "privacy guarantee and mechanisms"): sums around the middle
of the range, in equal parts; a quantile by the exponential mechanism over the intervals between the sorted values.
Running counts of all three are sums of noisy counts, and several quantiles share ρ equally.
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

LOW, HIGH, RHO, KEYS = 0.0, 100.0, 0.001, 101
DICE = np.random.default_rng(20)
COLUMN = Column("x", Kind.DECIMAL, Decimal(0), Decimal(100), Decimal("0.1"), nullable=False)
KEY = Column("k", Kind.INTEGER, Decimal(0), Decimal(100), nullable=False)
TABLE = Table("t", (COLUMN, KEY), PrivacyUnit(None, 1, 1), 10**5)
OURS = {
    "count": "COUNT(*) AS a",
    "sum": "SUM(x) AS a",
    "mean": "AVG(x) AS a",
    "variance": "VAR_POP(x) AS a",
    "standard deviation": "STDDEV_POP(x) AS a",
    "quantile .05": "QUANTILE_CONT(x, 0.05) AS a",
    "quantile .25": "QUANTILE_CONT(x, 0.25) AS a",
    "median": "MEDIAN(x) AS a",
    "quantile .9": "QUANTILE_CONT(x, 0.9) AS a",
    "three quartiles": "QUANTILE_CONT(x, 0.75) AS a, MEDIAN(x) AS b, QUANTILE_CONT(x, 0.25) AS c",
    "minimum": "MIN(x) AS a",
    "maximum": "MAX(x) AS a",
    "running count": "SUM(COUNT(*)) OVER (ORDER BY k) AS a",
}
SHARES = {
    "quantile .05": (0.05,),
    "quantile .25": (0.25,),
    "median": (0.5,),
    "quantile .9": (0.9,),
    "three quartiles": (0.75, 0.5, 0.25),
}


def gauss(sensitivity: float, rho: float) -> float:
    """Return one draw of the Gaussian that ρ pays for."""
    return float(DICE.normal(0, sensitivity / np.sqrt(2 * rho)))


def moments(x: np.ndarray, centre: float, fn: str) -> float:
    """Return a mean, variance or standard deviation from noisy sums around `centre`, in equal parts."""
    y, parts = x - centre, 2 if fn == "mean" else 3
    reach = max(abs(LOW - centre), abs(HIGH - centre))
    n = len(x) + gauss(1, RHO / parts)
    mean = (y.sum() + gauss(reach, RHO / parts)) / n
    if fn == "mean":
        return float(mean + centre)
    variance = float((np.square(y).sum() + gauss(reach**2, RHO / parts)) / n - mean**2)
    return variance if fn == "variance" else float(np.sqrt(max(variance, 0)))


def on_grid(x: np.ndarray, p: float, rho: float) -> float:
    """Return OpenDP's quantile over the grid of tenths."""
    grid, ordered = np.arange(0, 1001) / 10, np.sort(x)
    less = np.searchsorted(ordered, grid - 0.01)
    more = len(x) - np.searchsorted(ordered, grid + 0.01)
    score = -np.abs((1 - p) * less - p * more)
    scale = max(p, 1 - p) / np.sqrt(2 * rho)
    return float(grid[np.argmax(score + DICE.gumbel(0, scale, len(grid)))])


def between(x: np.ndarray, p: float, rho: float) -> float:
    """Return Tumult's quantile: an interval between sorted values by the exponential mechanism, a point in it."""
    ends = np.concatenate([[LOW], np.sort(x), [HIGH]])
    score = -np.abs(np.arange(len(x) + 1) - p * len(x))
    scale = max(p, 1 - p) / np.sqrt(2 * rho)
    with np.errstate(divide="ignore"):
        chosen = np.argmax(score / scale + np.log(np.diff(ends)) + DICE.gumbel(size=len(x) + 1))
    return float(DICE.uniform(ends[chosen], ends[chosen + 1]))


Draw = Callable[[], list[float]]


def theirs(x: np.ndarray, fn: str) -> dict[str, Draw]:
    """Return one draw of each other system's answer; SmartNoise-SQL has no quantiles."""
    middle, peers = (LOW + HIGH) / 2, ("SmartNoise-SQL", "OpenDP", "Tumult")
    if fn == "count":
        return dict.fromkeys(peers, lambda: [len(x) + gauss(1, RHO)])
    if fn == "sum":
        return dict.fromkeys(peers, lambda: [float(x.sum()) + gauss(HIGH, RHO)])
    if fn == "running count":
        noise = 1 / np.sqrt(2 * RHO)
        return dict.fromkeys(peers, lambda: list(running(x) + np.cumsum(DICE.normal(0, noise, KEYS))))
    if fn in ("mean", "variance", "standard deviation"):
        zero = lambda: [moments(x, 0.0, fn)]  # noqa: E731 (two names for one formula)
        return {"SmartNoise-SQL": zero, "OpenDP": zero, "Tumult": lambda: [moments(x, middle, fn)]}
    shares = SHARES.get(fn) or ((0.0,) if fn == "minimum" else (1.0,))
    part = RHO / len(shares)
    return {
        "OpenDP": lambda: [on_grid(x, p, part) for p in shares],
        "Tumult": lambda: [between(x, p, part) for p in shares],
    }


def ours(folder: Path, x: np.ndarray, fn: str) -> Draw:
    """Return a draw of our own answer, by the engine's own run."""
    path = str(folder / "t.parquet")
    duckdb.execute(
        "COPY (SELECT row_number() OVER () - 1 AS _row, x, floor(x)::BIGINT AS k"
        f" FROM (SELECT unnest(?::DOUBLE[]) AS x)) TO '{path}' (FORMAT parquet)",
        [x.tolist()],
    )
    key = "k, {} FROM t GROUP BY k ORDER BY k" if fn == "running count" else "{} FROM t"
    plan = parse("SELECT " + key.format(OURS[fn]), TABLE)
    loss = price(plan, TABLE, rho=int(RHO * 10**12)).loss
    ready = prepare({"plan": plan.to_dict(), "table": TABLE.to_dict(), "loss": loss.to_dict()})
    exact, bins = ready.exact(path, 1), ready.bins(path, 1)
    quiet = replace(ready)
    object.__setattr__(quiet, "exact", lambda path, salt: exact)  # the rows do not change between releases
    object.__setattr__(quiet, "bins", lambda path, salt: bins)

    def draw() -> list[float]:
        got = quiet.run(path, 1)
        first = 1 if fn == "running count" else 0
        width = len(got.columns)
        return [float(str(got.value(row, at))) for row in range(len(got.rows)) for at in range(first, width)]

    return draw


def running(x: np.ndarray) -> np.ndarray:
    """Return the number of values up to each whole number."""
    return np.cumsum(np.bincount(np.floor(x).astype(int), minlength=KEYS))


def errors(x: np.ndarray, fn: str, found: np.ndarray) -> np.ndarray:
    """Return the errors of many answers: in percentile points of rank for quantiles, else in the figure's unit."""
    truth = {
        "count": len(x),
        "sum": x.sum(),
        "mean": x.mean(),
        "variance": x.var(),
        "standard deviation": x.std(),
        "minimum": x.min(),
        "maximum": x.max(),
        "running count": running(x),
    }
    if fn in truth:
        return found - truth[fn]
    ordered, shares = np.sort(x), np.array(SHARES[fn])
    below = np.searchsorted(ordered, found - 0.01) / len(x)
    until = np.searchsorted(ordered, found + 0.01) / len(x)
    return 100 * np.maximum(0, np.maximum(below - shares, shares - until))


def main() -> None:
    """Print a table of root mean square errors, each with its own standard error."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--releases", type=int, default=300)
    releases = asked.parse_args().releases
    values = np.round(np.clip(DICE.gamma(4, 9, 5000), LOW, HIGH), 1)
    names = ("Gridhouse", "SmartNoise-SQL", "OpenDP", "Tumult")
    print("| aggregate | " + " | ".join(names) + " |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for fn in OURS:
            # MIN and MAX are asked of values that end well within their declared bounds, as values do
            x = np.round(20 + values / 2, 1) if fn in ("minimum", "maximum") else values
            draws = {"Gridhouse": ours(Path(folder), x, fn), **theirs(x, fn)}
            line = []
            for name in names:
                if name not in draws:
                    line.append("none")
                    continue
                squares = errors(x, fn, np.array([draws[name]() for _ in range(releases)])) ** 2
                each = squares.mean(axis=1)
                error = np.sqrt(each.mean())
                luck = each.std() / np.sqrt(releases) / (2 * error)
                line.append(f"{error:.3g} ± {luck:.1g}")
            print(f"| {fn} | " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
