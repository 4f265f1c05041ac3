"""Opening a budget of pure ε after the fact, on the road that people take: two on each cap, then an administrator."""

from __future__ import annotations

from decimal import Decimal

from domains.ledger import limits, queries
from domains.people.models import User
from domains.projects.models import AccessGrant

CAPS = {"population": Decimal(3), "dataset": Decimal(3), "grant": Decimal(1)}  # the ε that stays beside it


def raise_caps(grant: AccessGrant, pure: str, *, owner: User, reviewer: User) -> None:
    """Raise the pure ε of a grant's population and dataset: the owner proposes, the reviewer confirms."""
    for balance in queries.balances(grant, owner):
        if balance.scope in ("population", "dataset"):
            proposal = limits.propose_raise(
                str(balance.account),
                epsilon=CAPS[balance.scope],
                pure_epsilon=Decimal(pure),
                reason="Laplace noise.",
                by=owner,
            )
            limits.confirm_raise(proposal, by=reviewer)


def give(grant: AccessGrant, pure: str, *, administrator: User) -> None:
    """Set the pure ε of a grant, its ε as before."""
    account = next(row.account for row in queries.balances(grant, administrator) if row.scope == "grant")
    limits.change_limit(
        str(account),
        epsilon=CAPS["grant"],
        pure_epsilon=Decimal(pure),
        reason="Laplace noise.",
        by=administrator,
    )
