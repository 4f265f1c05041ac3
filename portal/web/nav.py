"""What every page shows around its content: the menu by permission, and what waits for this person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from domains.notices import queries as notices
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from portal.web import turns

# label, name of the address, and who sees it: anyone holding one of these permissions or node roles.
_MENU: tuple[tuple[str, str, frozenset[Permission | Role]], ...] = (
    ("Home", "home", frozenset({Permission.TOKEN_MANAGE})),
    ("Catalogue", "catalogue", frozenset({Permission.CATALOGUE_READ})),
    ("Projects", "projects", frozenset({Permission.CATALOGUE_READ})),
    ("Requests", "requests", frozenset({Permission.PROJECT_CREATE, Permission.AUDIT_READ})),
    ("Review queue", "queue", frozenset({Role.OWNER, Role.REVIEWER})),
    ("Budgets", "budgets", frozenset({Permission.CATALOGUE_READ})),
    ("Audit", "audit", frozenset({Permission.AUDIT_READ})),
    ("People", "people", frozenset({Permission.PEOPLE_READ})),
)


@dataclass(frozen=True)
class Item:
    """One line of the menu."""

    name: str
    label: str
    url: str
    is_here: bool
    is_exact: bool


class Nav:
    """The menu and the counts of one request, worked out only when a template asks for them."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.user = getattr(request, "user", None)

    @cached_property
    def items(self) -> list[Item]:
        """The lines of the menu that this person may use; one query at most."""
        if not isinstance(self.user, User) and not getattr(self.user, "is_authenticated", False):
            return []
        path = self.request.path
        found = []
        for label, name, keys in _MENU:
            if self._may(keys):
                url = reverse(name)
                here = path == url or (url != "/" and path.startswith(url))
                found.append(Item(name, label, url, here, path == url))
        return found

    def _may(self, keys: frozenset[Permission | Role]) -> bool:
        assert self.user is not None
        return bool(keys & self.user.node_roles) or any(
            isinstance(key, Permission) and allows(self.user, key) for key in keys
        )

    @cached_property
    def unread(self) -> int:
        """How many notices this person has not read; one query."""
        return notices.unread(self.user).count()

    @cached_property
    def turns(self) -> int:
        """How many things wait for this person; a constant number of queries."""
        return turns.count(self.user)


def context(request: HttpRequest) -> dict[str, object]:
    """Give every template the node's name and the lazily counted menu."""
    return {"nav": Nav(request), "node_title": settings.NODE_TITLE, "node_name": settings.NODE_NAME}
