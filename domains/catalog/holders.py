"""Who holds a seat or a stewardship that counts now: not ended, of an active person who has the role it needs."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from domains.catalog.models import NEEDS, Dataset, Seat, Steward
from domains.people.permissions import Role

M = TypeVar("M", bound=Model)


def _counting(rows: QuerySet[M], roles: tuple[Role, ...]) -> QuerySet[M]:
    wanted = Q(pk=None)
    for role in roles:
        held = {"user__memberships__role__in": list(NEEDS[role]), "user__memberships__ended_at": None}
        wanted |= Q(role=role, **held)
    return rows.filter(wanted, ended_at=None, user__is_active=True)


def stewards(*roles: Role) -> QuerySet[Steward]:
    """Return the stewardships of these roles that count now, of any dataset."""
    return _counting(Steward.objects.all(), roles)


def seats(*roles: Role) -> QuerySet[Seat]:
    """Return the seats of these roles that count now, in any research area."""
    return _counting(Seat.objects.all(), roles)


def ownerless() -> QuerySet[Dataset]:
    """Return the published and frozen datasets that nobody who is here owns."""
    owned = stewards(Role.DATASET_OWNER).values("dataset")
    rows = Dataset.objects.filter(status__in=["published", "frozen"]).exclude(pk__in=owned)
    return rows.select_related("area").order_by("id")
