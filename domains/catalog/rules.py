"""Rules for automation on a dataset: proposed by one person, activated by another (S6)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import AccessPolicy, Dataset
from domains.catalog.words import once
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from privacy.loss import rho_of

MOST_EPSILON = Decimal(100)


@transaction.atomic(durable=True)
def propose_policy(
    dataset: Dataset,
    *,
    auto_epsilon: Decimal,
    by: User,
    auto_epsilon_per_month: Decimal = Decimal(0),
    max_epsilon: Decimal | None = None,
    allows_unknown_keys: bool = True,
) -> AccessPolicy:
    """Propose the next version of a dataset's rules; nothing changes until another person activates it.

    Each ε is for one request (or a month's requests of one grant) alone; it becomes ρ, rounded down, at the
    population's δ. Zero means that people decide everything.
    """
    require(by, Permission.POLICY_PROPOSE, on=dataset)
    auto = _rho(dataset, auto_epsilon, "automatic limit")
    most = None if max_epsilon is None else _rho(dataset, max_epsilon, "largest ε")
    if most is not None and auto > most:
        raise InvalidInput(
            "What is approved automatically cannot exceed the largest ε.", code="policy_invalid"
        )
    amounts: dict[str, Any] = {
        "auto_rho": auto,
        "auto_rho_per_month": _rho(dataset, auto_epsilon_per_month, "monthly automatic limit"),
        "max_rho": most,
    }
    last = (
        AccessPolicy.objects.filter(dataset=dataset)
        .order_by("-number")
        .values_list("number", flat=True)
        .first()
    )
    with once("Somebody else has just proposed a policy; look at it first.", code="policy_exists"):
        policy = AccessPolicy.objects.create(
            dataset=dataset,
            number=(last or 0) + 1,
            allows_unknown_keys=bool(allows_unknown_keys),
            proposed_by=by,
            **amounts,
        )
    record(Event.POLICY_PROPOSED, by=by, on=policy, dataset=dataset.pk, number=policy.number, **amounts)
    seats = dataset.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
    text = f"A policy for “{dataset.title}” waits for a second person."
    tell({row.user for row in seats} - {by}, Event.POLICY_PROPOSED, text, f"/datasets/{dataset.slug}/")
    return policy


def _rho(dataset: Dataset, epsilon: Decimal, field: str) -> int:
    """Return the most ρ, in 1e-12 and rounded down, that implies `epsilon` at the population's δ; 0 for 0."""
    try:
        amount = Decimal(epsilon)
    except (InvalidOperation, TypeError, ValueError):
        raise InvalidInput(f"The {field} must be a decimal number.", code="epsilon_invalid") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_EPSILON:
        raise InvalidInput(f"The {field} must be between 0 and {MOST_EPSILON}.", code="epsilon_invalid")
    return rho_of(float(amount), dataset.population.conversion_delta) if amount else 0


@transaction.atomic(durable=True)
def activate_policy(policy: AccessPolicy, *, by: User) -> None:
    """Put a proposed policy in force in place of the one before; never the person who proposed it."""
    require(by, Permission.POLICY_ACTIVATE, on=policy)
    if by.pk == policy.proposed_by_id:
        raise NotAllowed(
            "You proposed this policy, so somebody else must activate it.", code="separation_of_duties"
        )
    now = timezone.now()
    active = AccessPolicy.objects.filter(dataset=policy.dataset_id, activated_at__isnull=False, ended_at=None)
    ended = list(active.exclude(pk=policy.pk).values_list("pk", flat=True))
    active.filter(pk__in=ended).update(ended_at=now, ended_by=by)
    with once("Somebody else has just activated a policy; look at it again.", code="policy_exists"):
        proposed = AccessPolicy.objects.filter(pk=policy.pk, activated_at=None, ended_at=None)
        if proposed.update(activated_at=now, activated_by=by) != 1:
            raise IllegalMove("This policy is not waiting to be activated.")
    policy.activated_at, policy.activated_by = now, by
    record(
        Event.POLICY_ACTIVATED, by=by, on=policy, dataset=policy.dataset_id, number=policy.number, ended=ended
    )


@transaction.atomic(durable=True)
def end_policy(policy: AccessPolicy, *, by: User) -> None:
    """End a policy, proposed or active; one person suffices, because people then decide everything."""
    require(by, Permission.POLICY_PROPOSE, on=policy)
    now = timezone.now()
    if AccessPolicy.objects.filter(pk=policy.pk, ended_at=None).update(ended_at=now, ended_by=by) != 1:
        raise IllegalMove("This policy has already ended.", code="already_ended")
    policy.ended_at, policy.ended_by = now, by
    record(Event.POLICY_ENDED, by=by, on=policy, dataset=policy.dataset_id, number=policy.number)
