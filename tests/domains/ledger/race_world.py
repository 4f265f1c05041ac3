"""Many clients on one budget: python -m tests.domains.ledger.race_world MODE CLIENTS ROUNDS.

Each client is a process. They reserve one unit of ρ and two of pure ε at a time under two grants of one population,
commit and answer or void what they find, and sign in, all on the same audit head. Prints a report as JSON.

MODE is "sound", or "unguarded": reservations that look first and then add without a condition, which the report
must show.
"""

from __future__ import annotations

import collections
import json
import os
import random
import sys
import traceback
from datetime import timedelta
from typing import Any

import django

LIMIT = 60
PURE_LIMIT = 2 * LIMIT - 20  # pure ε runs out first, so its cap is the one that is raced for
LEASE = timedelta(minutes=1)


def client(world: Any, number: int, rounds: int) -> dict[str, int]:
    """Play `rounds` moves; count what came of them, unexpected errors by their own name."""
    from django.db import transaction

    from domains.audit.events import Event
    from domains.audit.recorder import record
    from domains.errors import BudgetExhausted
    from tests.domains.ledger.world import reserve

    random.seed(number)
    seen: collections.Counter[str] = collections.Counter()
    for turn in range(rounds):
        try:
            with transaction.atomic(durable=True):
                for_everybody = turn % 3 == 0  # an owner who publishes, beside people under their grants
                reserve(world, f"{number}-{turn}", 1, which=number % 2, pure=2, for_everybody=for_everybody)
            seen["reserved"] += 1
        except BudgetExhausted:
            seen["refused"] += 1
        except Exception as error:
            seen[f"error {type(error).__name__} {str(error).splitlines()[0][:90]}"] += 1
        try:
            with transaction.atomic(durable=True):
                record(Event.PERSON_SIGNED_IN, by=world.people[number % 2], on="session:test")
            seen[finish(number, turn)] += 1
        except Exception as error:
            seen[f"error {type(error).__name__} {str(error).splitlines()[0][:90]}"] += 1
    return dict(seen)


def finish(number: int, turn: int) -> str:
    """Commit and answer a charge that others may be taking too, or void one of the last."""
    from domains.ledger import protocol
    from domains.ledger.models import Charge

    ids = list(Charge.objects.filter(state="RESERVED").order_by("id").values_list("id", flat=True)[:4])
    if not ids:
        return "nothing to do"
    charge = random.choice(ids)
    if (number + turn) % 7 == 0:
        return "voided" if protocol.void(charge, reason="test") else "came too late"
    fence = protocol.commit(charge, lease=LEASE)
    if fence is None:
        return "came too late"
    protocol.persist(charge, fence=fence, payload=b"x")
    return "answered"


def unguarded(account: str, loss: Any) -> None:
    """Look first, then add: what the conditional UPDATE is there to prevent."""
    from django.db.models import F

    from domains.errors import BudgetExhausted
    from domains.ledger.models import Account

    row = Account.objects.get(pk=account)
    if not (row.reserved + row.spent + loss).fits(row.limit):
        raise BudgetExhausted("")
    taken = {f"{c}_reserved": F(f"{c}_reserved") + n for c, n in loss.to_dict().items()}
    Account.objects.filter(pk=account).update(**taken)


def main(mode: str, clients: int, rounds: int) -> dict[str, Any]:
    """Run the clients side by side, then compare what they saw with what is stored."""
    django.setup()
    from django.db import connections

    from domains.ledger import protocol
    from tests.domains.ledger import world as worlds

    connections["default"].settings_dict["OPTIONS"].pop("pool", None)  # its threads do not survive a fork
    world = worlds.build(LIMIT, pure=PURE_LIMIT)
    connections.close_all()
    if mode == "unguarded":
        protocol._set_aside = unguarded
    readers = []
    for number in range(clients):
        reader, writer = os.pipe()
        if os.fork() == 0:
            play(world, number, rounds, writer)
        os.close(writer)
        readers.append(reader)
    seen: collections.Counter[str] = collections.Counter()
    for reader in readers:
        with os.fdopen(reader) as pipe:
            seen.update(json.loads(pipe.read() or '{"error: a client died": 1}'))
        os.wait()
    return report(world, seen)


def play(world: Any, number: int, rounds: int, writer: int) -> None:
    """Be one client process; never returns."""
    try:
        with os.fdopen(writer, "w") as pipe:
            json.dump(client(world, number, rounds), pipe)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def report(world: Any, seen: dict[str, int]) -> dict[str, Any]:
    from domains.audit.verify import verify_database
    from domains.ledger.models import Account, Answer, Charge
    from tests.domains.ledger.world import faults

    top = Account.objects.get(pk=world.accounts[0][0])
    return {
        "seen": seen,
        "errors": {name: count for name, count in seen.items() if name.startswith("error")},
        "limit": PURE_LIMIT // 2,
        "held": top.rho_reserved + top.rho_spent,
        "pure": {"limit": PURE_LIMIT, "held": top.pure_reserved + top.pure_spent},
        "spent": top.rho_spent,
        "charges": Charge.objects.count(),
        "answers": Answer.objects.count(),
        "faults": faults(),
        "log": verify_database(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
