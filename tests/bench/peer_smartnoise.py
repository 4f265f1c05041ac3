"""SmartNoise-SQL's answer to the benchmark's question, in an environment of its own; prints seconds and megabytes."""

import resource
import statistics
import sys
import time

import pandas as pd
from snsql import Privacy, from_df

QUERY = "SELECT state, COUNT(*) AS n, SUM(income) AS income, AVG(age) AS age FROM db.visits GROUP BY state"
COLUMNS = {
    "max_ids": 3,
    "row_privacy": False,
    "rows": 1_000_000,
    "clamp_counts": False,
    "censor_dims": False,
    "user_id": {"type": "int", "private_id": True},
    "state": {"type": "int", "lower": 0, "upper": 50},
    "income": {"type": "int", "lower": 0, "upper": 200_000},
    "age": {"type": "int", "lower": 0, "upper": 110},
}

frame = pd.read_parquet(sys.argv[1], columns=["user_id", "state", "income", "age"])
seconds = []
for _ in range(3):
    start = time.perf_counter()
    private = from_df(
        frame, privacy=Privacy(epsilon=1.0, delta=1e-6), metadata={"": {"db": {"visits": COLUMNS}}}
    )
    rows = private.execute(QUERY)
    assert len(rows) == 52, len(rows)
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
