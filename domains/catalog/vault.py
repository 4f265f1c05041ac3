"""Passwords of connections: read by a worker when it needs one, from a file or its environment, and kept nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings

from domains.catalog.connection import Connection


def address(connection: Connection) -> dict[str, Any]:
    """Return all that a child needs to reach a database, the password included. For a worker's memory only.

    The password is the file `CONNECTIONS_DIR/<name>` or else the variable `CONNECTION_<NAME>_SECRET`; without
    either it is empty, which the child refuses. `CONNECTIONS_DIR/<name>.crt` names whose certificates to trust.
    """
    folder = Path(settings.CONNECTIONS_DIR)
    authorities = folder / f"{connection.name}.crt"
    return {
        "host": connection.host,
        "port": connection.port,
        "database": connection.database,
        "role": connection.role,
        "tls": connection.tls,
        "authorities": str(authorities) if authorities.is_file() else "",
        "secret": _secret(folder / connection.name, variable(connection.name)),
    }


def variable(name: str) -> str:
    """Return the environment variable that may hold a connection's password."""
    return f"CONNECTION_{name.upper().replace('-', '_')}_SECRET"


def _secret(file: Path, variable: str) -> str:
    try:
        return file.read_text().strip("\r\n")
    except OSError:  # not there, or not readable: the same to whoever asks
        return os.environ.get(variable, "")
