"""The ledger against a model of itself, through random sequences of steps (I1–I6, I8–I11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from domains.base import new_id
from domains.errors import BudgetExhausted, IllegalMove
from domains.ledger import protocol, queries
from domains.ledger.models import Account
from privacy.loss import Loss
from tests.domains.ledger import world as worlds

LIMIT = 20
OVER, AHEAD = timedelta(seconds=-1), timedelta(hours=1)


class Ledger(RuleBasedStateMachine):
    """Two grants on two datasets of one population; every cap holds 20 of each currency."""

    keys = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        self.world = worlds.build(LIMIT)
        self.tag = new_id()
        self.model: dict[str, dict[str, Any]] = {}

    def used(self, which: int, currency: int) -> tuple[int, int, int]:
        """Return what the model says is taken in the population, in this dataset, and under this grant alone."""
        live = [c for c in self.model.values() if c["state"] != "VOID"]
        own = [c for c in live if c["which"] == which]
        granted = [c for c in own if not c["everybody"]]
        population, dataset, grant = (sum(c["loss"][currency] for c in rows) for rows in (live, own, granted))
        return population, dataset, grant

    @rule(
        target=keys,
        key=st.integers(0, 7),
        which=st.integers(0, 1),
        loss=st.tuples(*[st.integers(0, 9)] * 3).filter(any),
        everybody=st.booleans(),
    )
    def reserve(self, key: int, which: int, loss: tuple[int, int, int], everybody: bool) -> str:
        idem = f"{self.tag}-{key}"
        known = self.model.get(idem)
        fits = all(
            used + amount <= LIMIT
            for currency, amount in enumerate(loss)
            for used in self.used(which, currency)
        )
        try:
            with transaction.atomic():
                made = worlds.reserve(
                    self.world, idem, 0, which=which, loss=Loss(*loss), for_everybody=everybody
                )
        except BudgetExhausted:
            assert known is None
            assert not fits, "I10: refused although it fits"
        except IllegalMove:
            assert known is not None
            assert (known["which"], known["loss"], known["everybody"]) != (which, loss, everybody)
        else:
            if known is None:
                assert fits, "I10: reserved although it does not fit"
                self.model[idem] = {
                    "id": made, "which": which, "loss": loss, "state": "RESERVED", "answer": None, "draws": 0,
                    "leaves": 1, "is_over": False, "everybody": everybody,
                }  # fmt: skip
            assert made == self.model[idem]["id"]
        return idem

    @rule(key=keys)
    def void(self, key: str) -> None:
        if charge := self.model.get(key):
            done = protocol.void(charge["id"], reason="test")
            assert done == (charge["state"] == "RESERVED")
            self.moved(charge, "VOID", done)

    @rule(key=keys, is_over=st.booleans())
    def commit(self, key: str, is_over: bool) -> None:
        if charge := self.model.get(key):
            fence = protocol.commit(charge["id"], lease=OVER if is_over else AHEAD)
            assert (fence is not None) == (charge["state"] == "RESERVED")
            self.moved(charge, "COMMITTED", fence is not None)
            if fence is not None:
                charge["draws"] += 1
                charge["is_over"] = is_over

    @rule(key=keys, fence=st.integers(0, 2), payload=st.binary(max_size=8))
    def persist(self, key: str, fence: int, payload: bytes) -> None:
        if charge := self.model.get(key):
            should = charge["state"] == "COMMITTED" and charge["answer"] is None and fence == 1
            try:
                protocol.persist(charge["id"], fence=fence, payload=payload)
            except IllegalMove:
                assert not should
            else:
                assert should
                charge["answer"] = payload
                charge["leaves"] += 1

    @rule(key=keys, fence=st.integers(0, 2))
    def burn(self, key: str, fence: int) -> None:
        if charge := self.model.get(key):
            done = protocol.burn(charge["id"], fence)
            assert done == (charge["state"] == "COMMITTED" and charge["answer"] is None and fence == 1)
            self.moved(charge, "BURNT", done)

    @rule()
    def sweep(self) -> None:
        due = [c for c in self.model.values() if self.is_unanswered(c) and c["is_over"]]
        assert protocol.sweep() == len(due)
        for charge in due:
            self.moved(charge, "BURNT", True)

    @rule()
    def reconnect(self) -> None:
        connection.close()

    @staticmethod
    def is_unanswered(charge: dict[str, Any]) -> bool:
        return charge["state"] == "COMMITTED" and charge["answer"] is None

    @staticmethod
    def moved(charge: dict[str, Any], state: str, done: bool) -> None:
        if done:
            charge["state"] = state
            charge["leaves"] += 1

    @invariant()
    def books_are_the_models(self) -> None:
        for charge in getattr(self, "model", {}).values():
            assert queries.charge(charge["id"]).state == charge["state"]
            assert queries.answer(charge["id"]) == charge["answer"], "I8"
            assert charge["draws"] <= 1, "I9"
        for which, accounts in enumerate(self.world.accounts if hasattr(self, "world") else ()):
            for row in Account.objects.filter(pk__in=accounts):
                place = {"population": 0, "dataset": 1}.get(row.scope, 2)
                expected = Loss(*(self.used(which, currency)[place] for currency in range(3)))
                assert row.reserved + row.spent == expected

    def teardown(self) -> None:
        if hasattr(self, "world"):
            assert worlds.faults() == []
            for charge in self.model.values():
                if self.is_unanswered(charge):
                    protocol.burn(charge["id"], 1)  # so that the next example's sweep counts only its own


def run_machine(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_ledger_does_what_its_model_does() -> None:
    run_machine(12, 25)


@pytest.mark.prove
@pytest.mark.parametrize("part", [1, 2])  # other sequences each, and each run: no seed is fixed
@pytest.mark.django_db(transaction=True)
def test_the_ledger_does_what_its_model_does_at_length(part: int) -> None:
    run_machine(60, 50)


@pytest.mark.django_db(transaction=True)
def test_the_model_notices_a_ledger_that_forgets_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: reservations that debit one account too few."""
    honest = protocol.reserve

    def forgetful(**values: Any) -> str:
        return honest(**values | {"accounts": values["accounts"][1:]})

    monkeypatch.setattr(protocol, "reserve", forgetful)
    machine = Ledger()
    machine.begin()
    machine.reserve(key=0, which=0, loss=(3, 3, 3), everybody=False)
    with pytest.raises(AssertionError):
        machine.books_are_the_models()


@pytest.mark.parametrize("currency", ["rho", "delta", "pure"])
@pytest.mark.django_db(transaction=True)
def test_the_model_notices_a_ledger_that_overlooks_a_currency(
    monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    """The planted fault: a charge of at most one unit of one currency, whose cap then holds nobody."""
    honest = protocol.reserve

    def blind(**values: Any) -> str:
        amounts = values["loss"].to_dict()
        return honest(**values | {"loss": Loss(**amounts | {currency: min(amounts[currency], 1)})})

    monkeypatch.setattr(protocol, "reserve", blind)
    machine = Ledger()
    machine.begin()
    machine.reserve(key=0, which=0, loss=(3, 3, 3), everybody=False)
    with pytest.raises(AssertionError):
        machine.books_are_the_models()
