"""Lists of people, invitations and tokens, each in a constant number of queries."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Count, Model, Prefetch, Q, QuerySet

from domains.errors import NotFound
from domains.people.models import ApiToken, Invitation, Membership, Organisation, User
from domains.people.permissions import Permission, Role, require

M = TypeVar("M", bound=Model)


def rows(user: User, search: str = "", role: str = "") -> QuerySet[User]:
    """Return everybody, for those who may read people; the roles held now are prefetched as `held`."""
    require(user, Permission.PEOPLE_READ)
    held = Prefetch("memberships", Membership.objects.filter(ended_at__isnull=True), to_attr="held")
    found = User.objects.select_related("organisation").prefetch_related(held).order_by("name", "pk")
    if search:
        found = found.filter(Q(name__icontains=search) | Q(email__icontains=search))
    if role:
        found = found.filter(
            pk__in=Membership.objects.filter(role=role, ended_at__isnull=True).values("user")
        )
    return found


def holders(*roles: Role) -> QuerySet[User]:
    """Return the active people who hold one of these roles of the node now, each once: whom to tell."""
    held = Membership.objects.filter(role__in=roles, ended_at=None).values("user")
    return User.objects.filter(pk__in=held, is_active=True)


def people(user: User, search: str = "", role: str = "") -> list[User]:
    """Return everybody with their roles filled in, for those who may read people; two queries."""
    found = list(rows(user, search, role))
    for one in found:
        one._node_roles = {Role(membership.role) for membership in one.held}  # type: ignore[attr-defined]
    return found


def person(pk: str, user: User) -> User:
    """Return one person for those who may read people, or raise NotFound."""
    require(user, Permission.PEOPLE_READ)
    return _one(User.objects.select_related("organisation"), pk)


def organisation_of(user: User) -> str | None:
    """Return the key of the organisation that `user` belongs to now; it stays theirs until the transaction ends."""
    held = User.objects.select_for_update(no_key=True).values_list("organisation_id", flat=True)
    return held.get(pk=user.pk)


def organisations(user: User, search: str = "", *, active: bool = False) -> QuerySet[Organisation]:
    """Return the organisations, for those who may read people; each with `headcount`, its open accounts."""
    require(user, Permission.PEOPLE_READ)
    found = Organisation.objects.annotate(headcount=Count("people", filter=Q(people__is_active=True)))
    if search:
        found = found.filter(Q(name__icontains=search) | Q(ror=search.rpartition("/")[2]))
    return (found.filter(retired_at__isnull=True) if active else found).order_by("name", "pk")


def organisation(slug: str, user: User) -> Organisation:
    """Return one organisation with its `headcount`, or raise NotFound."""
    found = organisations(user).filter(slug=slug).first()
    if found is None:
        raise NotFound("There is nothing here that you can see.")
    return found


def of_organisation(organisation: Organisation, user: User) -> QuerySet[User]:
    """Return the people of an organisation as `rows` does, closed accounts included."""
    return rows(user).filter(organisation=organisation)


def invitations(user: User) -> QuerySet[Invitation]:
    """Return the invitations that nobody has accepted or revoked, the newest first."""
    require(user, Permission.PEOPLE_MANAGE)
    return Invitation.objects.filter(accepted_at__isnull=True, revoked_at__isnull=True).select_related(
        "invited_by"
    )


def invitation(pk: str, user: User) -> Invitation:
    """Return one invitation, or raise NotFound."""
    require(user, Permission.PEOPLE_MANAGE)
    return _one(Invitation.objects.all(), pk)


def tokens(user: User) -> QuerySet[ApiToken]:
    """Return one's own tokens, the newest first, without those revoked."""
    return ApiToken.objects.filter(user=user, revoked_at__isnull=True)


def token(pk: str, user: User) -> ApiToken:
    """Return one of one's own tokens, or raise NotFound."""
    return _one(ApiToken.objects.filter(user=user), pk)


def _one(among: QuerySet[M], pk: str) -> M:
    found = among.filter(pk=pk).first()
    if found is None:
        raise NotFound("There is nothing here that you can see.")
    return found
