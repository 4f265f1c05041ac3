"""Who has accepted an agreement and who has not, for those who publish it and for auditors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from domains.agreements import queries
from domains.agreements.models import Acceptance, Agreement
from domains.people.models import User
from domains.people.permissions import Permission, allows, require


@dataclass(frozen=True)
class Standing:
    """One person and their newest acceptance; `code` is accepted, expired, outdated or missing."""

    person: User
    is_concerned: bool
    acceptance: Acceptance | None
    code: str

    @property
    def label(self) -> str:
        """The state in words."""
        return {
            "accepted": "accepted",
            "expired": "run out",
            "outdated": "accepted an earlier version",
            "missing": "not accepted",
        }[self.code]


def may_look(agreement: Agreement, user: User) -> bool:
    """Answer whether this person may see who accepted: its managers, and auditors."""
    return queries.may_manage(agreement, user) or allows(user, Permission.AUDIT_READ)


def people(agreement: Agreement, user: User) -> QuerySet[User]:
    """Return whoever an agreement concerns or who ever accepted it, by name, with the newest acceptance's key."""
    if not queries.may_manage(agreement, user):
        require(user, Permission.AUDIT_READ)
    accepted = Acceptance.objects.filter(version__agreement=agreement)
    newest = accepted.filter(person=OuterRef("pk")).order_by("-version__number", "-renewal").values("pk")
    involved = Q(pk__in=queries.concerned(agreement).values("pk")) | Q(pk__in=accepted.values("person"))
    return User.objects.filter(involved).annotate(newest=Subquery(newest[:1])).order_by("name", "pk")


def standings(agreement: Agreement, rows: Iterable[User], now: datetime) -> list[Standing]:
    """Return how each of these people, as `people` gave them, stands at `now`; two queries."""
    users = list(rows)
    keys = [user.newest for user in users]  # type: ignore[attr-defined]
    found = Acceptance.objects.select_related("version").in_bulk([key for key in keys if key])
    on = set(queries.concerned(agreement).values_list("pk", flat=True))
    current = queries.current(agreement, now)
    lines = []
    for user, key in zip(users, keys, strict=True):
        acceptance = found.get(key)
        code = _code(acceptance, 0 if current is None else current.number, now)
        lines.append(Standing(user, user.pk in on, acceptance, code))
    return lines


def _code(acceptance: Acceptance | None, number: int, now: datetime) -> str:
    if acceptance is None:
        return "missing"
    if acceptance.version.number < number:
        return "outdated"
    ended = acceptance.expires_at is not None and acceptance.expires_at <= now
    return "expired" if ended else "accepted"
