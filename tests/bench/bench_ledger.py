"""Ledger throughput on SQLite with full durability, and whether it stays flat as the books grow.

    PYTHONPATH=.:client python tests/bench/bench_ledger.py [charges …]

One round is reserve, commit and persist: three durable transactions, four accounts, three audit leaves. The books are
seeded with 1e2 to 1e5 charges. Figures are of this machine; the ratio is what is promised.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROUNDS = 100
MOST_GROWTH = 1.5  # a round on the longest books against one on the shortest
LEASE = timedelta(minutes=1)


# What one row into a temporary view does to the books: the protocol's own statements, with every trigger at work.
SEED_CHARGE = """
CREATE TEMP TRIGGER seed_charge INSTEAD OF INSERT ON seed BEGIN
    INSERT INTO ledger_charge (id, created_at, idem, repeat_key, grant_id, person_id, state, rho, delta, fence,
        certificate)
        VALUES (NEW.id, NEW.at, NEW.idem, NEW.idem, NEW.grant_id, NEW.person_id, 'RESERVED', 1, 0, 0, '{{}}');
    UPDATE ledger_account SET rho_reserved = rho_reserved + 1 WHERE id IN ({accounts});
    {enter_reserve};
    UPDATE ledger_charge SET state = 'VOID' WHERE id = NEW.id;
    UPDATE ledger_account SET rho_reserved = rho_reserved - 1 WHERE id IN ({accounts});
    {enter_void};
END"""
ENTER = """INSERT INTO ledger_entry (charge_id, account_id, kind, rho, delta, rho_reserved, rho_spent,
        delta_reserved, delta_spent, at)
    SELECT NEW.id, a.id, '{kind}', 1, 0, a.rho_reserved, a.rho_spent, a.delta_reserved, a.delta_spent, NEW.at
    FROM ledger_account a WHERE a.id IN ({accounts}) ORDER BY a.id"""
SEED_LEAF = """
CREATE TEMP TRIGGER seed_leaf INSTEAD OF INSERT ON leaves BEGIN
    INSERT INTO audit_auditevent ("index", event, at, actor, subject_type, subject, body, leaf)
        VALUES (NEW.number, NEW.event, NEW.at, 'system', 'charge', NEW.charge, NEW.body, NEW.leaf);
    UPDATE audit_audithead SET size = size + 1, frontier = NEW.frontier, root = NEW.root WHERE id = 1;
END"""


def prepare(world: Any) -> None:
    """Make the temporary views through which `seed` writes; they end with the connection."""
    from django.db import connection

    accounts = ", ".join(f"'{account}'" for account in world.accounts[0])
    enter = {
        f"enter_{kind.lower()}": ENTER.format(kind=kind, accounts=accounts) for kind in ("RESERVE", "VOID")
    }
    columns = {
        "seed": "id, at, idem, grant_id, person_id",
        "leaves": "number, event, at, charge, body, leaf, frontier, root",
    }
    with connection.cursor() as cursor:
        for view, names in columns.items():
            nulls = ", ".join(f"NULL AS {name}" for name in names.split(", "))
            cursor.execute(f"CREATE TEMP VIEW {view} AS SELECT {nulls}")
        cursor.execute(SEED_CHARGE.format(accounts=accounts, **enter))
        cursor.execute(SEED_LEAF)


def seed(world: Any, count: int, have: int) -> None:
    """Bring the books from `have` to `count` charges, each reserved and voided, with a leaf for each move."""
    from django.db import connection, transaction
    from django.utils import timezone

    from domains.base import new_id

    now, grant, person = timezone.now(), world.grants[0].pk, world.people[0].pk
    at = connection.ops.adapt_datetimefield_value(now)
    charges = [(new_id(), at, f"seed-{number}", grant, person) for number in range(have, count)]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO seed VALUES (%s, %s, %s, %s, %s)", charges)
        lengthen_log(cursor, [row[0] for row in charges], now, at)


def lengthen_log(cursor: Any, charges: list[str], now: datetime, at: str) -> None:
    """Append two leaves for each charge, with the nodes above them."""
    from domains.audit.models import AuditHead
    from domains.audit.recorder import canonical
    from domains.audit.tree import Frontier, leaf_hash

    head = AuditHead.objects.get(pk=1)
    frontier, leaves, nodes = Frontier.from_bytes(head.size, bytes(head.frontier)), [], []
    told = {
        "actor": "system",
        "at": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
        "details": {},
        "subject_type": "charge",
        "v": 1,
    }
    moves = [(charge, event) for charge in charges for event in ("charge.reserved", "charge.voided")]
    for charge, event in moves:
        index = frontier.size
        body = canonical(told | {"event": event, "index": index, "subject": charge})
        leaf = leaf_hash(body)
        frontier, completed = frontier.append(leaf)
        nodes += [(level, position, hash_) for (level, position), hash_ in completed]
        # Nobody sees a root before the transaction ends, so only the last one is worked out.
        root = frontier.root() if index + 1 == head.size + len(moves) else b""
        leaves.append((index, event, at, charge, body, leaf, frontier.to_bytes(), root))
    cursor.executemany("INSERT INTO leaves VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", leaves)
    cursor.executemany("INSERT INTO audit_auditnode (level, position, hash) VALUES (%s, %s, %s)", nodes)


def measure(world: Any, tag: str) -> tuple[float, float]:
    """Return rounds a second, and the median milliseconds of one round."""
    from django.db import transaction

    from domains.ledger import protocol
    from tests.domains.ledger.world import reserve

    times = []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        with transaction.atomic(durable=True):
            charge = reserve(world, f"{tag}-{number}", 1)
        fence = protocol.commit(charge, lease=LEASE)
        assert fence is not None
        protocol.persist(charge, fence=fence, payload=b"x" * 500)
        times.append(time.perf_counter() - begin)
    return ROUNDS / sum(times), statistics.median(times) * 1000


def sound() -> None:
    """Raise unless the books hold every invariant and the log verifies, with every trigger in its place."""
    from django.db import connection

    from domains import triggers
    from domains.audit import verify
    from tests.domains.ledger.world import faults

    assert not triggers.missing(connection), "triggers are missing"
    for found in (faults(), verify.verify_database()):
        assert not found, found[:3]


def appends(count: int = 500) -> float:
    """Return durable audit appends a second, one a transaction."""
    from django.db import transaction

    from domains.audit.events import Event
    from domains.audit.recorder import record

    begin = time.perf_counter()
    for _ in range(count):
        with transaction.atomic(durable=True):
            record(Event.PERSON_SIGNED_IN, by="system", on="session:bench")
    return count / (time.perf_counter() - begin)


def main(lengths: list[int]) -> int:
    """Print a line per length and return 1 if time grew with it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "GRIDHOUSE_HOME": folder,
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'node.sqlite3'}",
            "LOG_LEVEL": "ERROR",
        }
        import django

        django.setup()
        from django.core.management import call_command

        from tests.domains.ledger import world as worlds

        call_command("migrate", verbosity=0, skip_checks=True)
        world = worlds.build(10**9)
        measure(world, "warm")
        prepare(world)
        medians = []
        for have, length in zip([0, *lengths], lengths, strict=False):
            begin = time.perf_counter()
            seed(world, length, have)
            seeded = time.perf_counter() - begin
            rate, median = measure(world, f"at-{length}")
            medians.append(median)
            told = f"{rate:7.1f} rounds/s, median {median:6.2f} ms for reserve + commit + persist"
            print(f"{length:>7} charges: {told} (seeded in {seeded:.1f} s)", flush=True)
        sound()
        print(f"audit appends alone: {appends():.0f}/s durable")
        growth = medians[-1] / medians[0]
        print(f"longest books over shortest: {growth:.2f} (at most {MOST_GROWTH})")
        return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]  # `make bench` passes everyone's options
    sys.exit(main(sizes or [10**2, 10**3, 10**4, 10**5]))
