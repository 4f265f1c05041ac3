"""Testing a connection in a worker's child: reach it, refuse a role that can write, and look at the declared table.

The report is for the owner: names and types from the catalogue, or the code of what is wrong. No row is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from privacy.engines.address import Address, ConnectionFault, Relation
from privacy.engines.servers import SERVERS, Server
from privacy.schema import Table


@dataclass(frozen=True)
class Probe:
    """A test that is ready to run; the address comes last, because it holds the secret."""

    server: Server
    relation: Relation | None
    table: Table | None
    seconds: float

    def run(self, address: Mapping[str, Any]) -> bytes:
        """Return the report as JSON: what was found, or `refused` with a code and what it is about."""
        try:
            report = self._look(Address.from_dict(address))
        except ConnectionFault as fault:
            report = {"refused": fault.code, "where": list(fault.where)}
        return json.dumps(report).encode()

    def _look(self, address: Address) -> dict[str, Any]:
        with self.server.connected(address, seconds=self.seconds) as session:
            self.server.require_reader(session)
            report = self.server.look(session)
            if self.relation is not None and self.table is not None:
                found = self.server.find(session, self.relation, self.table)
                report |= {"types": found.types, "fingerprint": found.fingerprint}
            return report


def prepare(spec: Mapping[str, Any]) -> Probe:
    """Return the test that `spec` describes: its engine, relation and table or neither, and seconds."""
    relation, table = spec.get("relation"), spec.get("table")
    return Probe(
        SERVERS[spec["engine"]],
        Relation.parse(relation) if relation else None,
        Table.from_dict(table) if table else None,
        float(spec["seconds"]),
    )
