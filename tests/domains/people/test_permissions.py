"""The one sentence that asks: what is refused, and what is not even admitted to exist."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domains.errors import NotAllowed, NotFound
from domains.people.models import User
from domains.people.permissions import TABLE, Permission, Role, allows, require
from portal.reference import permissions_markdown

Join = Callable[[str, Role], User]


class Thing:
    """An object that gives roles, as datasets, projects and requests do."""

    def __init__(self, *given: Role, is_public: bool = False) -> None:
        self.given, self.is_public = set(given), is_public

    def roles_of(self, user: User) -> set[Role]:
        return self.given


def test_a_role_that_an_object_gives_counts_on_that_object_only(sam: User) -> None:
    mine, other = Thing(Role.DATASET_OWNER), Thing()
    require(sam, Permission.REQUEST_REVIEW, on=mine)
    assert not allows(sam, Permission.REQUEST_REVIEW, on=other)
    assert not allows(sam, Permission.REQUEST_REVIEW)


def test_what_one_may_not_read_is_not_found(sam: User) -> None:
    with pytest.raises(NotFound):
        require(sam, Permission.PROJECT_EDIT, on=Thing())


@pytest.mark.parametrize("thing", [Thing(Role.PROJECT_MEMBER), Thing(is_public=True)])
def test_what_one_may_read_but_not_change_is_refused_openly(sam: User, thing: Thing) -> None:
    with pytest.raises(NotAllowed):
        require(sam, Permission.PROJECT_EDIT, on=thing)


def test_an_auditor_reads_everything_and_changes_nothing(join: Join) -> None:
    with pytest.raises(NotAllowed):
        require(join("theo", Role.AUDITOR), Permission.PROJECT_EDIT, on=Thing())


@pytest.mark.parametrize(
    "role", [Role.ADMINISTRATOR, Role.AUDITOR, Role.SCIENTIST, Role.OWNER, Role.REVIEWER]
)
def test_no_role_of_the_node_decides_about_data(role: Role) -> None:
    """Deciding about requests, results, projects and caps comes from an object's role, never from a node-wide one."""
    about_data = {
        Permission.REQUEST_REVIEW,
        Permission.RESULT_RELEASE,
        Permission.PROJECT_REVIEW,
        Permission.CAP_APPROVE,
        Permission.POLICY_ACTIVATE,
        Permission.MOCK_APPROVE,
        Permission.DATASET_PUBLISH,
    }
    assert not TABLE[role] & about_data


def test_the_reference_names_every_permission_that_anyone_holds() -> None:
    page = permissions_markdown()
    for role, held in TABLE.items():
        for permission in held:
            assert f"| `{permission.value}` |" in page, (role, permission)
    assert "| `budget.allocate` | yes |  |  |  | yes |  |" in page
