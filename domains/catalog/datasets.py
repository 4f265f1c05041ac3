"""What owners do with a dataset as a whole: describe it, share its care, stop it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.areas import clean_slug, end_row, require_eligible, require_other, require_role
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset, Population, ResearchArea, Steward
from domains.errors import IllegalMove, InvalidInput
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.words import once, stated_reason, text

LEAST_TICK, MOST_TICK = Decimal("0.05"), Decimal(3600)  # seconds


@transaction.atomic(durable=True)
def create_dataset(  # noqa: PLR0913 - a dataset's whole description, by keyword
    *,
    area: ResearchArea,
    population: Population,
    title: str,
    slug: str,
    by: User,
    summary: str = "",
    provenance: str = "",
    licence: str = "",
    tick: Decimal = Decimal("0.25"),
) -> Dataset:
    """Describe a dataset; it stays a draft that only its owners see until its first version is published.

    `tick` is the grain, in seconds, to which every time told outside about this dataset is rounded.
    """
    require(by, Permission.DATASET_CREATE, on=area)
    if not LEAST_TICK <= tick <= MOST_TICK or tick != tick.quantize(Decimal("0.01")):
        raise InvalidInput(
            "The tick is a number of seconds from 0.05 to 3600, to a hundredth.", code="tick_invalid"
        )
    words = _described(title, summary, provenance, licence)
    slug = clean_slug(slug)
    with once("Another dataset has this short name; choose a different one."):
        dataset = Dataset.objects.create(
            area=area, population=population, slug=slug, tick=tick, created_by=by, **words
        )
    Steward.objects.create(dataset=dataset, user=by, role=Role.DATASET_OWNER, granted_by=by)
    record(Event.DATASET_CREATED, by=by, on=dataset, slug=slug, area=area.pk, population=population.pk)
    return dataset


@transaction.atomic(durable=True)
def describe(dataset: Dataset, *, title: str, summary: str, provenance: str, licence: str, by: User) -> None:
    """Change the words that the catalogue shows; the data and its schema are versions' business."""
    require(by, Permission.DATASET_EDIT, on=dataset)
    words = _described(title, summary, provenance, licence)
    if Dataset.objects.filter(pk=dataset.pk).exclude(status=DatasetStatus.WITHDRAWN).update(**words) != 1:
        raise IllegalMove("A withdrawn dataset is not described any more.")
    for name, value in words.items():
        setattr(dataset, name, value)
    record(Event.DATASET_EDITED, by=by, on=dataset, **words)


def _described(title: str, summary: str, provenance: str, licence: str) -> dict[str, Any]:
    return {
        "title": text(title, "title", most=160),
        "summary": text(summary, "summary", most=8000, least=0),
        "provenance": text(provenance, "provenance", most=8000, least=0),
        "licence": text(licence, "licence", most=80, least=0),
    }


@transaction.atomic(durable=True)
def assign(dataset: Dataset, user: User, *, role: Role, by: User) -> Steward:
    """Share the care of a dataset: another owner, or a reviewer who decides on its requests."""
    require(by, Permission.DATASET_ASSIGN, on=dataset)
    role = require_role(role, among={Role.DATASET_OWNER, Role.DATASET_REVIEWER})
    require_other(user, by)
    require_eligible(user, role)
    with once(f"{user.name} already has this role here.", code="already_given"):
        given = Steward.objects.create(dataset=dataset, user=user, role=role, granted_by=by)
    record(Event.STEWARD_ASSIGNED, by=by, on=dataset, user=user.pk, role=role.value)
    tell([user], Event.STEWARD_ASSIGNED, f"You now care for “{dataset.title}”.", f"/datasets/{dataset.slug}/")
    return given


@transaction.atomic(durable=True)
def end_steward(steward: Steward, *, by: User) -> None:
    """End a person's role on a dataset; its last owner cannot go without naming another."""
    dataset = steward.dataset
    require(by, Permission.DATASET_ASSIGN, on=dataset)
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # one ending at a time, so that one owner stays
    owners = Steward.objects.filter(dataset=dataset, role=Role.DATASET_OWNER, ended_at=None)
    if steward.role == Role.DATASET_OWNER and not owners.exclude(pk=steward.pk).exists():
        raise IllegalMove("This is the dataset's last owner; assign another one first.", code="last_owner")
    end_row(steward, by=by)
    record(Event.STEWARD_ENDED, by=by, on=dataset, user=steward.user_id, role=steward.role)
    tell([steward.user], Event.STEWARD_ENDED, f"You no longer care for “{dataset.title}”.", "/datasets/")


@transaction.atomic(durable=True)
def freeze(dataset: Dataset, *, reason: str, by: User) -> None:
    """Stop a dataset at once: no approval and no preflight passes until it is unfrozen."""
    _turn(dataset, DatasetStatus.FROZEN, Event.DATASET_FROZEN, reason, by=by)


@transaction.atomic(durable=True)
def unfreeze(dataset: Dataset, *, reason: str, by: User) -> None:
    """Let a frozen dataset be asked again."""
    if dataset.status != DatasetStatus.FROZEN:
        require(by, Permission.DATASET_FREEZE, on=dataset)
        raise IllegalMove("Only a frozen dataset can be unfrozen.")
    _turn(dataset, DatasetStatus.PUBLISHED, Event.DATASET_UNFROZEN, reason, by=by)


@transaction.atomic(durable=True)
def withdraw(dataset: Dataset, *, reason: str, by: User) -> None:
    """Take a dataset out of use for good; its ledger and its log stay."""
    _turn(dataset, DatasetStatus.WITHDRAWN, Event.DATASET_WITHDRAWN, reason, by=by)
    for follow in _followers:
        follow(dataset)


# Rooms above this one say what else a withdrawal brings about, in its transaction.
_followers: list[Callable[[Dataset], None]] = []


def on_withdrawal(follow: Callable[[Dataset], None]) -> None:
    """Call `follow(dataset)` whenever a dataset is withdrawn."""
    if follow not in _followers:
        _followers.append(follow)


def _turn(dataset: Dataset, to: DatasetStatus, event: Event, why: str, *, by: User) -> None:
    require(by, Permission.DATASET_FREEZE, on=dataset)
    why = stated_reason(why)
    move(dataset, to)
    record(event, by=by, on=dataset, reason=why)
    others = {row.user for row in dataset.stewards.filter(ended_at=None).select_related("user")} - {by}
    line = f"“{dataset.title}” is now {dataset.state.label.lower()}: {why}"
    tell(others, event, line[:300], f"/datasets/{dataset.slug}/")
