"""A cut below what is reserved ends the newest reservations, and never what is committed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given as over
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from domains.errors import BudgetExhausted, IllegalMove, NotAllowed, NotFound
from domains.jobs.models import Job
from domains.ledger import limits, policy, protocol, queries
from domains.ledger.models import Account, Charge, LimitChange, Scope
from domains.notices.models import Notice
from domains.requests import cuts, decisions
from domains.requests.lifecycle import Status
from privacy.loss import Loss
from tests import make
from tests.domains.ledger.world import faults

TENTH = Decimal("0.1")


def account(grant) -> Account:
    return Account.objects.get(scope=Scope.GRANT, grant=grant)


def approved(grant, *epsilons: str):
    return [make.request(Status.APPROVED, on=grant, epsilon=epsilon) for epsilon in epsilons]


def cut_to(loss: Loss, row: Account) -> Decimal:
    """Return an ε that holds `loss` and hardly more."""
    delta = row.counted_in.conversion_delta
    return Decimal(str(round(queries._epsilon(loss, delta) + 1e-5, 6)))


def test_a_cut_ends_the_newest_reservations_and_no_more_than_it_needs(node, cast, grant):
    first, second, third = approved(grant, "0.3", "0.2", "0.2")
    row = account(grant)
    keep = Charge.objects.get(pk=first.run.charge_key).loss
    ended = cuts.cut(row.pk, epsilon=cut_to(keep, row), reason="Less for all.", by=cast["ada"])
    assert {analysis.pk for analysis in ended} == {second.pk, third.pk}
    for analysis, status in ((first, "approved"), (second, "in_review"), (third, "in_review")):
        charge = analysis.run.charge_key
        analysis.refresh_from_db()
        assert analysis.status == status
        assert (analysis.status_code == "budget_cut") == (status == "in_review")
        assert Charge.objects.get(pk=charge).state == ("RESERVED" if status == "approved" else "VOID")
    assert set(Job.objects.filter(charge__state="VOID").values_list("status", "status_code")) == {
        ("cancelled", "budget_cut")
    }
    row.refresh_from_db()
    assert row.reserved == keep
    assert row.limit_version == 1
    assert faults() == []
    told = Notice.objects.filter(event="request.cut_back")
    assert set(told.values_list("recipient__name", flat=True)) == {"Sam Scientist", "Alice Owner"}
    assert Notice.objects.filter(event="limit.changed", recipient=cast["sam"]).exists()


def test_what_lost_its_reservation_is_decided_anew_and_can_pass_again(node, cast, grant):
    (analysis,) = approved(grant, "0.5")
    cuts.cut(account(grant).pk, epsilon=TENTH, reason="Less.", by=cast["ada"])
    analysis.refresh_from_db()
    with pytest.raises(BudgetExhausted):
        decisions.review(analysis, revision=1, vote="approve", reason="", by=cast["alice"])


def test_a_cut_that_leaves_room_touches_no_request(node, cast, grant):
    (analysis,) = approved(grant, "0.1")
    assert cuts.cut(account(grant).pk, epsilon=Decimal("0.5"), reason="Less.", by=cast["ada"]) == []
    analysis.refresh_from_db()
    assert analysis.status == Status.APPROVED


def test_what_is_committed_is_never_cut(node, cast, grant):
    done, waiting = approved(grant, "0.3", "0.2")
    assert protocol.commit(done.run.charge_key, lease=timedelta(minutes=1)) is not None
    with pytest.raises(IllegalMove) as refused:
        cuts.cut(account(grant).pk, epsilon=TENTH, reason="Less.", by=cast["ada"])
    assert refused.value.code == "below_spent"
    waiting.refresh_from_db()
    assert waiting.status == Status.APPROVED, "a refused cut changes nothing"
    assert not LimitChange.objects.exists()


def test_a_run_that_has_opened_the_data_meanwhile_refuses_the_cut_whole(node, cast, grant):
    older, newer = approved(grant, "0.3", "0.2")
    Job.objects.filter(pk=newer.run.pk).update(status="running")
    Job.objects.filter(pk=newer.run.pk).update(status="data_open")
    with pytest.raises(IllegalMove) as refused:
        cuts.cut(account(grant).pk, epsilon=TENTH, reason="Less.", by=cast["ada"])
    assert refused.value.code == "stale"
    older.refresh_from_db()
    assert older.status == Status.APPROVED
    assert faults() == []


def test_a_reservation_made_while_a_cut_decides_refuses_it(node, cast, grant, monkeypatch):
    """The race, played slowly: what was chosen no longer suffices once the account is held."""
    approved(grant, "0.3", "0.2")
    monkeypatch.setattr(cuts, "to_give_back", lambda held, limit, rows: [rows[0][0]])
    with pytest.raises(IllegalMove) as refused:
        cuts.cut(account(grant).pk, epsilon=TENTH, reason="Less.", by=cast["ada"])
    assert refused.value.code == "below_spent"
    assert Charge.objects.filter(state="RESERVED").count() == 2
    assert faults() == []


@pytest.mark.parametrize("name", ["sam", "rita", "theo", "charlie", "alice"])
def test_only_administrators_cut_a_grant(node, cast, grant, name):
    with pytest.raises((NotAllowed, NotFound)):
        cuts.cut(account(grant).pk, epsilon=TENTH, reason="Less.", by=cast[name])


def test_a_cut_raises_nothing_and_says_why(node, cast, grant):
    row = account(grant)
    with pytest.raises(IllegalMove) as refused:
        cuts.cut(row.pk, epsilon=Decimal(2), reason="More.", by=cast["ada"])
    assert refused.value.code == "two_people"
    with pytest.raises(NotFound):
        cuts.cut("none", epsilon=TENTH, reason="Less.", by=cast["ada"])


def test_owners_cut_a_datasets_cap_and_administrators_a_persons(node, cast, grant):
    (analysis,) = approved(grant, "0.5")
    cap = Account.objects.get(scope=Scope.DATASET)
    with pytest.raises(NotAllowed):
        cuts.cut(cap.pk, epsilon=TENTH, reason="Less.", by=cast["ada"])
    own = Account.objects.get(scope=Scope.PERSON)
    assert cuts.cut(own.pk, epsilon=Decimal("0.8"), reason="Share.", by=cast["ada"]) == []
    assert Notice.objects.filter(event="limit.changed", recipient=cast["sam"]).exists()
    ended = cuts.cut(cap.pk, epsilon=Decimal("0.2"), reason="Less for all.", by=cast["alice"])
    assert [each.pk for each in ended] == [analysis.pk]
    assert faults() == []


LOSSES = st.builds(Loss, st.integers(0, 50), st.integers(0, 5), st.integers(0, 50))


@over(st.lists(LOSSES, max_size=8), LOSSES, LOSSES)
@hypothesis(max_examples=150, deadline=None)
def test_what_is_given_back_suffices_is_needed_and_is_the_newest(reserved, spent, limit):
    rows = [(str(at), loss) for at, loss in enumerate(reserved)]
    held = sum(reserved, spent)
    chosen = policy.to_give_back(held, limit, rows)
    left = [loss for key, loss in rows if key not in chosen]
    if spent.fits(limit):
        assert sum(left, spent).fits(limit)
    if held.fits(limit):
        assert chosen == []
    if chosen:  # the last one chosen was needed: with it, what is left does not fit
        kept = [loss for key, loss in rows if key not in chosen[:-1]]
        assert not sum(kept, spent).fits(limit)
        passed = [loss for key, loss in rows if key not in chosen and int(key) < int(chosen[-1])]
        over_by = [c for c in ("rho", "delta", "pure") if getattr(held, c) > getattr(limit, c)]
        assert all(any(getattr(loss, c) == 0 for c in over_by) for loss in passed)


def test_a_limit_is_never_applied_below_what_is_held_whoever_forgets_to_ask(node, cast, grant):
    """The planted fault: a cut that gives nothing back is stopped by the conditional update, and by the constraint."""
    approved(grant, "0.3")
    row = account(grant)
    with pytest.raises(IllegalMove):
        limits.apply(row, Loss.zero(), reason="Less.", by=cast["ada"], confirmed_by=None)
    LimitChange.objects.create(
        account=row, number=1, reason="Less.", changed_by=cast["ada"],
        **{f"{c}_before": n for c, n in row.limit.to_dict().items()}, rho_after=0, delta_after=0, pure_after=0,
    )  # fmt: skip
    with pytest.raises(DatabaseError), transaction.atomic():
        Account.objects.filter(pk=row.pk).update(rho_limit=0, delta_limit=0, limit_version=1)
