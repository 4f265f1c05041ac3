"""Two people at once: the rules hold whoever is quicker, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from domains.errors import DomainError
from domains.people import actions
from domains.people.founding import first_administrator
from domains.people.models import Membership, User
from domains.people.permissions import Role

PASSWORD = "a long walk by the sea"
pytestmark = pytest.mark.django_db(transaction=True)


def joined(name: str, role: Role, *, by: User) -> User:
    _, secret = actions.invite(f"{name}@example.org", name, role, by=by)
    return actions.accept_invitation(secret, name, PASSWORD)


def at_once(*acts: Callable[[], Any]) -> int:
    """Run all at the same moment and return how many were not refused."""
    start, done = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            start.wait(10)
            act()
            done.append(act)
        except DomainError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return len(done)


def administrators() -> int:
    return Membership.objects.filter(
        role=Role.ADMINISTRATOR, ended_at__isnull=True, user__is_active=True
    ).count()


def informed(user: User) -> User:
    """Return this person as somebody who read their own roles before the race began."""
    fresh = User.objects.get(pk=user.pk)
    assert Role.ADMINISTRATOR in fresh.node_roles
    return fresh


def two_end_each_other() -> None:
    hand = first_administrator("ada@example.org", "Ada", PASSWORD)
    for number in range(5):
        bob = joined(f"bob{number}", Role.ADMINISTRATOR, by=hand)
        at_once(
            partial(actions.end_role, bob, Role.ADMINISTRATOR, by=informed(hand)),
            partial(actions.deactivate, User.objects.get(pk=hand.pk), by=informed(bob)),
        )
        assert administrators() == 1
        left = Membership.objects.get(role=Role.ADMINISTRATOR, ended_at__isnull=True, user__is_active=True)
        hand = left.user


def test_two_administrators_who_end_each_other_leave_one() -> None:
    two_end_each_other()


def test_a_guard_that_counts_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "_keep_an_administrator", lambda *, without: None)  # the planted fault
    with pytest.raises(AssertionError):
        two_end_each_other()


def test_two_roles_that_exclude_each_other_are_not_given_at_once() -> None:
    ada = first_administrator("ada@example.org", "Ada", PASSWORD)
    bob = joined("bob", Role.ADMINISTRATOR, by=ada)
    for number in range(5):
        sam = joined(f"sam{number}", Role.SCIENTIST, by=ada)
        given = at_once(
            partial(actions.grant_role, sam, Role.ADMINISTRATOR, by=ada),
            partial(actions.grant_role, User.objects.get(pk=sam.pk), Role.OWNER, by=bob),
        )
        assert given == 1
        held = User.objects.get(pk=sam.pk).node_roles
        assert len(held & {Role.ADMINISTRATOR, Role.OWNER}) == 1
