"""Opening a budget of pure ε after the fact, on the road that people take: two on each cap, and two on the grant."""

from __future__ import annotations

from decimal import Decimal

from domains.ledger import limits, queries, topups
from domains.people.models import User
from domains.people.permissions import Role
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
    """Set the pure ε of a grant, its ε as before: up with the dataset's owner as the second person, down alone."""
    caps = {"epsilon": CAPS["grant"], "pure_epsilon": Decimal(pure)}
    now = next(row for row in queries.balances(grant, administrator) if row.scope == "grant")
    if Decimal(pure) <= Decimal(str(now.pure_limit)):
        limits.change_limit(str(now.account), **caps, reason="Laplace noise.", by=administrator)
        return
    owner = grant.dataset.stewards.get(role=Role.DATASET_OWNER, ended_at=None).user
    made = topups.propose_unasked(grant, **caps, reason="Laplace noise.", by=administrator)
    topups.confirm(made, by=owner)
