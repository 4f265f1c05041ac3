"""Spark as an engine, for published files beyond one machine. Needs the extra `spark` and a Java runtime.

The session is local or of a cluster; it is given our own statement and nothing of a person's text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from privacy.errors import EngineFault


@contextmanager
def session(*, scratch: str, master: str = "local[2]", memory_mb: int = 1024) -> Iterator[Any]:
    """Give a session that keeps its temporary files in `scratch`, opens no page of its own and tells no usage."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": f"{memory_mb}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.shuffle.partitions": "2" if master.startswith("local") else "200",
    }
    builder = SparkSession.builder.master(master).appName("gridhouse")
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("OFF")  # its log can quote a row
    try:
        yield made
    finally:
        made.stop()


def rows(session: Any, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of one statement of our own; one error for whatever fails, without its words."""
    try:
        return [tuple(row) for row in session.sql(sql).collect()]
    except Exception:  # whatever the driver raises: its words can quote a row
        raise EngineFault("The engine could not compute this answer.") from None
