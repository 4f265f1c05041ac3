"""A program that kills its own workers: real processes, kill −9, duplicated deliveries, an outside that remembers.

    DATABASE_URL=… GRIDHOUSE_HOME=… python -m tests.domains.ledger.crash_world MODE SECONDS FOLDER

Workers reserve, void, sweep, sign in and run charges, each any number of times, and die at random: by their own
hand between any two steps, and by the supervisor's at any instruction. What reaches the outside (a draw, a released
answer, a witnessed checkpoint) is appended to files in FOLDER, which no transaction can take back. At the end the
stored rows are compared with them, and a report is printed as JSON.

MODE is "sound", or a wrong protocol that the comparison must catch: "naive" releases and then charges, "redraw"
draws before the charge decides who may.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

WORKERS, LIMIT, KEYS = 6, 400, 400
LEASE = timedelta(seconds=0.5)


class Outside:
    """Files that only grow; each line is one thing the world has seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def see(self, what: str, line: str) -> None:
        handle = os.open(self.folder / what, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)

    def seen(self, what: str) -> list[list[str]]:
        path = self.folder / what
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def maybe_die(chance: float = 0.03) -> None:
    if random.random() < chance:
        os.kill(os.getpid(), signal.SIGKILL)


def draw(outside: Outside, charge: str) -> bytes:
    """Stand for the noise: a fresh answer each time it is called."""
    outside.see("draws", charge)
    return os.urandom(8).hex().encode()


def let_out(outside: Outside, charge: str, payload: bytes) -> None:
    from domains.audit import checkpoints

    seen = checkpoints.witness()
    outside.see("witnessed", f"{seen.size} {seen.root.hex()}")
    maybe_die()
    outside.see("released", f"{charge} {payload.decode()}")


def run_sound(outside: Outside, charge: str) -> None:
    """Follow the protocol: commit, draw once, persist, release only persisted bytes."""
    from domains.ledger import protocol, queries

    if queries.answer(charge) is None:
        fence = protocol.commit(charge, lease=LEASE)
        maybe_die()
        if fence is None:
            return
        payload = draw(outside, charge)
        maybe_die(0.1)
        if random.random() < 0.05:
            time.sleep(0.8)  # a paused worker, whose lease runs out
        protocol.persist(charge, fence=fence, payload=payload)
        maybe_die()
    stored = queries.answer(charge)
    if stored is not None:
        let_out(outside, charge, stored)


def run_naive(outside: Outside, charge: str) -> None:
    """What a task queue suggests: compute, release, then charge."""
    from domains.ledger import protocol

    payload = draw(outside, charge)
    let_out(outside, charge, payload)
    maybe_die()
    fence = protocol.commit(charge, lease=LEASE)
    maybe_die()
    if fence is not None:
        protocol.persist(charge, fence=fence, payload=payload)


def run_redraw(outside: Outside, charge: str) -> None:
    """Draw before the charge says who may, so that a retry draws again."""
    from domains.ledger import protocol, queries

    if queries.answer(charge) is None:
        payload = draw(outside, charge)
        maybe_die()
        fence = protocol.commit(charge, lease=LEASE)
        maybe_die()
        if fence is not None:
            protocol.persist(charge, fence=fence, payload=payload)
            maybe_die()
    stored = queries.answer(charge)
    if stored is not None:
        let_out(outside, charge, stored)


MODES: dict[str, Callable[[Outside, str], None]] = {
    "sound": run_sound,
    "naive": run_naive,
    "redraw": run_redraw,
}


def step(world: Any, outside: Outside, mode: str) -> None:
    """Do one thing at random."""
    from django.db import transaction

    from domains.audit.events import Event
    from domains.audit.recorder import record
    from domains.ledger import protocol
    from domains.ledger.models import Charge
    from tests.domains.ledger.world import reserve

    dice = random.random()
    if dice < 0.30:
        with transaction.atomic(durable=True):
            amount = random.randint(1, 7)
            pure = random.choice((0, amount))
            number, which = random.randrange(KEYS), random.randrange(2)
            own = {"delta": amount, "pure": pure, "for_everybody": number % 3 == 0}
            reserve(world, f"key-{number}", amount, which=which, **own)
            maybe_die(0.01)
    elif dice < 0.36:
        with transaction.atomic(durable=True):
            record(Event.PERSON_SIGNED_IN, by=random.choice(world.people), on="session:test")
            maybe_die(0.01)
    elif dice < 0.40:
        protocol.sweep()
    else:
        wanted = ["RESERVED"] if dice < 0.45 else ["RESERVED", "COMMITTED", "BURNT"]
        ids = list(Charge.objects.filter(state__in=wanted).values_list("id", flat=True))
        if ids and dice < 0.45:
            protocol.void(random.choice(ids), reason="test")
        elif ids:
            MODES[mode](outside, random.choice(ids))


def work(world: Any, outside: Outside, mode: str, seed: str) -> None:
    """Step until killed; a refusal is part of the game, a lost database is waited for."""
    from django.db import DatabaseError, InterfaceError, connection

    from domains.errors import DomainError

    random.seed(seed)
    while True:
        try:
            step(world, outside, mode)
        except DomainError as refusal:
            outside.see("refused", refusal.code)
        except (DatabaseError, InterfaceError) as error:
            outside.see("errors", f"{type(error).__name__} {' '.join(str(error).split()[:12])}")
            connection.close()
            time.sleep(0.05)


def supervise(world: Any, outside: Outside, mode: str, seconds: float) -> int:
    """Keep WORKERS alive and kill one now and then; return how many were killed from outside."""
    alive: set[int] = set()
    kills = started = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(alive) < WORKERS:
            started += 1
            alive.add(spawn(world, outside, mode, f"{os.getpid()}-{started}"))
        time.sleep(random.random() * 0.1)
        if random.random() < 0.5:
            os.kill(random.choice(list(alive)), signal.SIGKILL)
            kills += 1
        alive -= reap()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    for pid in alive:
        os.waitpid(pid, 0)
    return kills


def spawn(world: Any, outside: Outside, mode: str, seed: str) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work(world, outside, mode, seed)
        except BaseException as error:  # a child has nobody to raise to
            outside.see("fatal", repr(error)[:300])
        finally:
            os._exit(1)
    return pid


def reap() -> set[int]:
    """Collect children that have died."""
    dead = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if not pid:
            return dead
        dead.add(pid)


def report(outside: Outside, kills: int) -> dict[str, Any]:
    """Compare what the outside saw with what is stored, after every lease is over and swept."""
    from domains.audit import checkpoints, proofs
    from domains.audit.verify import verify_database
    from domains.ledger import protocol
    from domains.ledger.models import Answer, Charge
    from tests.domains.ledger.world import faults

    time.sleep(LEASE.total_seconds() + 0.1)
    protocol.sweep()
    states = dict(Charge.objects.values_list("id", "state"))
    released: dict[str, set[str]] = collections.defaultdict(set)
    for charge, payload in outside.seen("released"):
        released[charge].add(payload)
    stored = {
        key: bytes(payload).decode() for key, payload in Answer.objects.values_list("charge_id", "payload")
    }
    draws = collections.Counter(line[0] for line in outside.seen("draws"))
    head = checkpoints.head()
    behind = [
        size
        for size, root in outside.seen("witnessed")
        if int(size) > head.size or proofs.root(int(size)).hex() != root
    ]
    return {
        "kills": kills,
        "states": collections.Counter(states.values()),
        "releases": len(outside.seen("released")),
        "refused": collections.Counter(line[0] for line in outside.seen("refused")),
        "errors": collections.Counter(" ".join(line) for line in outside.seen("errors")).most_common(5),
        "fatal": [" ".join(line) for line in outside.seen("fatal")],
        "uncharged": [charge for charge in released if states.get(charge) != "COMMITTED"],  # I7
        "double_answers": [charge for charge, seen in released.items() if seen != {stored.get(charge)}],  # I8
        "double_draws": [charge for charge, count in draws.items() if count > 1],  # I9
        "faults": faults(),  # I1 to I6, I11
        "log": verify_database(),
        "behind": behind,  # I12
    }


def main(mode: str, seconds: float, folder: str) -> None:
    django.setup()
    from django.db import connections

    from tests.domains.ledger import world as worlds

    # A pool keeps threads, and threads do not survive a fork.
    connections["default"].settings_dict["OPTIONS"].pop("pool", None)
    outside = Outside(Path(folder))
    world = worlds.build(LIMIT)
    connections.close_all()
    kills = supervise(world, outside, mode, seconds)
    print(json.dumps(report(outside, kills)))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
