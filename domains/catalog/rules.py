"""Rules for automation on a dataset: proposed by one person, tried and activated by another (S6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import AccessPolicy, Column, Dataset, DryRun, TableColumn
from domains.catalog.policy import Document, parse
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.words import once
from privacy.loss import rho_of

MOST_EPSILON = Decimal(100)
DRY_RUN_VALID = timedelta(hours=24)


def read_document(dataset: Dataset, data: Any) -> Document:
    """Read a policy that was written for a dataset, or raise PolicyInvalid with every fault.

    Where a loss is asked for, {"epsilon": "0.1"} may be written in place of {"rho": …}: it becomes the most ρ,
    rounded down, that implies this ε at the population's δ.
    """
    return parse(_in_rho(data, dataset.population.conversion_delta), columns_of(dataset))


def columns_of(dataset: Dataset) -> list[str]:
    """Return the names of all columns that versions of the dataset have, as policies write them."""
    own = Column.objects.filter(version__dataset=dataset).values_list("name", flat=True).distinct()
    others = TableColumn.objects.filter(table__version__dataset=dataset)
    named = others.values_list("table__name", "name").distinct()
    return sorted({*own, *(f"{table}.{name}" for table, name in named)})


def _in_rho(data: Any, delta: float) -> Any:
    """Return a document with each ε replaced by its ρ; whatever is not one is left for the reader to refuse."""
    if isinstance(data, list):
        return [_in_rho(one, delta) for one in data]
    if not isinstance(data, Mapping):
        return data
    found = {key: _in_rho(value, delta) for key, value in data.items()}
    if "epsilon" in found and "rho" not in found:
        found["rho"] = epsilon_to_rho(found.pop("epsilon"), delta)
    return found


def epsilon_to_rho(epsilon: Any, delta: float) -> int:
    """Return the most ρ, in 1e-12 and rounded down, that implies ε at δ; 0 for 0."""
    try:
        amount = Decimal(str(epsilon).strip())
    except InvalidOperation:
        raise InvalidInput("An ε must be a decimal number such as 0.1.", code="epsilon_invalid") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_EPSILON:
        raise InvalidInput(f"An ε must be between 0 and {MOST_EPSILON}.", code="epsilon_invalid")
    return rho_of(float(amount), delta) if amount > Decimal("0.0000001") else 0


@transaction.atomic(durable=True)
def propose_policy(dataset: Dataset, *, document: Any, by: User) -> AccessPolicy:
    """Propose the next version of a dataset's rules; nothing changes until another person activates it."""
    require(by, Permission.POLICY_PROPOSE, on=dataset)
    rules = read_document(dataset, document)
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
            document=rules.canonical(),
            sha256=rules.sha256(),
            proposed_by=by,
        )
    details: dict[str, Any] = {"dataset": dataset.pk, "number": policy.number, "sha256": policy.sha256}
    record(Event.POLICY_PROPOSED, by=by, on=policy, **details, document=rules.to_dict())
    seats = dataset.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
    text = f"A policy for “{dataset.title}” waits for a second person."
    path = f"/datasets/{dataset.slug}/rules/{policy.number}/"
    tell({row.user for row in seats} - {by}, Event.POLICY_PROPOSED, text, path)
    return policy


@transaction.atomic(durable=True)
def activate_policy(policy: AccessPolicy, *, dry_run: DryRun | None, by: User) -> None:
    """Put a proposed policy in force in place of the one before; never the person who proposed it.

    `dry_run` is what they saw of it: one of their own, of this policy and of the last day.
    """
    require(by, Permission.POLICY_ACTIVATE, on=policy)
    if by.pk == policy.proposed_by_id:
        raise NotAllowed(
            "You proposed this policy, so somebody else must activate it.", code="separation_of_duties"
        )
    require_running()
    now = timezone.now()
    seen = _require_seen(policy, dry_run, by)
    active = AccessPolicy.objects.filter(dataset=policy.dataset_id, activated_at__isnull=False, ended_at=None)
    ended = list(active.exclude(pk=policy.pk).values_list("pk", flat=True))
    active.filter(pk__in=ended).update(ended_at=now, ended_by=by)
    with once("Somebody else has just activated a policy; look at it again.", code="policy_exists"):
        proposed = AccessPolicy.objects.filter(pk=policy.pk, activated_at=None, ended_at=None)
        if proposed.update(activated_at=now, activated_by=by, dry_run=seen) != 1:
            raise IllegalMove("This policy is not waiting to be activated.")
    policy.activated_at, policy.activated_by, policy.dry_run = now, by, seen
    details: dict[str, Any] = {
        "dataset": policy.dataset_id,
        "number": policy.number,
        "sha256": policy.sha256,
        "ended": ended,
    }
    record(Event.POLICY_ACTIVATED, by=by, on=policy, **details, dry_run=seen.sha256, counts=seen.counts)


def _require_seen(policy: AccessPolicy, dry_run: DryRun | None, by: User) -> DryRun:
    """Return the dry run if it shows this policy to this person, or say that it has to be looked at first."""
    if dry_run is None or dry_run.policy_id != policy.pk or dry_run.made_by_id != by.pk:
        raise IllegalMove(
            "First try it on past requests, and look at what it would have answered.", code="dry_run_missing"
        )
    if timezone.now() - dry_run.created_at > DRY_RUN_VALID:
        raise IllegalMove("Your dry run is more than a day old. Try it again first.", code="dry_run_old")
    if dry_run.content_sha256 != dry_run.sha256:
        raise IllegalMove(
            "This dry run is not what was computed. Try it again first.", code="dry_run_changed"
        )
    return dry_run


@transaction.atomic(durable=True)
def end_policy(policy: AccessPolicy, *, by: User) -> None:
    """End a policy, proposed or active; one person suffices, because people then decide everything.

    What it has approved and no worker has started is judged again before it runs.
    """
    require(by, Permission.POLICY_PROPOSE, on=policy)
    now = timezone.now()
    if AccessPolicy.objects.filter(pk=policy.pk, ended_at=None).update(ended_at=now, ended_by=by) != 1:
        raise IllegalMove("This policy has already ended.", code="already_ended")
    policy.ended_at, policy.ended_by = now, by
    record(Event.POLICY_ENDED, by=by, on=policy, dataset=policy.dataset_id, number=policy.number)
