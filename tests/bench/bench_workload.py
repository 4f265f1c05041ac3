"""Six marginals of a million rows with seven columns at ε = 1: seconds to measure and to fit, and how near it comes.

    python -m tests.bench.bench_workload [--rows 1000000]

The rows are made up in the manner of PUMS, one per person. Distances are total variation from the truth, known here
only because the rows are made up, of tables that were measured and of tables that were not.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np

from privacy.loss import rho_of
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from privacy.workload import fit
from privacy.workload.execute import prepare
from privacy.workload.parse import parse
from privacy.workload.price import price

SIZES = {"sex": 2, "educ": 16, "race": 6, "state": 51, "married": 2, "ageb": 14, "inc": 8}
MARGINALS = '[["ageb","educ"],["educ","inc"],["sex","race"],["state"],["married","ageb"],["state","race"]]'
SHOWN = (("ageb", "educ"), ("educ", "inc"), ("state", "race"), ("ageb", "inc"), ("married", "inc"))
ROWS = """
WITH drawn AS (SELECT i, (hash(i, 1) % 14)::INT AS ageb, (hash(i, 2) % 1000)::INT AS a, (hash(i, 3) % 1000)::INT AS b,
  (hash(i, 4) % 1000)::INT AS c, (hash(i, 5) % 1000)::INT AS d, (hash(i, 6) % 1000)::INT AS e FROM range({rows}) t(i)),
learnt AS (SELECT *, least(15, floor(3 + 9 * pow(a / 1000.0, 0.7) + ageb / 5.0))::INT AS educ FROM drawn)
SELECT i AS _row, (b % 2)::INT AS sex, educ, least(5, floor(6 * pow(c / 1000.0, 2.5)))::INT AS race,
  least(50, floor(51 * pow(d / 1000.0, 1.7)))::INT AS state, (e < 70 * ageb)::INT AS married, ageb::INT AS ageb,
  greatest(0, least(7, floor(educ / 2.5 + (b - 500) / 250.0)))::INT AS inc FROM learnt
"""


def made(path: Path, rows: int) -> None:
    """Write the rows."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({ROWS.format(rows=rows)}) TO '{path}' (FORMAT parquet)")


def exact(path: Path, names: tuple[str, ...]) -> np.ndarray:
    """Return the true counts."""
    table = np.zeros([SIZES[name] for name in names])
    listed = ", ".join(names)
    with duckdb.connect() as connection:
        query = f"SELECT {listed}, count(*) FROM read_parquet('{path}') GROUP BY {listed}"
        for *cell, count in connection.execute(query).fetchall():
            table[tuple(cell)] = count
    return table


def main() -> None:
    """Print the figures."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rows", type=int, default=10**6)
    rows = given.parse_args().rows
    columns = [
        Column(name, Kind.INTEGER, Decimal(0), Decimal(size - 1), nullable=False)
        for name, size in SIZES.items()
    ]
    table = Table("people", tuple(columns), PrivacyUnit(None, 1, 1), rows * 2)
    workload = parse(f'{{"marginals": {MARGINALS}}}', table)
    pricing = price(workload, table, rho=rho_of(1.0, 5e-7), declared_rows=rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.parquet"
        made(path, rows)
        spec = {"plan": workload.to_dict(), "table": table.to_dict(), "loss": pricing.loss.to_dict()}
        prepared = prepare({**spec, "declared_rows": rows})
        began = time.perf_counter()
        answer = prepared.run(paths=str(path), salt=7)
        measured = time.perf_counter() - began
        scales = [measure.scale for measure in pricing.measures]
        model = None
        for fitter in (fit.by_descent, fit.by_mbi):
            if fitter is fit.by_mbi and fit.method() != "mbi":
                print("mbi: not installed")
                continue
            start = fit.blank(fit.attributes_of(workload, table), fit.measured_of(answer, scales))
            began = time.perf_counter()
            model = fitter(start)
            print(f"{model.method}: fitted in {time.perf_counter() - began:.1f} s")
            for names in SHOWN:
                true, fitted = exact(path, names), model.project(names)
                distance = 0.5 * np.abs(true / true.sum() - fitted / fitted.sum()).sum()
                how = (
                    "measured" if list(names) in [list(m.columns) for m in workload.marginals] else "derived"
                )
                print(f"  {' × '.join(names)}, {how}: TVD {distance:.5f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{rows:,} rows, ε = 1 (ρ = {pricing.loss.rho / 1e12:.5f}), noise σ {scales[0]:.1f}")
    print(f"measured in {measured:.2f} s; deadline {pricing.deadline_seconds} s; peak {peak} MB")


if __name__ == "__main__":
    main()
