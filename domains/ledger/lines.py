"""The lines of the books for people: filtered, in order, with what each of them is about."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, QuerySet

from domains.errors import NotFound
from domains.ledger import accounts
from domains.ledger.models import ChargeState, Entry, EntryKind, LimitChange
from domains.ledger.queries import inside
from domains.people.models import User
from domains.people.permissions import Permission, allows

BURNT = "BURNT"  # not a line of its own: a commit whose charge has no answer
KINDS = (*EntryKind.values, BURNT)
_RELATED = (
    *(f"account__{name}" for name in accounts.RELATED),
    "charge__person",
    "charge__grant__project",
    "charge__grant__dataset",
)


_FILTERS = {
    "account": "account",
    "scope": "account__scope",
    "project": "charge__grant__project",
    "person": "charge__person",
    "since": "at__date__gte",
    "until": "at__date__lte",
}


def rows(user: User, *, kind: str = "", dataset: str = "", **only: str | date | None) -> QuerySet[Entry]:
    """Return the lines that `user` may see and that fit every filter, newest first.

    `kind` is one of KINDS, `dataset` a short name; `only` takes account, scope, project and person (keys), and the
    days since and until, both included. What is empty filters nothing.
    """
    found = Entry.objects.filter(
        _inside(user), **{_FILTERS[name]: value for name, value in only.items() if value}
    )
    if dataset:
        found = found.filter(
            Q(account__dataset__slug=dataset)
            | Q(account__grant__dataset__slug=dataset)
            | Q(charge__grant__dataset__slug=dataset)
        )
    if kind == BURNT:
        found = found.filter(kind=EntryKind.COMMIT, charge__state=ChargeState.BURNT)
    elif kind:
        found = found.filter(kind=kind)
    return found.select_related(*_RELATED).order_by("-seq")


def _inside(user: User) -> Q:
    """Say which lines `user` may see; of who may see all no account is looked up, which took a second of long books."""
    return Q() if allows(user, Permission.BUDGET_READ) else Q(account__in=inside(user).values("pk"))


def one(seq: int, user: User) -> Entry:
    """Return one line that `user` may see, or raise NotFound."""
    found = rows(user).filter(seq=seq).first() if seq < 2**63 else None
    if found is None:
        raise NotFound("There is no such line that you can see.")
    return found


def beside(entry: Entry, user: User) -> QuerySet[Entry]:
    """Return all lines of the same charge that `user` may see, oldest first."""
    return rows(user).filter(charge=entry.charge_id).order_by("seq")


def changes(user: User, *, account: str = "") -> QuerySet[LimitChange]:
    """Return the changes of limits that `user` may see, newest first."""
    found = LimitChange.objects.filter(_inside(user))
    if account:
        found = found.filter(account=account)
    related = [f"account__{name}" for name in accounts.RELATED]
    return found.select_related("changed_by", "confirmed_by", *related).order_by("-id")
