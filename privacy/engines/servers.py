"""The engines that read rows where they lie, as one table: how each is reached, looked at, asked and written for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from privacy.engines import examine, postgresql, spark
from privacy.engines.address import Relation
from privacy.engines.examine import Found
from privacy.engines.postgresql_sql import PostgreSqlDialect
from privacy.engines.spark_sql import SparkDialect
from privacy.engines.translate import Dialect
from privacy.schema import Table


@dataclass(frozen=True)
class Server:
    """One kind of server. Whatever fails in `connected` and `rows` is a ConnectionFault, without the server's words."""

    connected: Callable[..., AbstractContextManager[Any]]  # (address, *, seconds) -> a session
    require_reader: Callable[[Any], None]  # refuses a role that could do more than read
    look: Callable[[Any], dict[str, Any]]  # what its catalogue holds
    find: Callable[[Any, Relation, Table], Found]
    rows: Callable[..., list[tuple[Any, ...]]]  # (address, sql, *, seconds)
    dialect: type[Dialect]


SERVERS = {
    "postgresql": Server(
        postgresql.connected,
        examine.require_reader,
        examine.look,
        examine.find,
        postgresql.rows,
        PostgreSqlDialect,
    ),
    "spark": Server(spark.connected, spark.require_reader, spark.look, spark.find, spark.rows, SparkDialect),
}
