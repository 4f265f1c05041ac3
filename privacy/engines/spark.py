"""Spark as an engine, through Spark Connect: a session on a server of the owner's, one statement of our own at a time.

The extra `spark` brings the client; the cluster, its Java and its catalogue are elsewhere. The token travels only
where the wire is encrypted and the server's certificate was checked, or to this very machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from privacy.engines.address import Address, ConnectionFault, Relation
from privacy.engines.examine import Found, fitting
from privacy.engines.spark_sql import WHOLE, name_sql
from privacy.schema import Column, Kind, Table

CONNECT_SECONDS = 5
# What runs on the server stays as it was written: no reading of a text as a number that it is not, days in UTC.
_SETTINGS = {"spark.sql.ansi.enabled": "true", "spark.sql.session.timeZone": "UTC"}
_NUMBERS = WHOLE | {"float", "double", "decimal"}
_TEXTS = frozenset({"string", "varchar", "char"})
_TYPES: dict[Kind, frozenset[str]] = {
    Kind.INTEGER: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.BOOLEAN: frozenset({"boolean"}),
    Kind.DATE: frozenset({"date", "timestamp", "timestamp_ntz"}),
    Kind.CATEGORY: _TEXTS | WHOLE,
    Kind.TEXT: _TEXTS | WHOLE,
}
UNIT_TYPES = _TEXTS | WHOLE
_TABLES = frozenset({"EXTERNAL", "MANAGED"})  # a view computes, and what computes may fail by value
# What gRPC says of a session that does not come about.
_STATUS = {
    "UNAUTHENTICATED": "wrong_password",
    "PERMISSION_DENIED": "wrong_password",
    "DEADLINE_EXCEEDED": "connection_timed_out",
}


@contextlib.contextmanager
def connected(address: Address, *, seconds: float) -> Iterator[Any]:
    """Give a session in the address's catalogue; raise ConnectionFault, also for what fails while it is used.

    What still runs on the server after `seconds` is stopped there.
    """
    _require_reachable(address)
    session = _session(address)
    end = threading.Timer(seconds, _interrupt, [session])
    end.daemon = True
    end.start()
    try:
        yield session
    except ConnectionFault:
        raise
    except Exception as error:  # whatever the client raises: its words can quote a row
        raise ConnectionFault(_code(error)) from None
    finally:
        end.cancel()
        _end(session)


def require_reader(session: Any) -> None:
    """Refuse nothing: Spark tells of no roles, so that this one can only read is its administrator's to settle."""


def look(session: Any) -> dict[str, Any]:
    """Return the server's version and the first hundred tables of its catalogue, as `schema.table`."""
    found = []
    for row in session.sql("SHOW SCHEMAS").collect():
        tables = session.sql(f"SHOW TABLES IN {name_sql(row[0])}").collect()
        found += [f"{row[0]}.{table.tableName}" for table in tables if not table.isTemporary]
    return {"server": session.version, "relations": sorted(found)[:100]}


def find(session: Any, relation: Relation, table: Table) -> Found:
    """Return the relation's columns if it fits the declared `table`; raise ConnectionFault naming what does not.

    Read from the catalogue alone. The fingerprint covers the table's name, kind and the declared columns' types.
    """
    whole = f"{name_sql(relation.schema)}.{name_sql(relation.name)}"
    if not session.catalog.tableExists(whole):
        raise ConnectionFault("relation_missing", (str(relation),))
    kind = session.catalog.getTable(whole).tableType
    if kind not in _TABLES:
        raise ConnectionFault("relation_kind", (str(relation),))
    schema = session.table(whole).schema
    columns = {field.name: (field.dataType.simpleString().split("(")[0], True) for field in schema.fields}
    types = fitting(columns, table, types_of, UNIT_TYPES)
    known = json.dumps([session.catalog.currentCatalog(), str(relation), kind, sorted(types.items())])
    return Found(types, hashlib.sha256(known.encode()).hexdigest())


def rows(address: Address, sql: str, *, seconds: float) -> list[tuple[Any, ...]]:
    """Return the rows of one statement of our own; raise ConnectionFault with one code for whatever fails."""
    with connected(address, seconds=seconds) as session:
        return [tuple(row) for row in session.sql(sql).collect()]


def types_of(column: Column) -> frozenset[str]:
    """Return the types in which a declared column may lie."""
    return _NUMBERS if column.has_number_codes else _TYPES[column.kind]


def _require_reachable(address: Address) -> None:
    """Refuse an address that would show the token, and one that nobody answers at, before the client is loaded."""
    if not address.secret:
        raise ConnectionFault("secret_missing")
    if address.tls != "verify-full" and (address.tls != "disable" or address.host != "localhost"):
        raise ConnectionFault("tls_refused")
    try:
        socket.create_connection((address.host, address.port), CONNECT_SECONDS).close()
    except socket.gaierror:
        raise ConnectionFault("host_unknown") from None
    except TimeoutError:
        raise ConnectionFault("connection_timed_out") from None
    except (OSError, UnicodeError):
        raise ConnectionFault("connection_refused") from None


def _session(address: Address) -> Any:
    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError:
        raise ConnectionFault("engine_absent") from None
    logging.getLogger("SQLQueryContextLogger").disabled = True  # the server's words can quote a row
    try:
        session = SparkSession.builder.channelBuilder(_channel(address)).create()
        session.client.set_retry_policies([])
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        session.catalog.setCurrentCatalog(address.database)
    except Exception as error:  # its words hold the address, and might hold more
        raise ConnectionFault(_code(error)) from None
    return session


def _channel(address: Address) -> Any:
    """Return how the client is to reach the server: with the token, and trusting whom the owner trusts."""
    import grpc
    from pyspark.sql.connect.client import DefaultChannelBuilder

    class Trusting(DefaultChannelBuilder):  # type: ignore[misc, unused-ignore]
        def toChannel(self) -> Any:  # noqa: N802 - the client's own name
            if not address.authorities:
                return super().toChannel()
            roots = grpc.ssl_channel_credentials(Path(address.authorities).read_bytes())
            token = grpc.access_token_call_credentials(self.token)
            return self._secure_channel(self.endpoint, grpc.composite_channel_credentials(roots, token))

    made = Trusting(f"sc://{_host(address.host)}:{address.port}")
    made.set("token", address.secret)
    made.set("user_id", address.role)
    made.set("use_ssl", "true" if address.tls == "verify-full" else "false")
    return made


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _code(error: BaseException) -> str:
    """Return the public code for what the client raised."""
    while error is not None:
        status = getattr(error, "code", None)
        name = getattr(status() if callable(status) else None, "name", "")
        if name in _STATUS:
            return _STATUS[name]
        if "CATALOG_NOT_FOUND" in str(getattr(error, "getCondition", lambda: "")()):
            return "database_missing"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "connection_failed"


def _interrupt(session: Any) -> None:
    with contextlib.suppress(Exception):
        session.interruptAll()


def _end(session: Any) -> None:
    """Let go of the session; a server that is gone has let go of it already."""
    with contextlib.suppress(Exception):
        session.stop()
