"""Policies: one person proposes, another activates, and exactly one is in force (S6)."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from domains.catalog import actions, queries
from domains.catalog.models import AccessPolicy
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.people.models import Membership
from domains.people.permissions import Role
from privacy.loss import epsilon_of, rho_of
from tests import cast

pytestmark = pytest.mark.django_db


def proposed(given: cast.Cast, **amounts) -> AccessPolicy:
    dataset = given.area.datasets.first() or cast.dataset(given)
    return actions.propose_policy(dataset, **{"auto_epsilon": Decimal("0.1"), "by": given.alice, **amounts})


def test_amounts_become_rho_rounded_down_at_the_populations_delta():
    given = cast.cast()
    policy = proposed(given, auto_epsilon_per_month=Decimal(1), max_epsilon=Decimal(2))
    delta = given.population.conversion_delta
    assert policy.auto_rho == rho_of(0.1, delta)
    assert policy.auto_rho_per_month == rho_of(1.0, delta)
    assert epsilon_of(policy.max_rho, delta) <= 2 < epsilon_of(policy.max_rho + 2, delta)


def test_zero_means_that_people_decide_everything():
    assert proposed(cast.cast(), auto_epsilon=Decimal(0)).auto_rho == 0


@pytest.mark.parametrize(
    "epsilon", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(101), "many", None]
)
def test_an_amount_is_a_number_that_makes_sense(epsilon):
    with pytest.raises(InvalidInput) as refused:
        proposed(cast.cast(), auto_epsilon=epsilon)
    assert refused.value.code == "epsilon_invalid"


def test_what_is_automatic_stays_below_what_is_possible():
    with pytest.raises(InvalidInput) as refused:
        proposed(cast.cast(), auto_epsilon=Decimal(2), max_epsilon=Decimal(1))
    assert refused.value.code == "policy_invalid"


def test_a_reviewer_of_the_area_activates_what_an_owner_proposed():
    given = cast.cast()
    policy = proposed(given)
    assert [row.pk for row in queries.policies_waiting(given.rita)] == [policy.pk]
    actions.activate_policy(policy, by=given.rita)
    assert policy.activated_by == given.rita
    with pytest.raises(IllegalMove):
        actions.activate_policy(policy, by=given.rita)


@pytest.mark.parametrize("who", ["alice", "sam", "ada", "theo", "charlie"])
def test_nobody_else_activates(who: str):
    given = cast.cast()
    with pytest.raises((NotAllowed, NotFound)):
        actions.activate_policy(proposed(given), by=getattr(given, who))


def test_a_proposer_who_also_reviews_cannot_activate():
    given = cast.cast()
    policy = proposed(given)
    Membership.objects.create(user=given.alice, role=Role.REVIEWER, granted_by=given.ada)
    given.alice.forget_roles()
    actions.seat(given.area, given.alice, role=Role.AREA_REVIEWER, by=given.ada)
    with pytest.raises(NotAllowed) as refused:
        actions.activate_policy(policy, by=given.alice)
    assert refused.value.code == "separation_of_duties"
    assert not queries.policies_waiting(given.alice).exists()


def test_the_database_demands_two_people_even_without_the_guard():
    given = cast.cast()
    policy = proposed(given)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessPolicy.objects.filter(pk=policy.pk).update(
            activated_at=policy.created_at, activated_by=given.alice
        )


def test_activating_the_next_ends_the_one_before():
    given = cast.cast()
    first, second = proposed(given), proposed(given)
    assert (first.number, second.number) == (1, 2)
    actions.activate_policy(first, by=given.rita)
    actions.activate_policy(second, by=given.rita)
    first.refresh_from_db()
    assert first.ended_by == given.rita
    active = AccessPolicy.objects.filter(activated_at__isnull=False, ended_at=None)
    assert list(active) == [second]


def test_the_database_keeps_one_policy_in_force():
    given = cast.cast()
    first, second = proposed(given), proposed(given)
    actions.activate_policy(first, by=given.rita)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessPolicy.objects.filter(pk=second.pk).update(
            activated_at=second.created_at, activated_by=given.rita
        )


def test_an_ended_policy_is_never_activated():
    given = cast.cast()
    policy = proposed(given)
    actions.end_policy(policy, by=given.alice)
    with pytest.raises(IllegalMove):
        actions.activate_policy(policy, by=given.rita)
    with pytest.raises(IllegalMove):
        actions.end_policy(policy, by=given.alice)


def test_one_owner_suffices_to_end_automation():
    given = cast.cast()
    policy = proposed(given)
    actions.activate_policy(policy, by=given.rita)
    with pytest.raises(NotAllowed):
        actions.end_policy(policy, by=given.rita)
    actions.end_policy(policy, by=given.alice)
    assert policy.ended_by == given.alice


def test_rules_in_force_are_public_and_proposals_are_not():
    given = cast.cast()
    active, waiting = proposed(given), proposed(given)
    actions.activate_policy(active, by=given.rita)
    row = queries.dataset("support2", given.sam)
    assert [p.pk for p in queries.policies(row, given.sam)] == [active.pk]
    row = queries.dataset("support2", given.alice)
    assert [p.pk for p in queries.policies(row, given.alice)] == [waiting.pk, active.pk]
