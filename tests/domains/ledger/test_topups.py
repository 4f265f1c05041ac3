"""A larger budget: asked for by the project, proposed by one and confirmed by another, who never benefit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import accounts, limits, topups
from domains.ledger.actions import allocate
from domains.ledger.lifecycle import TopUpStatus
from domains.ledger.models import LimitChange, Scope, TopUp
from domains.notices import tasks
from domains.notices.models import Notice
from domains.people.models import Membership, User
from domains.people.permissions import Permission, Role
from domains.projects.models import ProjectMember
from privacy.loss import Loss
from tests.domains.ledger.test_limits import ONE, THREE, TWO, Scene
from tests.domains.ledger.world import faults

pytestmark = pytest.mark.django_db
HALF_MORE = Decimal("1.5")


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    allocate(made.grant, epsilon=ONE, by=made.ada)
    return made


def asked(scene: Scene, epsilon: Decimal = TWO) -> TopUp:
    return topups.ask(scene.grant, epsilon=epsilon, reason="More questions.", by=scene.sam)


def proposed(scene: Scene) -> TopUp:
    made = asked(scene)
    topups.propose(made, epsilon=HALF_MORE, by=scene.ada)
    return made


def told(event: str) -> set[str]:
    return set(Notice.objects.filter(event=event).values_list("recipient__name", flat=True))


def test_an_ask_becomes_a_proposal_and_a_second_person_raises_the_limit(scene: Scene) -> None:
    made = asked(scene)
    assert (made.status, made.asked_by, told("topup.wanted")) == ("asked", scene.sam, {"Ada", "Bea"})
    topups.propose(made, epsilon=HALF_MORE, by=scene.ada)
    assert told("topup.proposed") == {"Alice", "Bea"}
    assert scene.of(Scope.GRANT).limit_version == 0, "a proposal alone changes nothing"
    topups.confirm(made, by=scene.alice)
    row = scene.of(Scope.GRANT)
    assert row.limit == accounts.limit_from_epsilon(HALF_MORE, scene.population)
    change = LimitChange.objects.get()
    assert (change.changed_by, change.confirmed_by, change.reason) == (
        scene.ada,
        scene.alice,
        "More questions.",
    )
    assert told("topup.confirmed") == {"Sam", "Ada"}
    assert faults() == []


def test_an_administrator_may_propose_what_nobody_asked_for(scene: Scene) -> None:
    made = topups.propose_unasked(scene.grant, epsilon=TWO, reason="A good project.", by=scene.ada)
    with pytest.raises(NotAllowed) as refused:
        topups.confirm(made, by=scene.ada)
    assert refused.value.code == "two_people"
    topups.confirm(made, by=scene.bea)
    assert scene.of(Scope.GRANT).limit == scene.cap.limit


@pytest.mark.parametrize("name", ["rita", "charlie", "theo", "alice"])
def test_only_the_projects_people_ask(scene: Scene, name: str) -> None:
    with pytest.raises((NotAllowed, NotFound)):
        topups.ask(scene.grant, epsilon=TWO, reason="More.", by=getattr(scene, name))


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "charlie", "theo"])
def test_only_administrators_propose(scene: Scene, name: str) -> None:
    made = asked(scene)
    with pytest.raises((NotAllowed, NotFound)):
        topups.propose(made, epsilon=TWO, by=getattr(scene, name))
    with pytest.raises((NotAllowed, NotFound)):
        topups.propose_unasked(scene.grant, epsilon=TWO, reason="More.", by=getattr(scene, name))


@pytest.mark.parametrize("name", ["sam", "ada", "rita", "charlie", "theo"])
def test_only_a_second_person_confirms(scene: Scene, name: str) -> None:
    made = proposed(scene)
    with pytest.raises((NotAllowed, NotFound)):
        topups.confirm(made, by=getattr(scene, name))
    assert TopUp.objects.get().status == TopUpStatus.PROPOSED


def test_who_benefits_neither_proposes_nor_confirms_even_after_leaving(scene: Scene) -> None:
    made = asked(scene)
    left = ProjectMember.objects.create(
        project=scene.grant.project, user=scene.bea, role=Role.PROJECT_MEMBER, added_by=scene.sam
    )
    ProjectMember.objects.filter(pk=left.pk).update(ended_at=left.created_at, ended_by=scene.sam)
    with pytest.raises(NotAllowed) as refused:
        topups.propose(made, epsilon=TWO, by=scene.bea)
    assert refused.value.code == "benefits"
    topups.propose(made, epsilon=TWO, by=scene.ada)
    for action in (topups.confirm, lambda row, by: topups.decline(row, reason="No.", by=by)):
        with pytest.raises(NotAllowed) as refused:
            action(made, by=scene.bea)
        assert refused.value.code == "benefits"


def test_what_is_asked_is_more_than_there_is_and_within_the_datasets_cap(scene: Scene) -> None:
    for epsilon, code in ((ONE, "not_more"), (Decimal("0.5"), "not_more"), (THREE, "above_cap")):
        with pytest.raises(InvalidInput) as refused:
            asked(scene, epsilon)
        assert refused.value.code == code
    with pytest.raises(InvalidInput):
        topups.ask(scene.grant, epsilon=TWO, reason=" ", by=scene.sam)
    assert not TopUp.objects.exists()


def test_a_grant_without_a_budget_asks_for_none(scene: Scene) -> None:
    with pytest.raises(IllegalMove) as refused:
        topups.ask(scene.asked(scene.dataset), epsilon=TWO, reason="More.", by=scene.sam)
    assert refused.value.code == "no_budget"


def test_one_is_decided_at_a_time(scene: Scene) -> None:
    made = asked(scene)
    with pytest.raises(IllegalMove) as refused:
        asked(scene)
    assert refused.value.code == "already_asked"
    topups.withdraw(made, by=scene.sam)
    assert asked(scene).pk != made.pk


def test_it_is_declined_with_a_reason_that_the_project_reads(scene: Scene) -> None:
    made = asked(scene)
    with pytest.raises(InvalidInput):
        topups.decline(made, reason="", by=scene.ada)
    with pytest.raises(NotAllowed):
        topups.decline(made, reason="No.", by=scene.alice)  # an owner answers proposals, not asks
    topups.decline(made, reason="Ask again in June.", by=scene.ada)
    assert Notice.objects.get(event="topup.declined", recipient=scene.sam).text.endswith("Ask again in June.")
    other = proposed(scene)
    topups.decline(other, reason="Too much.", by=scene.alice)
    with pytest.raises(IllegalMove):
        topups.confirm(other, by=scene.bea)


def test_only_who_asked_or_proposed_takes_it_back(scene: Scene) -> None:
    made = proposed(scene)
    with pytest.raises(NotAllowed):
        topups.withdraw(made, by=scene.alice)
    topups.withdraw(made, by=scene.ada)
    assert made.status == TopUpStatus.WITHDRAWN


def test_a_proposal_on_another_limit_is_stale(scene: Scene) -> None:
    made = proposed(scene)
    limits.change_limit(
        scene.of(Scope.GRANT).pk, epsilon=Decimal("0.5"), reason="Less meanwhile.", by=scene.bea
    )
    with pytest.raises(IllegalMove) as refused:
        topups.confirm(made, by=scene.alice)
    assert refused.value.code == "stale"


def test_a_cap_that_was_lowered_meanwhile_holds(scene: Scene) -> None:
    made = proposed(scene)
    limits.change_limit(scene.cap.pk, epsilon=ONE, reason="Less for all.", by=scene.alice)
    with pytest.raises(InvalidInput) as refused:
        topups.confirm(made, by=scene.bea)
    assert refused.value.code == "above_cap"
    assert TopUp.objects.get().status == TopUpStatus.PROPOSED


def test_each_waits_for_whoever_can_act(scene: Scene) -> None:
    made = asked(scene)
    waits = lambda: {  # noqa: E731
        name
        for name in ("sam", "ada", "bea", "alice", "rita", "theo", "charlie")
        if any(task.kind.startswith("topup") for task in tasks.tasks(_again(scene, name)))
    }
    assert waits() == {"ada", "bea"}
    assert topups.may(made, scene.sam) == {"withdraw"}
    assert topups.may(made, scene.ada) == {"propose", "decline"}
    topups.propose(made, epsilon=TWO, by=scene.ada)
    assert waits() == {"alice", "bea"}
    assert topups.may(made, scene.alice) == {"confirm", "decline"}
    assert topups.may(made, scene.ada) == {"withdraw"}
    alice = _again(scene, "alice")
    alice.token_scopes = frozenset({Permission.PROJECT_READ})
    assert topups.to_confirm(alice).count() == 0


def _again(scene: Scene, name: str) -> User:
    return User.objects.get(pk=getattr(scene, name).pk)


def test_each_sees_the_topups_of_the_grants_that_they_may_read(scene: Scene) -> None:
    made = asked(scene)
    for name in ("sam", "ada", "alice", "theo"):
        assert topups.one(made.pk, _again(scene, name)) == made
    for name in ("charlie", "rita"):
        with pytest.raises(NotFound):
            topups.one(made.pk, _again(scene, name))


# --- What the database says by itself ----------------------------------------------------------------------------


def _refused(statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_one_person_a_beneficiary_a_rewriting_and_a_deletion(scene: Scene) -> None:
    made = proposed(scene)
    confirmed = "UPDATE ledger_topup SET status = 'confirmed', decided_at = created_at, decided_by_id = '{}'"
    for person in (scene.ada, scene.sam):
        _refused(confirmed.format(person.pk))
    ProjectMember.objects.create(
        project=scene.grant.project, user=scene.bea, role=Role.PROJECT_MEMBER, added_by=scene.sam
    )
    _refused(confirmed.format(scene.bea.pk))
    _refused("UPDATE ledger_topup SET rho = rho + 1")
    _refused("UPDATE ledger_topup SET status = 'asked'")
    _refused("DELETE FROM ledger_topup")
    topups.confirm(made, by=scene.alice)
    _refused("UPDATE ledger_topup SET status = 'proposed'")


def test_the_database_refuses_a_grants_raise_by_one_person(scene: Scene) -> None:
    row = scene.of(Scope.GRANT)
    more = row.limit + Loss(1, 0)
    with pytest.raises(DatabaseError), transaction.atomic():
        limits.apply(row, more, reason="Alone.", by=scene.ada, confirmed_by=None)
    with pytest.raises(IllegalMove) as refused:
        limits.change_limit(row.pk, epsilon=TWO, reason="Alone.", by=scene.ada)
    assert refused.value.code == "two_people"


def test_an_administrator_on_the_project_is_nobody_to_ask(scene: Scene) -> None:
    Membership.objects.create(user=scene.sam, role=Role.ADMINISTRATOR, granted_by=scene.ada)
    scene.sam.forget_roles()
    made = asked(scene)
    assert "Sam" not in told("topup.wanted")
    assert topups.may(made, _again(scene, "sam")) == {"withdraw"}
