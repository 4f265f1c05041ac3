"""In which currency a question is paid: ρ unless it says otherwise, pure ε only where somebody opened a budget of it.

Prices in pure ε are planted here: what is under test is the money and what approval binds, not the noise.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from domains.catalog.policy import parse as parse_policy
from domains.catalog.templates import limits
from domains.errors import BudgetExhausted, InvalidInput
from domains.ledger import queries as books
from domains.requests import accounting as rooms
from domains.requests import actions, targets
from domains.requests.accounting import Accounting, offer
from domains.requests.estimates import estimate
from domains.requests.lifecycle import Status
from domains.requests.policy import Allow, Earlier, Facts, Policy, Refer, Refuse, assess
from domains.requests.targets import least_epsilon
from privacy.errors import QueryRejected
from privacy.loss import Loss
from privacy.query.price import price
from tests import make

pytestmark = pytest.mark.django_db
TENTH = 10**11  # ε = 0.1 in ledger units
WORKLOAD = '{"marginals": [["sex"]]}'


@pytest.fixture
def laplace(monkeypatch):
    """Price whatever is offered in pure ε, and prefer it, as for an answer of few figures."""

    def best(plan, table, *, rho=0, delta=0, pure=0, **size):
        if not pure:
            return price(plan, table, rho=rho, delta=delta, **size)
        return dataclasses.replace(price(plan, table, rho=10**10, delta=delta, **size), loss=Loss(0, 0, pure))

    monkeypatch.setattr(rooms, "best", best)


@pytest.fixture
def grant():
    return make.grant(pure="0.5")


def asked(grant, kind, epsilon="0.1"):
    return estimate(grant, sql=make.QUESTION, epsilon=epsilon, accounting=kind, by=make.person("sam"))


def checked(grant, kind, epsilon="0.1"):
    sam = make.person("sam")
    analysis = actions.draft(grant, title="Q", sql=make.QUESTION, epsilon=epsilon, accounting=kind, by=sam)
    assert actions.check(analysis, by=sam) == []
    return analysis


def test_who_says_nothing_pays_in_rho_and_nothing_of_pure_epsilon(grant):
    revision = make.request(Status.READY, on=grant).current
    assert (revision.accounting, revision.pure) == ("zcdp", 0)
    assert revision.rho > 0
    assert revision.analysis.draft_accounting == "zcdp"


def test_a_pure_question_reserves_its_epsilon_under_every_account(grant, laplace):
    analysis = checked(grant, "pure")
    assert analysis.current.loss == Loss(0, 0, TENTH)
    effects = books.effect(grant, analysis.author, analysis.current.loss)
    for effect in effects:
        assert effect.epsilon_after - effect.epsilon_before == pytest.approx(0.1)
    actions.submit(analysis, revision=1, by=analysis.author)
    from domains.requests.decisions import review

    review(analysis, revision=1, vote="approve", reason="", by=make.person("alice"))
    held = books.balances(grant, analysis.author)
    assert [balance.reserved for balance in held] == [Loss(0, 0, TENTH)] * 4


def test_a_pure_question_without_a_budget_of_it_is_over_every_cap(laplace):
    grant = make.grant()
    found = asked(grant, "pure")
    assert not found.fits
    assert found.similar_left == 0
    analysis = checked(grant, "pure")
    with pytest.raises(BudgetExhausted):
        actions.submit(analysis, revision=1, by=analysis.author)


def test_similar_questions_left_are_the_least_over_accounts_and_currencies(grant, laplace):
    chain = books.balances(grant, make.person("sam"))
    assert books.similar_left(chain, Loss(0, 0, TENTH)) == asked(grant, "pure").similar_left == 5
    rho = min(balance.left.rho for balance in chain)
    assert books.similar_left(chain, Loss(rho // 3, 0, TENTH)) == 3
    assert books.similar_left(chain, Loss(rho // 9, 0, TENTH)) == 5


def test_the_approved_hash_and_the_repeat_key_bind_the_currency(grant, laplace):
    rho, pure = (asked(grant, kind).specification for kind in ("zcdp", "pure"))
    assert rho.sha256() != pure.sha256()
    assert rho.repeat_key() != pure.repeat_key()
    same = dataclasses.replace(pure, pricing=dataclasses.replace(pure.pricing, loss=rho.loss))
    assert same.repeat_key() == rho.repeat_key()


@pytest.mark.parametrize(("pure", "comes_to"), [("0", "zcdp"), ("0.09", "zcdp"), ("0.1", "pure")])
def test_auto_is_pure_only_where_every_account_can_pay_it(laplace, pure, comes_to):
    grant = make.grant(pure=pure)
    assert asked(grant, "auto").specification.accounting == comes_to


def test_what_auto_came_to_is_what_runs_though_the_budget_changed_since(grant, laplace):
    first, second = checked(grant, "auto", "0.3"), checked(grant, "auto", "0.299999")
    assert (first.current.accounting, second.current.accounting) == ("pure", "pure")
    actions.submit(first, revision=1, by=first.author)
    from domains.requests.decisions import review

    review(first, revision=1, vote="approve", reason="", by=make.person("alice"))
    assert actions.respecify(second.current).accounting == "pure"  # though it does not fit any more
    with pytest.raises(BudgetExhausted):
        actions.submit(second, revision=1, by=second.author)
    assert asked(grant, "auto", "0.299999").specification.accounting == "zcdp"


def test_auto_offers_both_where_both_fit_and_rho_where_none_does():
    grant = make.grant(pure="0.5")
    chain = books.balances(grant, make.person("sam"))
    people = grant.dataset.population
    both = offer(Decimal("0.1"), Accounting.AUTO, people, chain)
    assert both.rho > 0 < both.pure
    for epsilon, currency in (("0.9", "rho"), ("9", "rho")):
        offered = offer(Decimal(epsilon), Accounting.AUTO, people, chain)
        assert (offered.rho > 0, offered.pure > 0) == (currency == "rho", currency == "pure")
    assert offer(Decimal("0.1"), Accounting.AUTO, people, []).pure == 0


def test_a_workload_is_paid_in_rho(grant):
    with pytest.raises(InvalidInput) as refused:
        estimate(grant, sql=WORKLOAD, epsilon="0.1", accounting="pure", by=make.person("sam"))
    assert refused.value.code == "accounting_invalid"
    found = estimate(grant, sql=WORKLOAD, epsilon="0.1", accounting="auto", by=make.person("sam"))
    assert found.specification.accounting == "zcdp"


def test_an_accounting_of_ones_own_is_refused(grant):
    with pytest.raises(InvalidInput) as refused:
        actions.draft(grant, title="Q", sql="", epsilon="", accounting="free", by=make.person("sam"))
    assert refused.value.code == "accounting_invalid"


def test_editing_keeps_the_accounting_unless_it_is_named(grant):
    sam = make.person("sam")
    analysis = actions.draft(grant, title="Q", sql="", epsilon="", accounting="auto", by=sam)
    actions.edit(analysis, title="R", sql="", epsilon="", by=sam)
    assert analysis.draft_accounting == "auto"
    actions.edit(analysis, title="R", sql="", epsilon="", accounting="zcdp", by=sam)
    analysis.refresh_from_db()
    assert analysis.draft_accounting == "zcdp"


RULES = parse_policy(
    {
        "format": 1,
        "rules": [
            {"then": "refuse", "when": [{"is": "loss", "test": "over", "rho": 10**11}]},
            {"then": "allow", "when": limits(10**10, 2 * 10**10)},
        ],
    }
)


@pytest.mark.parametrize(
    ("pure", "used", "kind"),
    [
        (141_421_356_237, 0, Allow),  # ε²/2 = 0.00999…: just within ρ = 0.01
        (141_421_356_238, 0, Refer),
        (141_421_356_237, 10**10 + 1, Refer),
        (447_213_595_499, 0, Refer),  # just within ρ = 0.1
        (447_213_595_500, 0, Refuse),
    ],
)
def test_rules_compare_a_pure_epsilon_as_the_rho_that_it_implies(pure, used, kind):
    loss, before = Loss(0, 0, pure), (Earlier(60, used, is_of_grant=True, is_of_person=True),)
    none = frozenset()
    asked = Facts(
        "query", none, none, none, none, loss, True, weekday=0, minute=0, version_days=0, earlier=before
    )
    verdict = assess(asked, Policy("01P", 3, RULES, RULES.sha256(), 5e-7))
    assert type(verdict) is kind
    shown = verdict.findings[0]
    assert shown.rule == "comparable_rho"
    assert f"pure ε of {pure / 10**12:.6g}" in shown.text


def test_the_database_refuses_a_revision_whose_currency_is_not_its_loss(grant):
    revision = make.request(Status.READY, on=grant).current
    columns = [field.column for field in revision._meta.local_concrete_fields]
    for changes in ({"accounting": "'pure'"}, {"pure": "1"}, {"accounting": "'auto'"}):
        values = {name: f'"{name}"' for name in columns} | {"id": "'z'", "number": "99"} | changes
        names = ", ".join(f'"{name}"' for name in columns)
        copy = f"INSERT INTO requests_revision ({names}) SELECT {', '.join(values.values())} FROM requests_revision"
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(copy)


COUNT, COUNTS = (
    "SELECT COUNT(*) AS n FROM support2",
    "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM support2 GROUP BY sex",
)


def least(grant, kind, sql=COUNT, error="60"):
    return least_epsilon(grant, sql=sql, error=error, figure="n", accounting=kind, by=make.person("sam"))


def test_the_least_epsilon_reaches_the_error_in_the_currency_that_is_named(grant):
    for kind in ("zcdp", "pure"):
        found = least(grant, kind)
        assert found.accounting == kind
        priced = [
            estimate(grant, sql=COUNT, epsilon=str(each), accounting=kind, by=make.person("sam"))
            for each in (found.epsilon, found.epsilon - Decimal("0.001"))
        ]
        assert [each.specification.loss.pure > 0 for each in priced] == [kind == "pure"] * 2
        reached, missed = (each.specification.pricing.outputs[0].plus_minus_95 for each in priced)
        assert reached <= 60 < missed


def test_auto_finds_the_cheaper_currency_that_the_grant_can_pay(grant):
    in_rho, in_pure = (least(grant, kind) for kind in ("zcdp", "pure"))
    assert in_pure.epsilon < in_rho.epsilon, "one count is cheaper with Laplace noise"
    assert least(grant, "auto") == in_pure
    wide = [least(grant, kind, COUNTS, "40") for kind in ("zcdp", "pure")]
    assert least(grant, "auto", COUNTS, "40") == min(wide, key=lambda offer: offer.epsilon)


@pytest.mark.parametrize("pure", ["0", "0.01"])
def test_auto_finds_no_offer_that_the_grant_cannot_pay(pure):
    grant = make.grant(pure=pure)
    assert least(grant, "pure").epsilon > Decimal(pure)
    assert least(grant, "auto") == least(grant, "zcdp")


def test_auto_leaves_out_a_currency_that_the_question_cannot_be_paid_in(grant, monkeypatch):
    unknown = "SELECT dzgroup, COUNT(*) AS n FROM support2 GROUP BY dzgroup"
    monkeypatch.setattr(targets, "least_offer", _refusing_pure(targets.least_offer))
    assert least(grant, "auto", unknown).accounting == "zcdp"
    with pytest.raises(QueryRejected) as caught:
        least(grant, "auto", unknown, "0.01")
    assert caught.value.code == "target_unreachable"
    with pytest.raises(InvalidInput) as dear:
        least(grant, "auto", COUNT, "1")
    assert dear.value.code == "target_too_dear"


def _refusing_pure(fair):
    """Stand in for group names that are not public, which cannot be shown under pure ε."""

    def least_offer(buy, **wanted):
        if buy.args == (Accounting.PURE,):
            raise QueryRejected("pure_unknown_keys", "GROUP BY", "No.", "Pay in ρ and δ.")
        return fair(buy, **wanted)

    return least_offer
