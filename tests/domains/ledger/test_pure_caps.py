"""Caps on pure ε: none unless they are named, raised by two people, and beside the others rather than among them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domains.errors import IllegalMove, InvalidInput
from domains.ledger import limits, queries
from domains.ledger.actions import allocate
from domains.ledger.models import LimitChange, Scope
from privacy.loss import Loss
from tests.domains.ledger.test_limits import ONE, THREE, TWO, Scene, scene
from tests.domains.ledger.world import faults

__all__ = ["scene"]

pytestmark = pytest.mark.django_db


def test_raising_the_pure_cap_alone_takes_two_people_and_leaves_the_rest_as_it_was(scene: Scene) -> None:
    before = scene.cap.limit
    assert before.pure == 0
    with pytest.raises(IllegalMove) as refused:
        limits.change_limit(scene.cap.pk, epsilon=TWO, pure_epsilon=ONE, reason="Laplace.", by=scene.alice)
    assert refused.value.code == "two_people"
    proposal = limits.propose_raise(
        scene.cap.pk, epsilon=TWO, pure_epsilon=ONE, reason="Laplace.", by=scene.alice
    )
    assert queries.open_proposals().get().pure == 10**12
    assert scene.of(Scope.DATASET).limit == before
    limits.confirm_raise(proposal, by=scene.rita)
    assert scene.of(Scope.DATASET).limit == before + Loss(0, 0, 10**12)
    change = LimitChange.objects.get()
    assert (change.pure_before, change.pure_after, change.confirmed_by) == (0, 10**12, scene.rita)
    assert change.rho_before == change.rho_after


def test_a_change_that_does_not_name_the_pure_cap_keeps_it_and_one_person_may_lower_it(scene: Scene) -> None:
    proposal = limits.propose_raise(
        scene.cap.pk, epsilon=TWO, pure_epsilon=ONE, reason="Laplace.", by=scene.alice
    )
    limits.confirm_raise(proposal, by=scene.rita)
    limits.change_limit(scene.cap.pk, epsilon=ONE, reason="Less.", by=scene.alice)
    assert scene.of(Scope.DATASET).limit.pure == 10**12
    limits.change_limit(
        scene.cap.pk, epsilon=ONE, pure_epsilon=Decimal("0.3"), reason="Less.", by=scene.alice
    )
    assert scene.of(Scope.DATASET).limit.pure == 3 * 10**11


def test_a_pure_cap_is_never_lowered_below_what_is_reserved_and_spent(scene: Scene) -> None:
    for account, epsilon in ((scene.top, THREE), (scene.cap, TWO)):
        proposal = limits.propose_raise(
            account.pk, epsilon=epsilon, pure_epsilon=ONE, reason="Laplace.", by=scene.alice
        )
        limits.confirm_raise(proposal, by=scene.rita)
    allocate(scene.grant, epsilon=ONE, pure_epsilon=ONE, by=scene.ada)
    scene.spend(Loss(0, 0, 3 * 10**11))
    with pytest.raises(IllegalMove) as refused:
        limits.change_limit(
            scene.cap.pk, epsilon=TWO, pure_epsilon=Decimal("0.299999"), reason="Less.", by=scene.alice
        )
    assert refused.value.code == "below_spent"
    limits.change_limit(
        scene.cap.pk, epsilon=TWO, pure_epsilon=Decimal("0.3"), reason="Less.", by=scene.alice
    )
    assert faults() == []


def test_a_grants_pure_budget_stays_within_the_datasets_and_is_none_unless_it_is_named(scene: Scene) -> None:
    with pytest.raises(InvalidInput) as refused:
        allocate(scene.grant, epsilon=ONE, pure_epsilon=Decimal("0.000001"), by=scene.ada)
    assert refused.value.code == "above_cap"
    allocate(scene.grant, epsilon=ONE, by=scene.ada)
    assert scene.of(Scope.GRANT).limit.pure == 0
    with pytest.raises(InvalidInput) as refused:
        limits.change_limit(
            scene.of(Scope.GRANT).pk, epsilon=ONE, pure_epsilon=ONE, reason="Laplace.", by=scene.ada
        )
    assert refused.value.code == "above_cap"
