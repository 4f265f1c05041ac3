"""What every page shows around its content: the menu by permission, and what waits for this person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from domains.agreements import queries as agreements
from domains.agreements.models import Agreement
from domains.node import queries as node
from domains.node.models import Pause
from domains.notices import queries as notices
from domains.notices import tasks
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows

MOST_DUE = 3  # agreements that the banner names
# label, name of the address, and who sees it: anyone holding one of these permissions or node roles.
_MENU: tuple[tuple[str, str, frozenset[Permission | Role]], ...] = (
    ("Home", "home", frozenset({Permission.TOKEN_MANAGE})),
    (
        "Dashboard",
        "dashboard",
        frozenset({Permission.PROJECT_CREATE, Permission.NODE_OPERATE, Role.OWNER, Role.REVIEWER}),
    ),
    ("Catalogue", "catalogue", frozenset({Permission.CATALOGUE_READ})),
    ("Projects", "projects", frozenset({Permission.CATALOGUE_READ})),
    ("Agreements", "agreements", frozenset({Permission.CATALOGUE_READ})),
    ("Requests", "requests", frozenset({Permission.PROJECT_CREATE, Permission.AUDIT_READ})),
    ("Review queue", "queue", frozenset({Role.OWNER, Role.REVIEWER})),
    ("Budgets", "budgets", frozenset({Permission.CATALOGUE_READ})),
    ("Connections", "connections", frozenset({Permission.CONNECTION_MANAGE, Role.OWNER})),
    ("Audit", "audit", frozenset({Permission.AUDIT_READ})),
    ("People", "people", frozenset({Permission.PEOPLE_READ})),
    ("Node", "node_page", frozenset({Permission.NODE_PAUSE, Permission.AUDIT_READ})),
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
        user = self.user
        if user is None or not user.is_authenticated:
            return []
        path = self.request.path
        found = []
        for label, name, keys in _MENU:
            if _may(user, keys):
                url = reverse(name)
                here = path == url or (url != "/" and path.startswith(url))
                found.append(Item(name, label, url, here, path == url))
        return found

    @cached_property
    def unread(self) -> int:
        """How many notices this person has not read; one query."""
        return notices.unread(self.user).count()

    @cached_property
    def waiting(self) -> dict[str, int]:
        """How many things of each kind wait for this person; one query."""
        return tasks.counts(self.user)

    @property
    def turns(self) -> int:
        """How many things wait for this person."""
        return sum(self.waiting.values())

    @cached_property
    def pause(self) -> Pause | None:
        """The pause that holds now, for the banner; one query."""
        return node.current() if self._is_somebody else None

    @cached_property
    def agreements_due(self) -> list[Agreement]:
        """The agreements without which this person cannot go on, for the banner; one query where there are any."""
        is_asked = self._is_somebody and "agreement.accept" in self.waiting
        return list(agreements.waiting_for(self.user, timezone.now())[:MOST_DUE]) if is_asked else []

    @property
    def _is_somebody(self) -> bool:
        return self.user is not None and self.user.is_authenticated


def _may(user: User, keys: frozenset[Permission | Role]) -> bool:
    held = any(isinstance(key, Permission) and allows(user, key) for key in keys)
    return held or bool(keys & user.node_roles)


def context(request: HttpRequest) -> dict[str, object]:
    """Give every template the node's name and the lazily counted menu."""
    return {"nav": Nav(request), "node_title": settings.NODE_TITLE, "node_name": settings.NODE_NAME}
