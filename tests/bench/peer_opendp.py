"""OpenDP-Polars' answer to the benchmark's question, in an environment of its own; prints seconds and megabytes."""

import resource
import statistics
import sys
import time

import opendp.prelude as dp
import polars as pl

dp.enable_features("contrib")


def answer(path: str) -> pl.DataFrame:
    """Return the noisy groups, each user in at most three of them with at most ten rows each."""
    rows = pl.scan_parquet(path).select("user_id", "state", "income", "age")
    context = dp.Context.compositor(
        data=rows,
        privacy_unit=dp.unit_of(contributions=1, identifier=pl.col("user_id")),
        privacy_loss=dp.loss_of(rho=0.01),
        split_evenly_over=1,
        margins=[dp.polars.Margin(by=["state"], max_length=1_000_000, max_groups=51)],
    )
    return (
        context.query()
        .truncate_per_group(10, by=["state"])
        .truncate_num_groups(3, by=["state"], keep="first")
        .group_by("state")
        .agg(
            dp.len(),
            pl.col("income").fill_null(0).dp.sum((0, 200_000)).alias("income_sum"),
            pl.col("age").fill_null(0).dp.sum((0, 110)).alias("age_sum"),
        )
        .with_keys(pl.LazyFrame({"state": list(range(51))}, schema_overrides={"state": pl.Int64}))
        .release()
        .collect()
    )


seconds = []
for _ in range(3):
    start = time.perf_counter()
    assert len(answer(sys.argv[1])) == 51
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
