"""People by the road that real ones walk: a founder, who invites the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domains.people import actions
from domains.people.founding import first_administrator
from domains.people.models import User
from domains.people.permissions import Role

PASSWORD = "a long walk by the sea"


@pytest.fixture
def ada(db: None) -> User:
    """The node's first administrator."""
    return first_administrator("ada@example.org", "Ada", PASSWORD)


@pytest.fixture
def join(ada: User) -> Callable[[str, Role], User]:
    """Invite somebody and accept for them: `join("sam", Role.SCIENTIST)`."""

    def joining(name: str, role: Role) -> User:
        _, secret = actions.invite(f"{name}@example.org", name.title(), role, by=ada)
        return actions.accept_invitation(secret, name.title(), PASSWORD)

    return joining


@pytest.fixture
def sam(join: Callable[[str, Role], User]) -> User:
    """A data scientist."""
    return join("sam", Role.SCIENTIST)
