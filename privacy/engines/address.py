"""Where a foreign engine is found, and what went wrong on the way there: public words only, never the secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from privacy.errors import PrivacyError

TLS_MODES = ("verify-full", "require", "disable")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.:-]{0,252})")
_NAME = re.compile(r"[^\0\"'\\.\s]{1,63}")


class ConnectionFault(PrivacyError):
    """A connection cannot be used; the code says why. `where` names public things, for its owner's eyes only."""

    code = "connection_failed"

    def __init__(self, code: str, where: tuple[str, ...] = ()) -> None:
        super().__init__(f"The connection cannot be used: {code}.", code=code)
        self.where = where


def is_host(text: str) -> bool:
    """Say whether `text` is one host's name or address, and neither a list nor a path."""
    return _HOST.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Say whether `text` can name a database, a role, a schema or a table."""
    return _NAME.fullmatch(text) is not None and text.isprintable()


@dataclass(frozen=True)
class Relation:
    """One table or materialised view in its schema; both names are matched exactly, upper and lower case apart."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Relation:
        """Read `schema.table`; raise ConnectionFault `relation_invalid`."""
        parts = text.strip().split(".")
        if len(parts) != 2 or not all(is_name(part) for part in parts):
            raise ConnectionFault("relation_invalid")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Address:
    """A server, a database on it and the role to be; the secret is shown nowhere."""

    host: str
    port: int
    database: str
    role: str
    tls: str = "verify-full"
    authorities: str = ""  # a file of certificates to trust instead of the machine's own
    secret: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no single address: a list of hosts, a path, or a parameter in disguise."""
        names = is_name(self.database) and is_name(self.role)
        if not is_host(self.host) or not names or self.tls not in TLS_MODES:
            raise ConnectionFault("address_invalid")
        if not isinstance(self.port, int) or not 1 <= self.port <= 65535:
            raise ConnectionFault("address_invalid")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Address:
        """Read the fields by name; raise ConnectionFault on anything else."""
        if not set(data) <= set(cls.__dataclass_fields__):
            raise ConnectionFault("address_invalid")
        return cls(**data)
