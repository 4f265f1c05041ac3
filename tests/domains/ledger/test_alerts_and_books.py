"""Alerts are told once for each share of each limit; the books are checked; forecasts are straight lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from domains import triggers
from domains.errors import NotAllowed, NotFound
from domains.ledger import alerts, books, lines, protocol, topups, usage
from domains.ledger.actions import allocate
from domains.ledger.models import Account, BudgetAlert, Scope
from domains.ledger.policy import WINDOWS, crossed, forecast
from domains.notices.models import Notice
from privacy.loss import Loss
from privacy.risk import guess_after
from tests.domains.ledger.test_limits import ONE, TWO, Scene

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    allocate(made.grant, epsilon=ONE, by=made.ada)
    return made


def use(scene: Scene, percent: int, idem: str) -> str:
    """Reserve so many per cent of the grant's present limit."""
    return scene.spend(Loss(scene.of(Scope.GRANT).limit.rho * percent // 100 + 1, 0), idem)


def told() -> list[tuple[str, str]]:
    rows = Notice.objects.filter(event="budget.alerted", text__contains="Costs × SUPPORT2")
    return sorted(rows.values_list("recipient__name", "text"))


def test_people_are_told_once_when_a_share_is_passed(scene: Scene) -> None:
    use(scene, 49, "a")
    assert alerts.sweep() == 0
    use(scene, 2, "b")
    assert alerts.sweep() == 1
    assert [name for name, _ in told()] == ["Ada", "Bea", "Sam"]
    assert told()[0][1].startswith("50 % of the budget of Costs")
    assert alerts.sweep() == 0
    use(scene, 46, "c")
    alerts.sweep()
    of_grant = BudgetAlert.objects.filter(account__scope=Scope.GRANT)
    assert set(of_grant.values_list("threshold", flat=True)) == {50, 80, 95}
    assert [text[:4] for _, text in told()].count("95 %") == 3
    assert not any(text.startswith("80 %") for _, text in told()), (
        "of shares passed at once, the highest is told"
    )


def test_a_new_limit_begins_anew(scene: Scene) -> None:
    use(scene, 60, "a")
    assert alerts.sweep() == 1
    made = topups.propose_unasked(scene.grant, epsilon=TWO, reason="More.", by=scene.ada)
    topups.confirm(made, by=scene.bea)
    alerts.sweep()
    assert len(told()) == 3
    use(scene, 50, "b")
    alerts.sweep()
    assert len(told()) == 6


def test_each_cap_tells_its_own_people(scene: Scene) -> None:
    share = scene.cap.limit.rho * 52 // 100
    made = topups.propose_unasked(scene.grant, epsilon=TWO, reason="More.", by=scene.ada)
    topups.confirm(made, by=scene.bea)
    scene.spend(Loss(share, 0))
    assert alerts.sweep() == 3
    by_label = {
        label: set(
            Notice.objects.filter(
                event="budget.alerted", text__endswith=f"{label} is used or reserved."
            ).values_list("recipient__name", flat=True)
        )
        for label in ("of SUPPORT2", "Sam on SUPPORT2")
    }
    assert by_label == {"of SUPPORT2": {"Ada", "Bea", "Alice"}, "Sam on SUPPORT2": {"Sam"}}


def test_the_sweep_and_the_pure_rule_agree(scene: Scene) -> None:
    use(scene, 81, "a")
    for key in alerts._due():
        row = Account.objects.get(pk=key)
        assert crossed(row.reserved + row.spent, row.limit) >= 50
    assert crossed(Loss(0, 0), Loss(0, 0)) == 0
    assert [crossed(Loss(n, 0), Loss(100, 5)) for n in (49, 50, 80, 94, 95)] == [0, 50, 80, 80, 95]


# --- The books ---------------------------------------------------------------------------------------------------


def test_sound_books_are_said_to_be_and_the_result_stays(scene: Scene) -> None:
    charge = use(scene, 10, "a")
    use(scene, 10, "b")
    protocol.void(use(scene, 5, "c"), reason="test")
    protocol.commit(charge, lease=timedelta(minutes=1))
    assert books.last(scene.theo) is None
    found = books.check(by=scene.ada)
    assert (found.is_sound, found.charges, found.entries) == (True, 3, 20)
    at, last = books.last(scene.theo) or pytest.fail("nothing was kept")
    assert last == found == books.look(scene.theo)
    assert at is not None
    for name in ("sam", "alice", "rita", "charlie"):
        with pytest.raises((NotAllowed, NotFound)):
            books.look(getattr(scene, name))
    with pytest.raises(NotAllowed):
        books.check(by=scene.theo)


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("UPDATE ledger_account SET rho_spent = rho_spent - 1 WHERE scope = 'grant'", "account"),
        ("UPDATE ledger_account SET pure_reserved = 1, pure_limit = 5 WHERE scope = 'grant'", "account"),
        ("DELETE FROM ledger_entry WHERE kind = 'COMMIT' AND rho > 0", "charge"),
        ("UPDATE ledger_charge SET state = 'VOID'", "charge"),
    ],
)
def test_a_planted_fault_in_the_books_is_found(scene: Scene, fault: str, what: str) -> None:
    protocol.commit(use(scene, 10, "a"), lease=timedelta(minutes=1))
    with transaction.atomic():
        triggers.lift(connection)
        with connection.cursor() as cursor:
            cursor.execute(fault)
        found = books.look(scene.ada).differences
        transaction.set_rollback(True)
    assert any(line.startswith(what) for line in found)
    assert books.look(scene.ada).is_sound


# --- Course, shares and outlook ----------------------------------------------------------------------------------


def test_shares_add_up_to_the_account_and_the_course_ends_where_it_stands(scene: Scene) -> None:
    protocol.commit(use(scene, 10, "a"), lease=timedelta(minutes=1))
    use(scene, 5, "b")
    protocol.void(use(scene, 5, "c"), reason="test")
    row = scene.of(Scope.DATASET)
    for shares in (usage.by_project(row.pk), usage.by_person(row.pk)):
        assert sum((share.spent for share in shares), Loss.zero()) == row.spent
        assert sum((share.reserved for share in shares), Loss.zero()) == row.reserved
    course = usage.course(row.pk)
    assert (course[0].spent, course[-1].spent, course[-1].limit) == (Loss.zero(), row.spent, row.limit)
    assert usage.outlook(row.pk).days == WINDOWS[0]
    assert usage.outlook(scene.top.pk, NOW + timedelta(days=3650)) is None


def test_the_course_shows_what_the_limit_was(scene: Scene) -> None:
    before = scene.of(Scope.GRANT).limit
    use(scene, 10, "a")
    made = topups.propose_unasked(scene.grant, epsilon=TWO, reason="More.", by=scene.ada)
    topups.confirm(made, by=scene.bea)
    use(scene, 10, "b")
    row = scene.of(Scope.GRANT)
    course = usage.course(row.pk)
    assert [point.limit for point in course] == [before, row.limit, row.limit, row.limit]
    assert [point.at for point in course] == sorted(point.at for point in course)
    assert lines.changes(scene.sam, account=row.pk).get().number == 1


def test_many_days_are_thinned_and_the_last_is_kept() -> None:
    keys = list(range(1000))
    kept = usage._thinned(keys)
    assert len(kept) <= usage.MOST_POINTS
    assert kept[0] == 999
    assert usage._thinned([]) == []


NOTHING = dict.fromkeys(WINDOWS, Loss.zero())
YEAR_AGO = NOW - timedelta(days=365)


def test_a_forecast_is_a_straight_line_through_the_last_days() -> None:
    spent = {30: Loss(30, 0, 3), 90: Loss(30, 0, 3)}
    found = forecast(Loss(60, 0, 60), spent, opened=YEAR_AGO, now=NOW)
    assert (found.days, found.at) == (30, NOW + timedelta(days=60))  # ρ ends first
    found = forecast(Loss(60, 0, 1), spent, opened=YEAR_AGO, now=NOW)
    assert found.at == NOW + timedelta(days=10)  # pure ε does
    found = forecast(Loss(60, 0), {**NOTHING, 90: Loss(90, 0)}, opened=YEAR_AGO, now=NOW)
    assert (found.days, found.at) == (90, NOW + timedelta(days=60))
    young = forecast(Loss(60, 0), {30: Loss(30, 0), 90: Loss(30, 0)}, opened=NOW - timedelta(days=3), now=NOW)
    assert young.at == NOW + timedelta(days=6)


def test_where_there_is_nothing_to_go_by_there_is_no_forecast() -> None:
    assert forecast(Loss(60, 0), NOTHING, opened=YEAR_AGO, now=NOW) is None
    far = forecast(Loss(10**9, 0), {30: Loss(1, 0), 90: Loss(1, 0)}, opened=YEAR_AGO, now=NOW)
    assert (far.at, far.is_full) == (None, False)
    full = forecast(Loss(0, 0), {30: Loss(1, 0), 90: Loss(1, 0)}, opened=YEAR_AGO, now=NOW)
    assert full.is_full


def test_the_risk_is_between_a_toss_up_and_certainty() -> None:
    assert guess_after(0, 0) == 0.5
    assert guess_after(1, 0) == pytest.approx(0.7310586)
    assert guess_after(1, 0.1) > guess_after(1, 0)
    assert guess_after(1000, 0) == guess_after(10, 1) == 1
    assert Decimal(guess_after(5, 0)) < 1
