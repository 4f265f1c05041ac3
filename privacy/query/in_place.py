"""Running a plan where the rows lie: the same plan, price and noise, and another engine's text for the exact integers.

`prepare` reaches the database and compares its catalogue with what was published, but reads no row. After `run`
began the loss is spent whatever happens, as with a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from privacy.engines.address import Address, ConnectionFault, Relation
from privacy.engines.servers import SERVERS, Server
from privacy.engines.translate import Place, translate
from privacy.errors import EngineFault
from privacy.query import execute
from privacy.query.answer import Answer
from privacy.query.compile import Compiled, compile_histograms, compile_plan
from privacy.query.execute import Exact, Paths, Prepared
from privacy.query.layout import layout
from privacy.query.plan import Plan
from privacy.schema import Table

MOST = 2**62  # figures beyond it are held to it, so that none leaves what the noise is added to
NOTE = (
    "The rows stay in a database of their own, where they may change: this answer is of the moment when it was made,"
    " and the same question may later be answered from other rows."
)


@dataclass(frozen=True)
class PreparedInPlace(Prepared):
    """A prepared plan whose tables lie in a database; the address holds the secret and is never shown."""

    address: Address
    places: Mapping[str, Place]
    server: Server
    seconds: float

    def exact(self, paths: Paths, salt: int) -> Exact:
        """Return the exact integers by cell, from the database; `paths` names nothing. PRIVATE, as for files."""
        rows = self.asked(self.compiled, paths, salt)
        return {row[0]: tuple(held(value) for value in row[1:]) for row in rows}

    def asked(self, query: Compiled, paths: Paths, salt: int) -> list[tuple[Any, ...]]:
        """Return the rows of one of this plan's queries, from the database. PRIVATE, as for files."""
        sql = query.text({name: name for name in self.places}, salt)
        return self._rows(translate(sql, self.places, self.server.dialect()))

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            return self.server.rows(self.address, sql, seconds=self.seconds)
        except ConnectionFault:
            # Data was opened: from here on one code answers for every reason.
            raise EngineFault("The engine could not compute this answer.") from None

    def run(self, paths: Paths, salt: int) -> Answer:
        """Return the noisy answer, with a line that says where the rows are."""
        answer = super().run(paths, salt)
        return replace(answer, notes=(*answer.notes, NOTE))


def held(value: Any) -> int:
    """Return an exact figure within ±2^62; no unit's part in it becomes larger by that."""
    return max(-MOST, min(MOST, int(value)))


def prepare(spec: Mapping[str, Any]) -> PreparedInPlace:
    """Return the checked run of a specification over the table that `spec["place"]` names.

    `place` has engine, address, relation, fingerprint and seconds. Raises what `execute.prepare` raises, and
    ConnectionFault where the database cannot be used or holds another table than was published.
    """
    place = spec["place"]
    prepared = execute.prepare({key: value for key, value in spec.items() if key != "place"})
    server, seconds = SERVERS[place["engine"]], float(place["seconds"])
    address, relation = Address.from_dict(place["address"]), Relation.parse(place["relation"])
    with server.connected(address, seconds=seconds) as session:
        server.require_reader(session)
        found = server.find(session, relation, prepared.table)
    if found.fingerprint != place["fingerprint"]:
        raise ConnectionFault("relation_changed")
    places = {prepared.table.name: Place(relation, prepared.table, found.types)}
    made = PreparedInPlace(**vars(prepared), address=address, places=places, server=server, seconds=seconds)
    for query in (made.compiled, *made.histograms.values()):
        translate(query.text({name: name for name in places}, 0), places, server.dialect())
    return made


def require_possible(plan: Plan, table: Table, engine: str) -> None:
    """Raise QueryRejected where a plan cannot be computed on `engine`; nothing is reached for it."""
    types = {column.name: "text" for column in table.columns}
    if table.unit.column is not None:
        types.setdefault(table.unit.column, "text")
    facts, place = layout(plan, table), Place(Relation("s", "t"), table, types)
    for query in (compile_plan(plan, table, facts), *compile_histograms(plan, table, facts).values()):
        translate(query.text({table.name: table.name}, 0), {table.name: place}, SERVERS[engine].dialect())
