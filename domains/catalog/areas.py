"""Research areas, who sits in them, and the populations whose privacy budget datasets share."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import NEEDS, Population, ResearchArea, Seat, Steward
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.words import once, text


@transaction.atomic(durable=True)
def create_area(*, name: str, slug: str, by: User, description: str = "") -> ResearchArea:
    """Open a research area: a discipline with its own owners and reviewers."""
    require(by, Permission.AREA_MANAGE)
    fields = {"name": text(name, "name", most=120), "slug": clean_slug(slug)}
    with once("Another research area has this name or short name; choose a different one."):
        area = ResearchArea.objects.create(
            **fields, description=text(description, "description", most=4000, least=0)
        )
    record(Event.AREA_CREATED, by=by, on=area, slug=area.slug)
    return area


@transaction.atomic(durable=True)
def seat(area: ResearchArea, user: User, *, role: Role, by: User) -> Seat:
    """Make a person an owner or a reviewer in a research area; never oneself, never an administrator (S2)."""
    require(by, Permission.AREA_MANAGE)
    role = require_role(role, among={Role.AREA_OWNER, Role.AREA_REVIEWER})
    require_other(user, by)
    require_eligible(user, role)
    with once(f"{user.name} already has this seat.", code="already_given"):
        given = Seat.objects.create(area=area, user=user, role=role, granted_by=by)
    record(Event.SEAT_GRANTED, by=by, on=area, user=user.pk, role=role.value)
    tell([user], Event.SEAT_GRANTED, f"You are now {_words(role)} of “{area.name}”.", "/datasets/")
    return given


@transaction.atomic(durable=True)
def end_seat(seat: Seat, *, by: User) -> None:
    """End a person's seat; what they decided while they held it stays."""
    require(by, Permission.AREA_MANAGE)
    end_row(seat, by=by)
    record(Event.SEAT_ENDED, by=by, on=seat.area, user=seat.user_id, role=seat.role)
    tell(
        [seat.user],
        Event.SEAT_ENDED,
        f"You are no longer {_words(Role(seat.role))} of “{seat.area}”.",
        "/datasets/",
    )


@transaction.atomic(durable=True)
def create_population(
    *, area: ResearchArea, name: str, unit_label: str, by: User, delta: Decimal = Decimal("0.000001")
) -> Population:
    """Name the people whom datasets may share, with their δ, fixed for good (DECISIONS 3)."""
    require(by, Permission.DATASET_CREATE, on=area)
    if (
        not isinstance(delta, Decimal)
        or not delta.is_finite()
        or not Decimal("1e-12") <= delta <= Decimal("0.001")
    ):
        raise InvalidInput("δ must be a decimal number between 1e-12 and 0.001.", code="delta_invalid")
    fields = {"name": text(name, "name", most=160), "unit_label": text(unit_label, "privacy unit", most=80)}
    with once("Another population has this name; choose a different one."):
        population = Population.objects.create(**fields, delta=delta, created_by=by)
    record(Event.POPULATION_CREATED, by=by, on=population, area=area.pk, delta=str(delta))
    return population


def clean_slug(value: str) -> str:
    """Return a short name for addresses, or raise InvalidInput: lower-case letters, digits and hyphens."""
    slug = text(value, "short name", most=50)
    if slug != slugify(slug) or "_" in slug:
        raise InvalidInput(
            "A short name has lower-case letters, digits and single hyphens only.", code="slug_invalid"
        )
    return slug


def require_role(role: Role | str, *, among: set[Role]) -> Role:
    """Return the role, or raise InvalidInput where this object does not give it."""
    if role not in among:
        names = " or ".join(sorted(r.value for r in among))
        raise InvalidInput(f"The role must be {names}.", code="role_invalid")
    return Role(role)


def require_other(user: User, by: User) -> None:
    """Raise NotAllowed when somebody would give a role to themselves (S2)."""
    if user.pk == by.pk:
        raise NotAllowed("Somebody else must give you a role.", code="separation_of_duties")


def require_eligible(user: User, role: Role) -> None:
    """Raise InvalidInput unless the person is active, holds what `role` needs, and administers nothing."""
    if not user.is_active:
        raise InvalidInput(f"{user.name}'s account is not active.", code="person_inactive")
    if Role.ADMINISTRATOR in user.node_roles:
        raise InvalidInput(
            f"{user.name} is an administrator, and administrators decide nothing about data.",
            code="role_conflict",
        )
    if not user.node_roles & NEEDS[role]:
        needed = " or ".join(sorted(r.value for r in NEEDS[role]))
        raise InvalidInput(f"{user.name} needs the role {needed} on this node first.", code="role_missing")


def end_row(row: Seat | Steward, *, by: User) -> None:
    """End a seat, or any row with `ended_at` and `ended_by`, unless somebody else ended it first."""
    now = timezone.now()
    if type(row)._default_manager.filter(pk=row.pk, ended_at=None).update(ended_at=now, ended_by=by) != 1:
        raise IllegalMove("This role has already ended.", code="already_ended")
    row.ended_at, row.ended_by = now, by


def _words(role: Role) -> str:
    return {"area_owner": "an owner", "area_reviewer": "a reviewer"}[role.value]
