"""PostgreSQL as an engine: one read-only transaction, one statement of our own, and a role that can only read.

Errors leave as codes: the server's own words may quote a row, and the driver's may quote the connection.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from privacy.engines.address import Address, ConnectionFault

CONNECT_SECONDS = 5
# What libpq says before a session exists has no SQLSTATE, only words; the first pattern found decides.
_WORDS = (
    (r"server does not support SSL|SSL (?:error|SYSCALL)|certificate|no encryption|SSL off", "tls_refused"),
    (r"authentication method|did not complete authentication", "scram_missing"),
    (r"password authentication failed|no password supplied", "wrong_password"),
    (r'database ".*" does not exist', "database_missing"),
    (r'role ".*" does not exist|not permitted to log in', "wrong_password"),
    (r"permission denied for database", "database_refused"),
    (r"no pg_hba\.conf entry", "host_refused"),
    (r"translate host name|resolve host|Name or service not known", "host_unknown"),
    (r"timeout expired|timed out", "connection_timed_out"),
    (
        r"Connection refused|No route to host|Network is unreachable|Connection reset|closed the",
        "connection_refused",
    ),
    (r"too many (?:clients|connections)|starting up|shutting down|recovery mode", "server_busy"),
)
# Another attempt may fare better: nothing was read, and nothing about the declaration is wrong.
PASSING = frozenset({"host_unknown", "connection_refused", "connection_timed_out", "server_busy"})


def fault_of(message: str) -> str:
    """Return the public code for what the driver said while connecting."""
    return next((code for words, code in _WORDS if re.search(words, message)), "connection_failed")


@contextmanager
def connected(address: Address, *, seconds: float) -> Iterator[Any]:
    """Give a session that can only read, in one transaction with one snapshot, each statement at most `seconds`.

    Raises ConnectionFault, also for what fails while it is used. The secret is given to SCRAM only, so that no
    server can ask for it in clear.
    """
    import psycopg

    if not address.secret:
        raise ConnectionFault("secret_missing")
    _look_up(address)
    try:
        connection = psycopg.connect(**_parameters(address, seconds))
    except psycopg.Error as error:
        code = fault_of(str(error))
        raise ConnectionFault(code) from None  # its words hold the address, and might hold more
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            yield connection
        except psycopg.Error:  # the server's own words can quote a row
            raise ConnectionFault("connection_failed") from None
        connection.rollback()


def rows(address: Address, sql: str, *, seconds: float) -> list[tuple[Any, ...]]:
    """Return the rows of one statement of our own; raise ConnectionFault with one code for whatever fails."""
    with connected(address, seconds=seconds) as connection:
        found: list[tuple[Any, ...]] = connection.execute(sql, prepare=False).fetchall()
        return found


def _look_up(address: Address) -> None:
    """Tell an unknown host from one that does not answer, before the driver mixes them."""
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectionFault("host_unknown") from None


def _parameters(address: Address, seconds: float) -> dict[str, Any]:
    """Return all that libpq is told; nothing is left to its environment or to files of its own."""
    milliseconds = max(1, int(seconds * 1000))
    session = {
        "statement_timeout": str(milliseconds),
        "lock_timeout": str(milliseconds),
        "idle_in_transaction_session_timeout": str(milliseconds + 60_000),
        "client_connection_check_interval": "1000",  # a killed child stops its statement, too
        "search_path": "pg_catalog",
        "row_security": "off",  # rows that a policy would hide are an error and never a silent gap
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "extra_float_digits": "1",
        "jit": "off",
    }
    trusted = address.authorities or ssl.get_default_verify_paths().cafile or "system"
    return {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "user": address.role,
        "password": address.secret,
        "passfile": "/dev/null",
        "sslmode": address.tls,
        **({"sslrootcert": trusted} if address.tls == "verify-full" else {}),
        "sslcert": "/dev/null",
        "gssencmode": "disable",
        "require_auth": "scram-sha-256",
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "gridhouse",
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        "client_encoding": "UTF8",
    }
