"""The protocol's promises, one by one: what each step does, and what it refuses."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains import triggers
from domains.audit.models import AuditEvent
from domains.errors import BudgetExhausted, IllegalMove, InvalidInput
from domains.ledger import protocol, queries
from domains.ledger.models import Account, Charge, Entry
from privacy.loss import Loss
from tests.domains.ledger import world as worlds
from tests.domains.ledger.world import World, faults, reserve

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return worlds.build(20)


def reserved(world: World, amount: int = 5, idem: str = "a", **changes: object) -> str:
    with transaction.atomic():
        return reserve(world, idem, amount, **changes)


def books(world: World, which: int = 0) -> set[tuple[int, int]]:
    rows = Account.objects.filter(pk__in=world.accounts[which])
    return {(row.rho_reserved, row.rho_spent) for row in rows}


def test_reserving_sets_the_loss_aside_under_every_account(world: World) -> None:
    charge = reserved(world)
    assert books(world) == {(5, 0)}
    assert Entry.objects.filter(charge=charge, kind="RESERVE", rho=5).count() == 4
    assert faults() == []


def test_committing_spends_it_and_gives_one_fence_once(world: World) -> None:
    charge = reserved(world)
    assert protocol.commit(charge, lease=MINUTE) == 1
    assert protocol.commit(charge, lease=MINUTE) is None
    assert books(world) == {(0, 5)}
    assert faults() == []


def test_the_answer_is_stored_once_under_the_right_fence(world: World) -> None:
    charge = reserved(world)
    fence = protocol.commit(charge, lease=MINUTE)
    with pytest.raises(IllegalMove) as refused:
        protocol.persist(charge, fence=fence + 1, payload=b"late")
    assert refused.value.code == "not_the_owner"
    sha256 = protocol.persist(charge, fence=fence, payload=b"first")
    with pytest.raises(IllegalMove):
        protocol.persist(charge, fence=fence, payload=b"second")
    assert queries.answer(charge) == b"first"
    assert queries.answer_sha256(charge) == sha256
    assert faults() == []


def test_no_answer_is_stored_before_the_commit(world: World) -> None:
    charge = reserved(world)
    with pytest.raises(IllegalMove):
        protocol.persist(charge, fence=0, payload=b"uncharged")
    with pytest.raises(IllegalMove):
        protocol.persist("no such charge", fence=1, payload=b"uncharged")
    assert queries.answer(charge) is None


def test_voiding_gives_back_only_what_was_never_committed(world: World) -> None:
    given_back, spent = reserved(world, idem="a"), reserved(world, idem="b")
    protocol.commit(spent, lease=MINUTE)
    assert protocol.void(given_back, reason="withdrawn")
    assert not protocol.void(given_back, reason="withdrawn")
    assert not protocol.void(spent, reason="withdrawn")
    assert protocol.commit(given_back, lease=MINUTE) is None
    assert books(world) == {(0, 5)}
    assert faults() == []


def test_a_lease_that_ran_out_without_an_answer_is_burnt_and_stays_spent(world: World) -> None:
    lost, answered, working = (reserved(world, idem=idem) for idem in "abc")
    fence = protocol.commit(lost, lease=-MINUTE)
    protocol.persist(answered, fence=protocol.commit(answered, lease=-MINUTE), payload=b"x")
    protocol.commit(working, lease=MINUTE)
    assert protocol.sweep() == 1
    assert protocol.sweep() == 0
    assert queries.charge(lost).state == "BURNT"
    assert queries.charge(answered).state == queries.charge(working).state == "COMMITTED"
    with pytest.raises(IllegalMove):
        protocol.persist(lost, fence=fence, payload=b"too late")
    assert books(world) == {(0, 15)}
    assert faults() == []


def test_sweeping_looks_at_the_moment_it_is_given(world: World) -> None:
    charge = reserved(world)
    protocol.commit(charge, lease=MINUTE)
    assert protocol.sweep(timezone.now() + 2 * MINUTE) == 1


def test_a_worker_burns_only_its_own_unanswered_charge(world: World) -> None:
    charge, answered = reserved(world, idem="a"), reserved(world, idem="b")
    assert not protocol.burn(charge, fence=0)
    fence = protocol.commit(charge, lease=MINUTE)
    assert not protocol.burn(charge, fence=fence + 1)
    assert protocol.burn(charge, fence=fence)
    assert not protocol.burn(charge, fence=fence)
    fence = protocol.commit(answered, lease=MINUTE)
    protocol.persist(answered, fence=fence, payload=b"x")
    assert not protocol.burn(answered, fence=fence)
    assert faults() == []


def test_the_same_key_returns_the_same_charge_and_reserves_once(world: World) -> None:
    first = reserved(world)
    assert reserved(world) == first
    assert books(world) == {(5, 0)}
    with pytest.raises(IllegalMove) as refused:
        reserved(world, amount=6)
    assert refused.value.code == "idem_reused"
    with pytest.raises(IllegalMove) as refused:
        reserved(world, amount=5, pure=1)
    assert refused.value.code == "idem_reused"


@pytest.mark.parametrize(
    "loss", [Loss(16, 0), Loss(1, 21), Loss(21, 0), Loss(1, 1, 21), Loss(0, 0, 21), Loss(16, 1, 1)]
)
def test_a_loss_that_does_not_fit_by_one_unit_reserves_nothing(world: World, loss: Loss) -> None:
    reserved(world, amount=5)
    with pytest.raises(BudgetExhausted):
        reserved(world, loss=loss, idem="b")
    assert books(world) == {(5, 0)}
    assert Charge.objects.count() == 1
    assert faults() == []


def test_a_loss_that_fits_exactly_is_reserved(world: World) -> None:
    reserved(world, amount=5)
    reserved(world, amount=15, delta=20, pure=20, idem="b")
    assert books(world) == {(20, 0)}
    assert faults() == []


def test_a_pure_loss_goes_the_same_way_and_touches_no_other_currency(world: World) -> None:
    spent, void = reserved(world, loss=Loss(0, 0, 7)), reserved(world, loss=Loss(0, 0, 3), idem="b")
    protocol.commit(spent, lease=MINUTE)
    protocol.void(void, reason="withdrawn")
    for row in Account.objects.filter(pk__in=world.accounts[0]):
        assert (row.reserved, row.spent) == (Loss.zero(), Loss(0, 0, 7))
    assert queries.charge(spent).loss == Loss(0, 0, 7)
    leaves = [json.loads(bytes(leaf.body)) for leaf in AuditEvent.objects.filter(subject=spent)]
    assert [leaf["details"]["pure"] for leaf in leaves] == [7, 7]
    assert faults() == []


def test_without_a_cap_on_pure_losses_none_is_reserved() -> None:
    world = worlds.build(20, pure=0)
    with pytest.raises(BudgetExhausted):
        reserved(world, loss=Loss(0, 0, 1))
    reserved(world, loss=Loss(20, 20))
    assert faults() == []


def test_the_topmost_account_binds_grants_of_different_datasets(world: World) -> None:
    reserved(world, amount=15)
    with pytest.raises(BudgetExhausted):
        reserved(world, amount=6, idem="b", which=1)
    assert [row.rho_reserved for row in Account.objects.filter(pk__in=world.accounts[1][1:])] == [0, 0, 0]


def test_every_refusal_has_the_same_text_whichever_cap_refused(world: World) -> None:
    reserved(world, amount=15)
    texts = set()
    for which, amount, pure in ((0, 6, 0), (1, 6, 0), (1, 21, 0), (0, 1, 21)):
        with pytest.raises(BudgetExhausted) as refused:
            reserved(world, amount=amount, pure=pure, idem=f"b{amount}{which}", which=which)
        texts.add((refused.value.code, refused.value.message))
    assert texts == {("budget_exhausted", protocol.EXHAUSTED)}


def test_a_charge_needs_a_loss_and_an_account(world: World) -> None:
    for changes in ({"loss": Loss.zero()}, {"accounts": []}):
        with pytest.raises(InvalidInput), transaction.atomic():
            reserve(world, "a", 1, **changes)


def test_reserving_outside_a_transaction_is_a_fault_of_the_caller(world: World) -> None:
    with pytest.raises(RuntimeError):
        reserve(world, "a", 1)


def test_persisting_inside_a_transaction_that_could_roll_back_is_refused(world: World) -> None:
    charge = reserved(world)
    fence = protocol.commit(charge, lease=MINUTE)
    with pytest.raises(RuntimeError), transaction.atomic():
        protocol.persist(charge, fence=fence, payload=b"x")


def test_each_transition_leaves_one_leaf_and_none_when_it_is_rolled_back(world: World) -> None:
    charge = reserved(world)
    protocol.persist(charge, fence=protocol.commit(charge, lease=MINUTE), payload=b"x")
    with pytest.raises(BudgetExhausted):
        reserved(world, amount=16, idem="b")
    leaves = AuditEvent.objects.filter(subject=charge).values_list("event", flat=True)
    assert list(leaves) == ["charge.reserved", "charge.committed", "answer.persisted"]
    assert AuditEvent.objects.filter(event="charge.reserved").count() == 1


def test_the_answers_hash_leaves_the_domain_only_under_its_key(world: World) -> None:
    charge = reserved(world)
    sha256 = protocol.persist(charge, fence=protocol.commit(charge, lease=MINUTE), payload=b"x")
    assert not AuditEvent.objects.filter(event="answer.persisted", body__contains=sha256.encode()).exists()


def test_a_repeat_finds_the_newest_answered_charge_with_its_key(world: World) -> None:
    assert queries.answered("repeat-a") == []
    charge = reserved(world)
    fence = protocol.commit(charge, lease=MINUTE)
    assert queries.answered("repeat-a") == []
    protocol.persist(charge, fence=fence, payload=b"x")
    assert queries.answered("repeat-a") == [charge]


PLANTED = {
    "I1": "UPDATE ledger_account SET rho_limit = 4",
    "I1 overspent": "UPDATE ledger_account SET pure_limit = 2",
    "I2": "UPDATE ledger_account SET rho_spent = rho_spent + 1",
    "I2 an account": "UPDATE ledger_account SET pure_spent = pure_spent + 1",
    "I2 an entry": "UPDATE ledger_charge SET pure = 2",
    "I3": "UPDATE ledger_charge SET state = 'BURNT'",
    "I4": "DELETE FROM ledger_entry WHERE kind = 'COMMIT'",
    "I5": "UPDATE ledger_charge SET state = 'VOID'",
    "I11": "UPDATE audit_auditevent SET subject = 'another'",
}


@pytest.mark.parametrize(("name", "planted"), PLANTED.items())
def test_the_outside_check_sees_each_planted_fault(world: World, name: str, planted: str) -> None:
    from django.db import connection

    from domains import triggers

    charge = reserved(world, pure=3)
    protocol.persist(charge, fence=protocol.commit(charge, lease=MINUTE), payload=b"x")
    assert faults() == []
    triggers.lift(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            for currency in ("rho", "pure"):
                cursor.execute(
                    f"ALTER TABLE ledger_account DROP CONSTRAINT account_{currency}_never_overspent"
                )
        cursor.execute(planted)
    try:
        assert any(fault.startswith(name) for fault in faults())
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
            else:
                cursor.execute("UPDATE ledger_account SET rho_limit = 20, pure_limit = 20")
                for currency in ("rho", "pure"):
                    cursor.execute(
                        f"ALTER TABLE ledger_account ADD CONSTRAINT account_{currency}_never_overspent "
                        f"CHECK ({currency}_limit >= {currency}_reserved + {currency}_spent)"
                    )


# --- Charges for everybody, which an owner's publication makes: the dataset's and its population's account alone ---


def test_a_charge_for_everybody_debits_the_dataset_and_its_population_alone(world: World) -> None:
    charge = reserved(world, for_everybody=True)
    top, dataset, grant, person = (Account.objects.get(pk=key) for key in world.accounts[0])
    assert [row.rho_reserved for row in (top, dataset, grant, person)] == [5, 5, 0, 0]
    assert (queries.charge(charge).grant, queries.charge(charge).person) == (None, None)
    leaf = json.loads(bytes(AuditEvent.objects.get(subject=charge).body))["details"]
    assert (leaf["grant"], leaf["person"]) == (None, None)
    assert leaf["accounts"] == sorted(world.accounts[0][:2])
    assert faults() == []


@pytest.mark.parametrize("accounts", [[0, 1, 2], [0, 1, 3], [0, 1, 2, 3]])
def test_it_cannot_take_from_a_grant_or_a_person(world: World, accounts: list[int]) -> None:
    keys = [world.accounts[0][place] for place in accounts]
    with pytest.raises(IntegrityError), transaction.atomic():
        reserve(world, "a", 5, accounts=keys, grant=None, person=None)
    assert books(world) == {(0, 0)}
    assert not Charge.objects.exists()


@pytest.mark.parametrize("place", [2, 3])
def test_a_grant_s_charge_cannot_take_from_another_grant_or_person(world: World, place: int) -> None:
    keys = [*world.accounts[0][:place], world.accounts[1][place]]
    with pytest.raises(IntegrityError), transaction.atomic():
        reserve(world, "a", 5, accounts=keys)
    assert not Charge.objects.exists()


def test_the_rule_that_keeps_them_apart_is_what_refuses(world: World) -> None:
    """The control: without the trigger on entries the same charge goes through, and the invariants say so."""
    triggers.lift(connection, {"ledger_entry"})
    try:
        reserved(world, accounts=world.accounts[0], grant=None, person=None)
        found = faults()
    finally:
        triggers.lift(connection, {"ledger_entry"})
        triggers.install(connection)
    assert [fault for fault in found if "another's account" in fault]
    assert [fault for fault in found if "not all of its accounts" in fault]


def test_the_same_key_for_other_accounts_is_refused(world: World) -> None:
    charge = reserved(world, for_everybody=True)
    assert reserved(world, for_everybody=True) == charge
    for changes in ({"which": 1, "for_everybody": True}, {}):
        with pytest.raises(IllegalMove) as refused:
            reserved(world, **changes)
        assert refused.value.code == "idem_reused"


def test_both_kinds_of_charge_meet_the_same_cap(world: World) -> None:
    reserved(world, 15, for_everybody=True)
    with pytest.raises(BudgetExhausted):
        reserved(world, 6, "b")
    reserved(world, 5, "b")
    with pytest.raises(BudgetExhausted):
        reserved(world, 1, "c", for_everybody=True, which=1)
    assert faults() == []
