"""Who sees which project: lists and single pages give the same answer as the permission table."""

import pytest

from domains.catalog import actions as catalog
from domains.errors import NotFound
from domains.people.permissions import Permission, Role, allows
from domains.projects import actions, queries
from domains.projects.models import Project
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def everyone(given: cast.Cast) -> dict:
    bob = cast.person("Bob", Role.OWNER)
    rosa = cast.person("Rosa", Role.REVIEWER)
    former = cast.person("Fred", Role.OWNER)
    catalog.seat(given.area, bob, role=Role.AREA_OWNER, by=given.ada)
    seat = catalog.seat(given.area, former, role=Role.AREA_OWNER, by=given.ada)
    catalog.end_seat(seat, by=given.ada)
    people = {"bob": bob, "rosa": rosa, "fred": former}
    return people | {
        name: getattr(given, name) for name in ("alice", "rita", "sam", "ada", "theo", "charlie")
    }


def test_lists_pages_and_permissions_agree_for_everyone(given):
    people = everyone(given)
    dataset = cast.dataset(given)
    catalog.assign(dataset, people["rosa"], role=Role.DATASET_REVIEWER, by=given.alice)
    projects = [
        cast.proposal(given, dataset),
        cast.approved(given, dataset),
        cast.proposal(given, dataset, members=[given.charlie]),
    ]
    actions.end_member(projects[2], given.charlie, by=given.sam)
    sees = {}
    for name, user in people.items():
        for project in projects:
            row = Project.objects.get(pk=project.pk)
            may = allows(user, Permission.PROJECT_READ, on=row)
            assert queries.projects(user).filter(pk=project.pk).exists() is may, (name, project.status)
            if not may:
                with pytest.raises(NotFound):
                    queries.project(project.pk, user)
            sees[name] = sees.get(name, 0) + may
    assert sees == {
        "sam": 3,
        "alice": 3,
        "rita": 3,
        "rosa": 3,
        "ada": 3,
        "theo": 3,
        "charlie": 0,
        "bob": 0,
        "fred": 0,
    }


def test_whoever_lost_the_nodes_role_sees_nothing_any_more(given):
    project = cast.approved(given, cast.dataset(given))
    for user in (given.alice, given.rita):
        user.memberships.update(ended_at=project.created_at, ended_by=given.ada)
        user.forget_roles()
        assert not allows(user, Permission.PROJECT_READ, on=Project.objects.get(pk=project.pk))
        assert not queries.projects(user).exists()


def test_a_token_without_the_scope_lists_nothing(given):
    cast.approved(given, cast.dataset(given))
    given.sam.token_scopes = frozenset({Permission.CATALOGUE_READ})
    assert not queries.projects(given.sam).exists()
    assert not queries.grants(given.sam).exists()


def test_projects_are_found_by_status_and_words(given):
    dataset = cast.dataset(given)
    cast.proposal(given, dataset, title="Alpha")
    cast.approved(given, dataset)
    titles = lambda **words: [row.title for row in queries.projects(given.sam, **words)]  # noqa: E731
    assert titles() == ["Costs of care", "Alpha"]
    assert titles(status="draft") == ["Alpha"]
    assert titles(search="alph") == ["Alpha"]
    assert titles(search="support2 alph") == ["Alpha"]
    assert titles(search="nothing") == []


def test_lists_cost_the_same_for_one_project_and_for_thirty(given, django_assert_num_queries):
    dataset = cast.dataset(given)
    cast.approved(given, dataset)

    def read(user) -> None:
        for row in queries.projects(user):
            row.roles_of(user)
            str(row.area), str(row.created_by), [str(m.user) for m in row.members.all()]
            [(grant.dataset.title, grant.dataset.current.number) for grant in row.grants.all()]

    given.rita.node_roles  # noqa: B018 - read once a person
    with django_assert_num_queries(8):
        read(given.rita)
    for _ in range(29):
        cast.approved(given, dataset)
    with django_assert_num_queries(8):
        read(given.rita)


def test_grants_cost_the_same_for_one_and_for_thirty(given, django_assert_num_queries):
    dataset = cast.dataset(given)
    cast.granted(cast.approved(given, dataset), by=given.ada)

    def read(user) -> None:
        for row in queries.grants(user):
            row.roles_of(user)
            str(row), str(row.granted_by), str(row.dataset.population), row.dataset.current.table()

    given.sam.node_roles  # noqa: B018
    with django_assert_num_queries(9):
        read(given.sam)
    for _ in range(29):
        cast.granted(cast.approved(given, dataset), by=given.ada)
    with django_assert_num_queries(9):
        read(given.sam)


def test_everyones_turn_is_shown_to_them_alone(given):
    dataset = cast.dataset(given)
    draft, waiting, ready = (
        cast.proposal(given, dataset),
        cast.proposal(given, dataset),
        cast.approved(given, dataset),
    )
    actions.submit(waiting, by=given.sam)
    assert [row.pk for row in queries.your_turn(given.sam)] == [draft.pk]
    assert [row.pk for row in queries.to_review(given.rita)] == [waiting.pk]
    assert [row.project_id for row in queries.grants_to_allocate(given.ada)] == [ready.pk]
    for user in (given.alice, given.theo, given.charlie):
        assert not queries.your_turn(user).exists()
        assert not queries.to_review(user).exists()
        assert not queries.grants_to_allocate(user).exists()


def test_only_live_grants_can_be_asked_under(given):
    dataset = cast.dataset(given)
    cast.approved(given, dataset)
    live = cast.granted(cast.approved(given, dataset), by=given.ada)
    assert [row.pk for row in queries.grants_of(given.sam)] == [live.pk]
    assert not queries.grants_of(given.charlie).exists()
    assert queries.grants_on(dataset, given.alice).count() == 2
    assert queries.grants_on(dataset, given.charlie).count() == 0
