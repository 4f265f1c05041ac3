"""A PostgreSQL database of a test's own, with a table of patients and roles of every kind, reached by password.

The server is the one that TEST_POSTGRES_URL names, as its superuser. Sessions of our roles are asked for their
password by SCRAM even where the server trusts everybody else: a line for the group `gridhouse_scram` says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.services import postgres_url

GROUP = "gridhouse_scram"
_ASKED = f"host all +{GROUP} all scram-sha-256"


@dataclass(frozen=True)
class Database:
    """Where it is; every role's password is `password`."""

    url: str
    host: str
    port: int
    name: str
    prefix: str
    password: str

    def role(self, kind: str) -> str:
        """Return the name of a role: `reader` may only read, `writer` may insert, `boss` is a superuser."""
        return f"{self.prefix}_{kind}"

    def address(self, kind: str = "reader", **changes: Any) -> dict[str, Any]:
        """Return a role's address as a connection holds it."""
        where = {"host": self.host, "port": self.port, "database": self.name, "tls": "disable"}
        return {**where, "role": self.role(kind), **changes}

    def run(self, text: str, *parameters: Any) -> None:
        """Run a statement in the database as its superuser."""
        with psycopg.connect(self.url, dbname=self.name, autocommit=True) as connection:
            connection.execute(text, parameters or None)


@contextmanager
def database() -> Iterator[Database]:
    """Make a database and its roles, and take both away again."""
    url = postgres_url()
    prefix = f"gh_{secrets.token_hex(4)}"
    parts = urlsplit(url)
    made = Database(
        url, parts.hostname or "127.0.0.1", parts.port or 5432, f"{prefix}_db", prefix, secrets.token_hex(12)
    )
    with psycopg.connect(url, autocommit=True) as connection:
        _ask_for_passwords(connection)
        for kind, options in (("reader", ""), ("writer", ""), ("nobody", ""), ("boss", "SUPERUSER")):
            _role(connection, made, kind, options)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made.name)))
    try:
        yield made
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.name)))
            for kind in ("reader", "writer", "nobody", "boss"):
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(made.role(kind))))


def _role(connection: Any, made: Database, kind: str, options: str) -> None:
    text = sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {} IN ROLE {}").format(
        sql.Identifier(made.role(kind)), sql.SQL(options), sql.Literal(made.password), sql.Identifier(GROUP)
    )
    connection.execute("SET password_encryption = 'scram-sha-256'")
    connection.execute(text)


def _ask_for_passwords(connection: Any) -> None:
    """Put the line for our group first in the server's list of who may come in, once."""
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [GROUP]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(GROUP)))
    [(path,)] = connection.execute("SHOW hba_file").fetchall()
    [(text,)] = connection.execute("SELECT pg_read_file(%s)", [path]).fetchall()
    if _ASKED in text:
        return
    lines = sql.SQL(", ").join([sql.Literal(line) for line in [_ASKED, *filter(None, text.splitlines())]])
    rows = sql.SQL("SELECT unnest(ARRAY[{}]::text[])").format(lines)
    # With signs that the file does not hold, and without empty lines, which would be quoted, every line stays as it is.
    copied = sql.SQL("COPY ({}) TO {} WITH (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01')")
    connection.execute(copied.format(rows, sql.Literal(path)))
    connection.execute("SELECT pg_reload_conf()")


def keep_password(folder: Path, name: str, password: str) -> None:
    """Put a connection's password where the worker reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(password + "\n")
