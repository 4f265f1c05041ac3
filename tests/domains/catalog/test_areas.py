"""Research areas are opened by administrators, and nobody gives a role to themselves or to an administrator."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from domains.audit.models import AuditEvent
from domains.catalog import actions
from domains.catalog.models import Seat
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.models import Notice
from domains.people.models import Membership
from domains.people.permissions import Permission, Role, allows
from tests import cast

pytestmark = pytest.mark.django_db


def test_an_administrator_opens_an_area_and_it_is_recorded():
    ada = cast.person("Ada", Role.ADMINISTRATOR)
    area = actions.create_area(name="Heart attack", slug="heart-attack", by=ada)
    leaf = AuditEvent.objects.get()
    assert (leaf.event, leaf.actor, leaf.subject) == ("area.created", ada.pk, area.pk)


@pytest.mark.parametrize("role", [Role.OWNER, Role.REVIEWER, Role.SCIENTIST, Role.AUDITOR])
def test_nobody_else_opens_an_area(role: Role):
    with pytest.raises(NotAllowed):
        actions.create_area(name="Heart attack", slug="heart-attack", by=cast.person("Eve", role))


@pytest.mark.parametrize("slug", ["", "Heart", "heart attack", "heart_attack", "-heart", "herz-ä", "x" * 51])
def test_an_area_needs_a_short_name_fit_for_an_address(slug: str):
    with pytest.raises(InvalidInput):
        actions.create_area(name="Heart", slug=slug, by=cast.person("Ada", Role.ADMINISTRATOR))


def test_two_areas_never_share_a_name():
    ada = cast.person("Ada", Role.ADMINISTRATOR)
    actions.create_area(name="Heart", slug="heart", by=ada)
    with pytest.raises(InvalidInput) as refused:
        actions.create_area(name="Heart", slug="other", by=ada)
    assert refused.value.code == "taken"


def test_a_seat_gives_its_roles_and_tells_the_person():
    given = cast.cast()
    assert allows(given.alice, Permission.DATASET_CREATE, on=given.area)
    assert not allows(given.rita, Permission.DATASET_CREATE, on=given.area)
    assert Notice.objects.filter(recipient=given.rita, event="seat.granted").exists()


def test_nobody_gives_a_seat_to_themselves():
    given = cast.cast()
    Membership.objects.create(user=given.ada, role=Role.OWNER)  # a node that broke the rule before
    with pytest.raises(NotAllowed) as refused:
        actions.seat(given.area, given.ada, role=Role.AREA_OWNER, by=given.ada)
    assert refused.value.code == "separation_of_duties"


def test_the_database_refuses_a_seat_given_to_oneself():
    given = cast.cast()
    with pytest.raises(IntegrityError), transaction.atomic():
        Seat.objects.create(area=given.area, user=given.sam, role=Role.AREA_OWNER, granted_by=given.sam)


def test_an_administrator_never_gets_a_seat():
    given = cast.cast()
    other = cast.person("Bert", Role.ADMINISTRATOR, Role.REVIEWER)
    with pytest.raises(InvalidInput) as refused:
        actions.seat(given.area, other, role=Role.AREA_REVIEWER, by=given.ada)
    assert refused.value.code == "role_conflict"


@pytest.mark.parametrize(
    ("role", "code"),
    [(Role.AREA_OWNER, "role_missing"), (Role.DATASET_OWNER, "role_invalid"), ("king", "role_invalid")],
)
def test_a_seat_needs_a_role_of_the_node_and_is_one_of_two(role: str, code: str):
    given = cast.cast()
    with pytest.raises(InvalidInput) as refused:
        actions.seat(given.area, given.sam, role=role, by=given.ada)
    assert refused.value.code == code


def test_an_inactive_person_gets_no_seat():
    given = cast.cast()
    bob = cast.person("Bob", Role.OWNER)
    bob.is_active = False
    with pytest.raises(InvalidInput) as refused:
        actions.seat(given.area, bob, role=Role.AREA_OWNER, by=given.ada)
    assert refused.value.code == "person_inactive"


def test_a_seat_ends_once_and_its_rights_with_it():
    given = cast.cast()
    seat = given.area.seats.get(user=given.rita)
    actions.end_seat(seat, by=given.ada)
    assert given.area.roles_of(given.rita) == set()
    with pytest.raises(IllegalMove) as refused:
        actions.end_seat(seat, by=given.ada)
    assert refused.value.code == "already_ended"


def test_a_seat_counts_only_as_long_as_the_role_it_needs():
    given = cast.cast()
    given.alice.memberships.update(ended_at="2026-01-01T00:00Z", ended_by=given.ada)
    given.alice.forget_roles()
    assert given.area.roles_of(given.alice) == set()


def test_a_seat_is_given_once():
    given = cast.cast()
    with pytest.raises(InvalidInput) as refused:
        actions.seat(given.area, given.rita, role=Role.AREA_REVIEWER, by=given.ada)
    assert refused.value.code == "already_given"


@pytest.mark.parametrize("delta", [Decimal(0), Decimal("0.01"), Decimal("NaN"), Decimal("1e-13"), 1e-6])
def test_a_population_has_a_small_exact_delta(delta):
    given = cast.cast()
    with pytest.raises(InvalidInput) as refused:
        actions.create_population(
            area=given.area, name="Others", unit_label="one", delta=delta, by=given.alice
        )
    assert refused.value.code == "delta_invalid"


def test_only_an_owner_of_the_area_declares_a_population():
    given = cast.cast()
    for user in (given.rita, given.sam, given.ada):
        with pytest.raises(NotAllowed):
            actions.create_population(area=given.area, name="Others", unit_label="one", by=user)
