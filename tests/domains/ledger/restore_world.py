"""A node in small, for the backup drill: python -m tests.domains.ledger.restore_world reserve | release | commit."""

from __future__ import annotations

import sys
from datetime import timedelta

import django

LEASE = timedelta(minutes=1)


def main(step: str) -> str:
    """Do one step on the charges that are there, each in the order of their keys; return one word."""
    django.setup()
    from django.db import transaction

    from domains.audit import checkpoints
    from domains.errors import IllegalMove
    from domains.ledger import protocol
    from domains.ledger.models import Charge
    from tests.domains.ledger import world as worlds

    if step == "reserve":
        world = worlds.build(20)
        for idem in "ab":
            with transaction.atomic(durable=True):
                worlds.reserve(world, idem, 5)
        checkpoints.witness()
        return "reserved"
    charge = Charge.objects.filter(state="RESERVED").order_by("idem").first()
    try:
        fence = protocol.commit(charge.pk, lease=LEASE)
    except IllegalMove as refusal:
        return refusal.code
    protocol.persist(charge.pk, fence=fence, payload=b"the answer")
    checkpoints.witness()
    return "released"


if __name__ == "__main__":
    print(main(sys.argv[1]))
