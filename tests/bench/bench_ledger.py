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
from datetime import timedelta
from pathlib import Path
from typing import Any

ROUNDS = 100
MOST_GROWTH = 1.5  # a round on the longest books against one on the shortest
LEASE = timedelta(minutes=1)


def seed(world: Any, count: int, have: int) -> None:
    """Bring the books to `count` charges, each reserved and voided, and the log to two leaves for each.

    The rows are the protocol's own, written in bulk with the triggers lifted, because seeding is not measured.
    """
    from django.db import connection, transaction

    from domains import triggers
    from domains.ledger.models import Charge, Entry

    for start in range(have, count, 5000):
        charges = [charge_row(world, f"seed-{n}") for n in range(start, min(start + 5000, count))]
        entries = [
            entry_row(charge, account, kind)
            for charge in charges
            for kind in ("RESERVE", "VOID")
            for account in world.accounts[0]
        ]
        with transaction.atomic():
            triggers.lift(connection)
            Charge.objects.bulk_create(charges)
            Entry.objects.bulk_create(entries, batch_size=2000)
            lengthen_log(2 * len(charges))
            triggers.install(connection)


def charge_row(world: Any, idem: str) -> Any:
    from domains.ledger.models import Charge

    grant, person = world.grants[0], world.people[0]
    return Charge(idem=idem, repeat_key=idem, grant=grant, person=person, rho=1, delta=0, state="VOID")


def entry_row(charge: Any, account: str, kind: str) -> Any:
    """Return one line; nothing else runs, so the balance goes up by one on what is spent, and down again."""
    from domains.ledger.models import Account, Entry

    balance = BALANCES.setdefault(account, Account.objects.get(pk=account))
    return Entry(
        charge=charge,
        account_id=account,
        kind=kind,
        rho=1,
        delta=0,
        rho_reserved=balance.rho_reserved + (kind == "RESERVE"),
        rho_spent=balance.rho_spent,
        delta_reserved=balance.delta_reserved,
        delta_spent=balance.delta_spent,
        at=charge.created_at,
    )


BALANCES: dict[str, Any] = {}


def lengthen_log(count: int) -> None:
    """Append `count` leaves to the log in bulk."""
    from django.utils import timezone

    from domains.audit.models import AuditEvent, AuditHead, AuditNode
    from domains.audit.tree import Frontier, leaf_hash

    head, now = AuditHead.objects.get(pk=1), timezone.now()
    frontier, events, nodes = Frontier.from_bytes(head.size, bytes(head.frontier)), [], []
    for index in range(head.size, head.size + count):
        body = b'{"details":{},"event":"charge.voided","index":%d,"v":1}' % index
        leaf = leaf_hash(body)
        events.append(
            AuditEvent(index=index, event="charge.voided", at=now, actor="system", body=body, leaf=leaf)
        )
        frontier, completed = frontier.append(leaf)
        nodes += [
            AuditNode(level=level, position=position, hash=hash_) for (level, position), hash_ in completed
        ]
    AuditEvent.objects.bulk_create(events, batch_size=2000)
    AuditNode.objects.bulk_create(nodes, batch_size=2000)
    AuditHead.objects.filter(pk=1).update(
        size=frontier.size, frontier=frontier.to_bytes(), root=frontier.root()
    )


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
        medians = []
        have = 0
        for length in lengths:
            BALANCES.clear()
            seed(world, length, have)
            have = length
            rate, median = measure(world, f"at-{length}")
            medians.append(median)
            print(
                f"{length:>7} charges: {rate:7.1f} rounds/s, median {median:6.2f} ms for reserve + commit + persist"
            )
        print(f"audit appends alone: {appends():.0f}/s durable")
        growth = medians[-1] / medians[0]
        print(f"longest books over shortest: {growth:.2f} (at most {MOST_GROWTH})")
        return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or [10**2, 10**3, 10**4, 10**5]))
