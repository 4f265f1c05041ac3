"""Datasets: who describes them, who may know of them, who shares their care, and how they stop."""

import pytest

from domains.audit.models import AuditEvent
from domains.catalog import actions, queries
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Steward
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.people.models import Membership
from domains.people.permissions import Permission, Role, allows
from tests import cast

pytestmark = pytest.mark.django_db


def test_whoever_describes_a_dataset_owns_it():
    given = cast.cast()
    dataset = cast.draft_dataset(given)
    assert dataset.roles_of(given.alice) == {Role.AREA_OWNER, Role.DATASET_OWNER}
    assert allows(given.alice, Permission.DATASET_PUBLISH, on=dataset)
    assert AuditEvent.objects.filter(event="dataset.created", subject=dataset.pk).exists()


def test_only_an_owner_of_the_area_describes_a_dataset():
    given = cast.cast()
    stranger = cast.person("Bob", Role.OWNER)  # an owner, but of no area
    for user in (stranger, given.rita, given.sam, given.ada):
        with pytest.raises(NotAllowed):
            cast.draft_dataset(given, by=user)


def test_a_draft_is_there_for_its_owners_only():
    given = cast.cast()
    second = cast.person("Bob", Role.OWNER)
    actions.seat(given.area, second, role=Role.AREA_OWNER, by=given.ada)
    cast.draft_dataset(given)
    assert queries.dataset("support2", given.alice).status == DatasetStatus.DRAFT
    for user in (second, given.rita, given.sam, given.ada, given.theo, given.charlie):
        with pytest.raises(NotFound):
            queries.dataset("support2", user)
        assert not queries.catalogue(user).exists()


@pytest.mark.parametrize("who", ["sam", "charlie", "rita"])
def test_a_draft_does_not_betray_itself_by_how_it_refuses(who: str):
    given = cast.cast()
    dataset = cast.draft_dataset(given)
    bare = cast.person("Eve", Role.SCIENTIST)
    with pytest.raises(NotFound):
        actions.freeze(dataset, reason="x", by=bare)


def test_everyone_sees_a_published_dataset_but_not_its_next_draft():
    given = cast.cast()
    dataset = cast.dataset(given)
    actions.new_version(dataset, by=given.alice)
    for user in (given.rita, given.sam, given.ada, given.theo, given.charlie):
        row = queries.dataset("support2", user)
        assert [v.number for v in queries.versions(row, user)] == [1]
        with pytest.raises(NotFound):
            queries.version("support2", 2, user)
        with pytest.raises(NotFound):
            queries.draft_of(row, user)
    mine = queries.dataset("support2", given.alice)
    assert [v.number for v in queries.versions(mine, given.alice)] == [2, 1]
    assert queries.draft_of(mine, given.alice).number == 2
    assert mine.current.number == 1


def test_the_catalogue_is_searched_by_words_areas_and_columns():
    given = cast.cast()
    cast.dataset(given, "support2")
    cast.dataset(given, "stroke")
    found = lambda **words: [row.slug for row in queries.catalogue(given.sam, **words)]  # noqa: E731
    assert found() == ["stroke", "support2"]
    assert found(search="STRO") == ["stroke"]
    assert found(search="charges supp") == ["support2"]
    assert found(search="nothing") == []
    assert found(area="intensive-care") == ["stroke", "support2"]
    assert found(area="elsewhere") == []


def test_the_catalogue_costs_the_same_for_one_dataset_and_for_thirty(django_assert_num_queries):
    given = cast.cast()
    cast.dataset(given, "first")

    def read() -> None:
        for row in queries.catalogue(given.sam):
            assert row.current is not None
            assert row.current.column_count > 0
            str(row.area), str(row.population)

    given.sam.node_roles  # noqa: B018 - read once a person, not once a row
    with django_assert_num_queries(2):  # rows, versions with the number of their columns
        read()
    for number in range(29):
        cast.dataset(given, f"more-{number}")
    with django_assert_num_queries(2):
        read()


def test_a_taken_short_name_is_refused_and_nothing_is_left_behind():
    given = cast.cast()
    cast.draft_dataset(given)
    before = AuditEvent.objects.count()
    with pytest.raises(InvalidInput) as refused:
        cast.draft_dataset(given)
    assert refused.value.code == "taken"
    assert (AuditEvent.objects.count(), Steward.objects.count()) == (before, 1)


def test_an_owner_changes_the_words_until_it_is_withdrawn():
    given = cast.cast()
    dataset = cast.dataset(given)
    words = {
        "title": "SUPPORT2",
        "summary": "Seriously ill adults.",
        "provenance": "USA",
        "licence": "CC BY 4.0",
    }
    actions.describe(dataset, **words, by=given.alice)
    dataset.refresh_from_db()
    assert dataset.title == "SUPPORT2"
    with pytest.raises(NotAllowed):
        actions.describe(dataset, **words, by=given.rita)
    actions.withdraw(dataset, reason="Consent was withdrawn.", by=given.alice)
    with pytest.raises(IllegalMove):
        actions.describe(dataset, **words, by=given.alice)


def test_an_owner_shares_the_care_of_a_dataset():
    given = cast.cast()
    dataset = cast.dataset(given)
    actions.assign(dataset, given.rita, role=Role.DATASET_REVIEWER, by=given.alice)
    assert allows(given.rita, Permission.REQUEST_REVIEW, on=queries.dataset("support2", given.rita))
    assert not allows(given.rita, Permission.DATASET_EDIT, on=dataset)


@pytest.mark.parametrize(
    ("who", "role", "code"),
    [
        ("sam", Role.DATASET_REVIEWER, "role_missing"),
        ("ada", Role.DATASET_REVIEWER, "role_conflict"),
        ("rita", Role.DATASET_OWNER, "role_missing"),
        ("rita", Role.AREA_REVIEWER, "role_invalid"),
    ],
)
def test_care_is_shared_only_with_people_whose_role_fits(who: str, role: Role, code: str):
    given = cast.cast()
    dataset = cast.dataset(given)
    with pytest.raises(InvalidInput) as refused:
        actions.assign(dataset, getattr(given, who), role=role, by=given.alice)
    assert refused.value.code == code


def test_nobody_assigns_themselves():
    given = cast.cast()
    with pytest.raises(NotAllowed) as refused:
        actions.assign(cast.dataset(given), given.alice, role=Role.DATASET_REVIEWER, by=given.alice)
    assert refused.value.code == "separation_of_duties"


def test_the_last_owner_cannot_go():
    given = cast.cast()
    dataset = cast.dataset(given)
    steward = dataset.stewards.get()
    with pytest.raises(IllegalMove) as refused:
        actions.end_steward(steward, by=given.alice)
    assert refused.value.code == "last_owner"
    second = cast.person("Bob", Role.OWNER)
    actions.assign(dataset, second, role=Role.DATASET_OWNER, by=given.alice)
    actions.end_steward(steward, by=second)
    assert queries.dataset("support2", given.alice).steward_roles_of(given.alice) == set()


def test_a_former_owner_who_administers_the_node_has_no_say_over_data():
    given = cast.cast()
    dataset = cast.dataset(given)
    given.alice.memberships.update(ended_at="2026-01-01T00:00Z", ended_by=given.ada)
    Membership.objects.create(user=given.alice, role=Role.ADMINISTRATOR, granted_by=given.ada)
    given.alice.forget_roles()
    assert dataset.steward_roles_of(given.alice) == set()
    assert not allows(given.alice, Permission.REQUEST_REVIEW, on=dataset)


def test_a_dataset_is_frozen_unfrozen_and_withdrawn_with_reasons():
    given = cast.cast()
    dataset = cast.dataset(given)
    actions.freeze(dataset, reason="An error was reported.", by=given.alice)
    assert dataset.status == DatasetStatus.FROZEN
    actions.unfreeze(dataset, reason="It was none.", by=given.alice)
    assert dataset.status == DatasetStatus.PUBLISHED
    actions.withdraw(dataset, reason="The study ended.", by=given.alice)
    with pytest.raises(IllegalMove):
        actions.unfreeze(dataset, reason="Again.", by=given.alice)
    assert not queries.catalogue(given.sam).exists()
    assert queries.dataset("support2", given.sam).status == DatasetStatus.WITHDRAWN


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "null\0byte"])
def test_stopping_a_dataset_says_why(reason: str):
    given = cast.cast()
    dataset = cast.dataset(given)
    with pytest.raises(InvalidInput):
        actions.freeze(dataset, reason=reason, by=given.alice)
    assert dataset.status == DatasetStatus.PUBLISHED


def test_unfreezing_never_publishes_a_draft():
    given = cast.cast()
    dataset = cast.draft_dataset(given)
    with pytest.raises(IllegalMove):
        actions.unfreeze(dataset, reason="Why not?", by=given.alice)


def test_of_two_who_freeze_and_withdraw_at_once_the_second_is_told():
    given = cast.cast()
    dataset = cast.dataset(given)
    other = queries.dataset("support2", given.alice)
    actions.freeze(dataset, reason="First.", by=given.alice)
    with pytest.raises(IllegalMove):
        actions.withdraw(other, reason="Second.", by=given.alice)
