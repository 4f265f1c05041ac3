"""Budgets by people: opening accounts, allocating, and changing limits with the right number of people."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction

from domains.catalog.models import Dataset, Population, ResearchArea, Seat, Steward
from domains.errors import BudgetExhausted, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import accounts, limits, lines, protocol, queries
from domains.ledger.actions import allocate
from domains.ledger.models import Account, LimitChange, Scope
from domains.notices.models import Notice
from domains.people.models import Membership, User
from domains.people.permissions import Role
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import AccessGrant, Project, ProjectMember
from privacy.loss import Loss, epsilon_of
from tests.domains.ledger.world import faults

pytestmark = pytest.mark.django_db
ONE, TWO, THREE = Decimal(1), Decimal(2), Decimal(3)


class Scene:
    """Alice owns a dataset with a cap of ε = 2, Rita reviews its area, Ada and Bea administer, Sam asks."""

    def __init__(self) -> None:
        names = ("alice", "rita", "ada", "bea", "sam", "charlie", "theo")
        people = {
            name: User.objects.create_user(f"{name}@hospital.example", name=name.title()) for name in names
        }
        self.alice, self.rita, self.ada, self.bea, self.sam, self.charlie, self.theo = people.values()
        roles = (
            Role.OWNER,
            Role.REVIEWER,
            Role.ADMINISTRATOR,
            Role.ADMINISTRATOR,
            Role.SCIENTIST,
            Role.SCIENTIST,
        )
        for person, role in zip(people.values(), (*roles, Role.AUDITOR), strict=True):
            Membership.objects.create(user=person, role=role)
        self.area = ResearchArea.objects.create(slug="icu", name="Intensive care")
        Seat.objects.create(area=self.area, user=self.rita, role=Role.AREA_REVIEWER, granted_by=self.ada)
        self.population = Population.objects.create(
            name="Patients", unit_label="one patient", created_by=self.alice
        )
        self.dataset = self.made("support2")
        self.grant = self.asked(self.dataset)
        with transaction.atomic():
            self.top = accounts.open_population(self.population, epsilon=THREE, by=self.alice)
            self.cap = accounts.open_dataset(self.dataset, epsilon=TWO, by=self.alice)

    def made(self, slug: str) -> Dataset:
        dataset = Dataset.objects.create(
            area=self.area, population=self.population, slug=slug, title=slug.upper(), created_by=self.alice
        )
        Steward.objects.create(dataset=dataset, user=self.alice, role=Role.DATASET_OWNER, granted_by=self.ada)
        return dataset

    def asked(self, dataset: Dataset) -> AccessGrant:
        project = Project.objects.create(
            area=self.area, title="Costs", status=ProjectStatus.APPROVED, created_by=self.sam
        )
        ProjectMember.objects.create(
            project=project, user=self.sam, role=Role.PROJECT_LEAD, added_by=self.sam
        )
        return AccessGrant.objects.create(project=project, dataset=dataset)

    def spend(self, loss: Loss, idem: str = "a", person: User | None = None) -> str:
        who = person or self.sam
        with transaction.atomic():
            return protocol.reserve(
                idem=idem, repeat_key=idem, accounts=[a.pk for a in accounts.for_charge(self.grant, who)],
                grant=self.grant, person=who, loss=loss, certificate={},
            )  # fmt: skip

    def of(self, scope: Scope) -> Account:
        return Account.objects.filter(scope=scope).latest("created_at")


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- ε becomes integers once, rounded down -----------------------------------------------------------------------


def test_an_epsilon_of_one_at_a_delta_of_one_in_a_million_is_the_known_rho(scene: Scene) -> None:
    limit = accounts.limit_from_epsilon(ONE, scene.population)
    assert limit.rho // 10**5 == 229374  # ρ = 0.0229374 at δ = 5e-7 (DECISIONS 3)
    assert limit.delta == 5 * 10**11


@pytest.mark.parametrize("text", ["0.001", "0.1", "0.3", "1", "2.7", "10"])
def test_a_limit_never_promises_more_than_its_epsilon_and_hardly_less(scene: Scene, text: str) -> None:
    rho = accounts.limit_from_epsilon(Decimal(text), scene.population).rho
    delta = scene.population.conversion_delta
    assert (
        Decimal(epsilon_of(rho, delta))
        <= Decimal(text)
        < Decimal(epsilon_of(rho + 2, delta)) + Decimal("1e-9")
    )


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "1001"])
def test_an_epsilon_that_is_none_is_refused(scene: Scene, text: str) -> None:
    with pytest.raises(InvalidInput):
        accounts.limit_from_epsilon(Decimal(text), scene.population)


def test_opening_again_changes_nothing(scene: Scene) -> None:
    with transaction.atomic():
        assert (
            accounts.open_population(scene.population, epsilon=ONE, by=scene.alice).limit == scene.top.limit
        )
        assert accounts.open_dataset(scene.dataset, epsilon=ONE, by=scene.alice).limit == scene.cap.limit
    assert Account.objects.count() == 2


# --- Allocating --------------------------------------------------------------------------------------------------


def test_an_administrator_allocates_and_the_members_are_told(scene: Scene) -> None:
    allocate(scene.grant, epsilon=ONE, valid_days=30, by=scene.ada)
    scene.grant.refresh_from_db()
    assert scene.grant.status == "granted"
    assert (scene.grant.valid_to - scene.grant.valid_from).days == 30
    assert scene.of(Scope.GRANT).limit == accounts.limit_from_epsilon(ONE, scene.population)
    assert list(Notice.objects.values_list("recipient", flat=True)) == [scene.sam.pk]
    with pytest.raises(IllegalMove):
        allocate(scene.grant, epsilon=ONE, by=scene.ada)


@pytest.mark.parametrize("who", ["alice", "rita", "sam", "theo", "charlie"])
def test_nobody_else_allocates(scene: Scene, who: str) -> None:
    with pytest.raises((NotAllowed, NotFound)):
        allocate(scene.grant, epsilon=ONE, by=getattr(scene, who))


def test_who_is_on_the_project_never_allocates_its_budget(scene: Scene) -> None:
    ProjectMember.objects.create(
        project=scene.grant.project, user=scene.ada, role=Role.PROJECT_MEMBER, added_by=scene.sam
    )
    with pytest.raises(NotAllowed) as refused:
        allocate(scene.grant, epsilon=ONE, by=scene.ada)
    assert refused.value.code == "benefits"


def test_a_project_that_is_not_approved_gets_nothing(scene: Scene) -> None:
    Project.objects.update(status=ProjectStatus.SUSPENDED)
    with pytest.raises(IllegalMove):
        allocate(scene.grant, epsilon=ONE, by=scene.ada)


def test_a_grant_stays_within_the_datasets_cap_though_grants_together_may_not(scene: Scene) -> None:
    with pytest.raises(InvalidInput) as refused:
        allocate(scene.grant, epsilon=Decimal("2.000001"), by=scene.ada)
    assert refused.value.code == "above_cap"
    allocate(scene.grant, epsilon=TWO, by=scene.ada)
    allocate(scene.asked(scene.dataset), epsilon=TWO, by=scene.ada)


def test_a_dataset_without_a_cap_and_a_grant_without_days_are_refused(scene: Scene) -> None:
    with pytest.raises(InvalidInput):
        allocate(scene.grant, epsilon=ONE, valid_days=0, by=scene.ada)
    with pytest.raises(IllegalMove) as refused:
        allocate(scene.asked(scene.made("other")), epsilon=ONE, by=scene.ada)
    assert refused.value.code == "no_budget"


def test_a_persons_own_account_starts_at_the_cap_the_grant_gives_it(scene: Scene) -> None:
    allocate(scene.grant, epsilon=TWO, person_epsilon=ONE, by=scene.ada)
    cap = accounts.limit_from_epsilon(ONE, scene.population)
    assert {b.scope: b.limit for b in queries.balances(scene.grant, scene.sam)}["person"] == cap
    scene.spend(cap)
    with pytest.raises(BudgetExhausted):
        scene.spend(Loss(1, 0), "b")
    assert faults() == []


def test_without_one_it_starts_at_the_datasets_cap(scene: Scene) -> None:
    allocate(scene.grant, epsilon=ONE, by=scene.ada)
    scene.spend(Loss(1, 0))
    assert scene.of(Scope.PERSON).limit == scene.cap.limit


def test_a_grant_without_a_budget_cannot_be_charged(scene: Scene) -> None:
    with pytest.raises(IllegalMove) as refused:
        scene.spend(Loss(1, 0))
    assert refused.value.code == "no_budget"
    assert [b.scope for b in queries.balances(scene.grant, scene.sam)] == ["population", "dataset"]


# --- Changing limits ---------------------------------------------------------------------------------------------


def test_an_owner_lowers_a_cap_alone_and_says_why(scene: Scene) -> None:
    limits.change_limit(scene.cap.pk, epsilon=ONE, reason="Too much.", by=scene.alice)
    assert scene.of(Scope.DATASET).limit == accounts.limit_from_epsilon(ONE, scene.population)
    change = LimitChange.objects.get()
    assert (change.changed_by, change.confirmed_by, change.reason) == (scene.alice, None, "Too much.")
    with pytest.raises(InvalidInput):
        limits.change_limit(scene.cap.pk, epsilon=Decimal("0.5"), reason=" ", by=scene.alice)


def test_a_cap_is_never_lowered_below_what_is_reserved_and_spent(scene: Scene) -> None:
    allocate(scene.grant, epsilon=TWO, by=scene.ada)
    one = accounts.limit_from_epsilon(ONE, scene.population)
    scene.spend(one + Loss(1, 0))
    with pytest.raises(IllegalMove) as refused:
        limits.change_limit(scene.cap.pk, epsilon=ONE, reason="Too much.", by=scene.alice)
    assert refused.value.code == "below_spent"
    assert LimitChange.objects.count() == 0
    assert faults() == []


@pytest.mark.parametrize("which", ["cap", "top"])
def test_raising_a_cap_takes_an_owner_and_a_reviewer(scene: Scene, which: str) -> None:
    account = getattr(scene, which)
    with pytest.raises(IllegalMove) as refused:
        limits.change_limit(account.pk, epsilon=Decimal(4), reason="More.", by=scene.alice)
    assert refused.value.code == "two_people"
    proposal = limits.propose_raise(account.pk, epsilon=Decimal(4), reason="More.", by=scene.alice)
    assert [p.pk for p in queries.open_proposals()] == [proposal]
    for other in (scene.alice, scene.ada, scene.sam):
        with pytest.raises((NotAllowed, NotFound)):
            limits.confirm_raise(proposal, by=other)
    account.refresh_from_db()
    assert account.limit_version == 0
    limits.confirm_raise(proposal, by=scene.rita)
    account.refresh_from_db()
    assert account.limit == accounts.limit_from_epsilon(Decimal(4), scene.population)
    change = LimitChange.objects.get()
    assert (change.changed_by, change.confirmed_by) == (scene.alice, scene.rita)
    with pytest.raises(IllegalMove):
        limits.confirm_raise(proposal, by=scene.rita)


def test_nobody_confirms_their_own_proposal_whatever_they_are(scene: Scene) -> None:
    Seat.objects.create(area=scene.area, user=scene.alice, role=Role.AREA_REVIEWER, granted_by=scene.ada)
    Membership.objects.create(user=scene.alice, role=Role.REVIEWER, granted_by=scene.ada)
    scene.alice.forget_roles()
    proposal = limits.propose_raise(scene.cap.pk, epsilon=THREE, reason="More.", by=scene.alice)
    with pytest.raises(NotAllowed) as refused:
        limits.confirm_raise(proposal, by=scene.alice)
    assert refused.value.code == "two_people"


def test_a_population_that_others_share_is_raised_by_all_its_owners_people_only(scene: Scene) -> None:
    Steward.objects.filter(dataset=scene.made("other")).update(user=scene.charlie)
    with pytest.raises((NotAllowed, NotFound)):
        limits.propose_raise(scene.top.pk, epsilon=Decimal(4), reason="More.", by=scene.alice)


def test_a_proposal_may_be_ended_and_made_once_at_a_time(scene: Scene) -> None:
    first = limits.propose_raise(scene.cap.pk, epsilon=THREE, reason="More.", by=scene.alice)
    with pytest.raises(IllegalMove):
        limits.propose_raise(scene.cap.pk, epsilon=THREE, reason="More.", by=scene.alice)
    with pytest.raises((NotAllowed, NotFound)):
        limits.end_proposal(first, by=scene.sam)
    limits.end_proposal(first, by=scene.rita)
    second = limits.propose_raise(scene.cap.pk, epsilon=THREE, reason="More.", by=scene.alice)
    limits.end_proposal(second, by=scene.alice)
    with pytest.raises(IllegalMove):
        limits.confirm_raise(second, by=scene.rita)


def test_a_proposal_made_for_another_limit_is_stale(scene: Scene) -> None:
    proposal = limits.propose_raise(scene.cap.pk, epsilon=THREE, reason="More.", by=scene.alice)
    limits.change_limit(scene.cap.pk, epsilon=ONE, reason="Less.", by=scene.alice)
    with pytest.raises(IllegalMove) as refused:
        limits.confirm_raise(proposal, by=scene.rita)
    assert refused.value.code == "stale"


def test_a_grants_and_a_persons_limits_are_changed_by_administrators_who_do_not_benefit(scene: Scene) -> None:
    allocate(scene.grant, epsilon=ONE, by=scene.ada)
    scene.spend(Loss(1, 0))
    grant, person = scene.of(Scope.GRANT), scene.of(Scope.PERSON)
    limits.change_limit(grant.pk, epsilon=Decimal("0.9"), reason="Fewer questions.", by=scene.ada)
    with pytest.raises(InvalidInput):
        limits.change_limit(grant.pk, epsilon=THREE, reason="More questions.", by=scene.ada)
    limits.change_limit(person.pk, epsilon=ONE, reason="Share.", by=scene.bea)
    Membership.objects.create(user=scene.sam, role=Role.ADMINISTRATOR, granted_by=scene.ada)
    scene.sam.forget_roles()
    for account in (grant, person):
        with pytest.raises(NotAllowed) as refused:
            limits.change_limit(account.pk, epsilon=ONE, reason="Mine.", by=scene.sam)
        assert refused.value.code == "benefits"
        with pytest.raises((IllegalMove, NotAllowed)):
            limits.propose_raise(account.pk, epsilon=TWO, reason="?", by=scene.alice)


def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    for ask in (
        lambda: limits.change_limit("none", epsilon=ONE, reason="?", by=scene.alice),
        lambda: limits.confirm_raise("none", by=scene.rita),
        lambda: queries.balance("none"),
        lambda: queries.charge("none"),
    ):
        with pytest.raises(NotFound):
            ask()


# --- Reading -----------------------------------------------------------------------------------------------------


def test_balances_say_what_a_charge_would_debit_and_effects_what_it_would_do(scene: Scene) -> None:
    allocate(scene.grant, epsilon=ONE, by=scene.ada)
    limit = accounts.limit_from_epsilon(ONE, scene.population)
    loss = Loss(limit.rho // 3, 0)
    scene.spend(loss)
    by_scope = {e.balance.scope: e for e in queries.effect(scene.grant, scene.sam, loss)}
    assert list(by_scope) == ["population", "dataset", "grant", "person"]
    own = by_scope["grant"]
    assert (own.before, own.after, own.fits, own.similar_left) == (loss, loss + loss, True, 2)
    assert own.balance.left == limit - loss
    assert own.balance.epsilon_used + own.balance.epsilon_left == pytest.approx(own.balance.epsilon_limit)
    assert own.balance.epsilon_limit == pytest.approx(1, abs=1e-6)
    assert own.epsilon_before < own.epsilon_after < own.balance.epsilon_limit
    too_much = queries.effect(scene.grant, scene.sam, Loss(limit.rho, 0))
    assert [e.fits for e in too_much] == [True, True, False, True]
    assert queries.effect(scene.grant, scene.sam, Loss.zero())[0].similar_left > 10**6
    assert queries.balance(scene.cap.pk).scope == "dataset"
    assert queries.dataset_balance(scene.dataset).used == loss
    assert queries.dataset_balance(scene.made("other")) is None


def test_each_sees_the_budgets_that_are_theirs_in_a_constant_number_of_queries(
    scene: Scene, django_assert_max_num_queries: object
) -> None:
    allocate(scene.grant, epsilon=ONE, by=scene.ada)
    scene.spend(Loss(1, 0))
    allocate(scene.asked(scene.dataset), epsilon=ONE, by=scene.ada)
    seen = {
        "ada": 5, "theo": 5, "alice": 5, "sam": 5, "rita": 0, "charlie": 0,
    }  # fmt: skip
    for name, count in seen.items():
        person = User.objects.get(pk=getattr(scene, name).pk)
        with django_assert_max_num_queries(2):  # type: ignore[operator]
            rows = queries.budget_rows(person)
            assert all(row.label for row in rows)
        assert len(rows) == count, name
    assert [row.label for row in lines.rows(scene.sam)[:2]] == ["Sam on SUPPORT2", "Costs × SUPPORT2"]
    assert lines.rows(scene.charlie).count() == 0
    scene.sam.token_scopes = frozenset()
    assert queries.budget_rows(scene.sam) == []
