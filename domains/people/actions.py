"""What happens to people: invitations, roles, leaving and coming back."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.outbox import tell
from domains.people.models import ApiToken, Invitation, Membership, User
from domains.people.permissions import NODE_ROLES, Permission, Role, allows, label, require
from domains.people.tokens import digest, make

INVITATION_DAYS = 7
TOKEN_DAYS = 365  # the longest life of a token
# Who administers holds no approval right (S2), so these are never held together.
APART: dict[Role, frozenset[Role]] = {
    Role.ADMINISTRATOR: frozenset({Role.OWNER, Role.REVIEWER}),
    Role.OWNER: frozenset({Role.ADMINISTRATOR}),
    Role.REVIEWER: frozenset({Role.ADMINISTRATOR}),
}


@transaction.atomic(durable=True)
def invite(email: str, name: str, role: Role | str, *, by: User) -> tuple[Invitation, str]:
    """Invite somebody to take up a role; return the invitation and its secret, which is kept nowhere."""
    require(by, Permission.PEOPLE_MANAGE)
    email, role = clean_email(email), node_role(role)
    if email == by.email:
        raise NotAllowed("Nobody gives themselves a role.", code="self_grant")
    if User.objects.filter(email=email).exists():
        raise InvalidInput(
            "This address has an account already; give that person the role.", code="email_taken"
        )
    now = timezone.now()
    pending = Invitation.objects.filter(email=email, accepted_at__isnull=True, revoked_at__isnull=True)
    pending.filter(expires_at__lte=now).update(revoked_at=now, revoked_by=by)
    if pending.exists():
        raise InvalidInput(
            "This address has an open invitation; revoke it to make another.", code="already_invited"
        )
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        email=email,
        name=name.strip()[:120],
        role=role,
        secret_sha256=digest(secret),
        expires_at=now + timedelta(days=INVITATION_DAYS),
        invited_by=by,
    )
    record(Event.PERSON_INVITED, by=by, on=invitation, role=role.value)
    return invitation, secret


def open_invitation(secret: str) -> Invitation:
    """Return the invitation that `secret` opens now, or raise NotFound with one text for every reason."""
    invitation = (
        Invitation.objects.select_related("invited_by")
        .filter(
            secret_sha256=digest(secret),
            accepted_at__isnull=True,
            revoked_at__isnull=True,
            expires_at__gt=timezone.now(),
        )
        .first()
    )
    # A right is a predicate evaluated now: an invitation is worth no more than the one who made it.
    if invitation is None or not allows(invitation.invited_by, Permission.PEOPLE_MANAGE):
        raise NotFound("This invitation is not valid any more. Ask for a new one.", code="invitation_invalid")
    return invitation


@transaction.atomic(durable=True)
def accept_invitation(secret: str, name: str, password: str) -> User:
    """Make the invited person's account and give it the role; the secret is the permission, once."""
    invitation = open_invitation(secret)
    if User.objects.filter(email=invitation.email).exists():
        raise IllegalMove("This address has an account already. Sign in with it.", code="email_taken")
    user = new_user(invitation.email, name, password)
    claimed = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True)
    if claimed.update(accepted_at=timezone.now(), accepted_by=user) != 1:
        raise IllegalMove("This invitation was used or revoked a moment ago.")
    Membership.objects.create(user=user, role=invitation.role, granted_by=invitation.invited_by)
    record(Event.INVITATION_ACCEPTED, by=user, on=invitation, role=invitation.role)
    tell(
        [invitation.invited_by],
        Event.INVITATION_ACCEPTED,
        f"{user.name} accepted your invitation.",
        "/people/",
    )
    return user


@transaction.atomic(durable=True)
def revoke_invitation(invitation: Invitation, *, by: User) -> None:
    """Take back an invitation that nobody has accepted."""
    require(by, Permission.PEOPLE_MANAGE)
    pending = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True)
    if pending.update(revoked_at=timezone.now(), revoked_by=by) != 1:
        raise IllegalMove("This invitation was accepted or revoked already.")
    record(Event.INVITATION_REVOKED, by=by, on=invitation)


@transaction.atomic(durable=True)
def grant_role(user: User, role: Role | str, *, by: User) -> Membership:
    """Give a person a node-wide role; never to oneself (S2)."""
    require(by, Permission.PEOPLE_MANAGE)
    role = node_role(role)
    if user.pk == by.pk:
        raise NotAllowed("Nobody gives themselves a role.", code="self_grant")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two grants at once see each other's outcome
    if not user.is_active:
        raise IllegalMove("This account is deactivated.")
    user.forget_roles()
    if role in user.node_roles:
        raise IllegalMove(f"{user.name} has this role already.")
    if user.node_roles & APART.get(role, frozenset()):
        raise NotAllowed("Who administers the node decides nothing about data: end the other role first.")
    membership = Membership.objects.create(user=user, role=role, granted_by=by)
    user.forget_roles()
    record(Event.ROLE_GRANTED, by=by, on=user, role=role.value)
    tell([user], Event.ROLE_GRANTED, f"{by.name} gave you the role {label(role)}.", "/account/")
    return membership


@transaction.atomic(durable=True)
def end_role(user: User, role: Role | str, *, by: User) -> None:
    """End a node-wide role; the last administrator stays."""
    require(by, Permission.PEOPLE_MANAGE)
    role = node_role(role)
    if role is Role.ADMINISTRATOR:
        _keep_an_administrator(without=user)
    held = Membership.objects.filter(user=user, role=role, ended_at__isnull=True)
    if held.update(ended_at=timezone.now(), ended_by=by) != 1:
        raise IllegalMove(f"{user.name} does not have this role.")
    user.forget_roles()
    record(Event.ROLE_ENDED, by=by, on=user, role=role.value)
    tell([user], Event.ROLE_ENDED, f"{by.name} ended your role {label(role)}.", "/account/")


@transaction.atomic(durable=True)
def deactivate(user: User, *, by: User) -> None:
    """Close an account at once: its sessions end at their next request and its tokens are revoked."""
    require(by, Permission.PEOPLE_MANAGE)
    if user.pk == by.pk:
        raise NotAllowed("Another administrator has to close your account.", code="self_deactivation")
    _keep_an_administrator(without=user)
    now = timezone.now()
    active = User.objects.filter(pk=user.pk, is_active=True)
    if active.update(is_active=False, deactivated_at=now, deactivated_by=by) != 1:
        raise IllegalMove("This account is deactivated already.")
    ApiToken.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=now, revoked_by=by)
    user.refresh_from_db()
    record(Event.PERSON_DEACTIVATED, by=by, on=user)


@transaction.atomic(durable=True)
def reactivate(user: User, *, by: User) -> None:
    """Open a closed account again, with the roles it still holds; revoked tokens stay revoked."""
    require(by, Permission.PEOPLE_MANAGE)
    closed = User.objects.filter(pk=user.pk, is_active=False)
    if closed.update(is_active=True, deactivated_at=None, deactivated_by=None) != 1:
        raise IllegalMove("This account is active already.")
    user.refresh_from_db()
    record(Event.PERSON_REACTIVATED, by=by, on=user)
    tell([user], Event.PERSON_REACTIVATED, f"{by.name} opened your account again.", "/account/")


@transaction.atomic(durable=True)
def create_token(
    user: User, name: str, scopes: Iterable[Permission | str], days: int, *, by: User
) -> tuple[ApiToken, str]:
    """Make a token of one's own; return it with its plain text, which is kept nowhere.

    A token never makes a stronger one: through a token, only scopes that it has itself can be given.
    """
    require(by, Permission.TOKEN_MANAGE)
    if user.pk != by.pk:
        raise NotAllowed("Tokens are made by their owners only.", code="not_own_token")  # S8
    wanted = frozenset(str(scope) for scope in scopes)
    if not wanted or not wanted <= {known.value for known in Permission}:
        raise InvalidInput("Choose at least one scope, each from the list.", code="scopes_invalid")
    if by.token_scopes is not None and not wanted <= by.token_scopes:
        raise NotAllowed("A token cannot give scopes that it does not have.", code="token_scope")
    if not 1 <= days <= TOKEN_DAYS:
        raise InvalidInput(f"A token lives from 1 to {TOKEN_DAYS} days.", code="days_invalid")
    name = name.strip()
    if not name or len(name) > 80:
        raise InvalidInput("Give the token a name of at most 80 characters.", code="name_invalid")
    plain, prefix, sha256 = make()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        secret_sha256=sha256,
        scopes=sorted(wanted),
        expires_at=timezone.now() + timedelta(days=days),
    )
    record(Event.TOKEN_CREATED, by=by, on=token, scopes=sorted(wanted), days=days)
    return token, plain


@transaction.atomic(durable=True)
def revoke_token(token: ApiToken, *, by: User) -> None:
    """End a token at once: one's own, or anyone's for who manages people."""
    require(by, Permission.TOKEN_MANAGE)
    if token.user_id != by.pk and not allows(by, Permission.PEOPLE_MANAGE):
        raise NotFound("There is nothing here that you can see.")
    live = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    if live.update(revoked_at=timezone.now(), revoked_by=by) != 1:
        raise IllegalMove("This token was revoked already.")
    token.refresh_from_db()
    record(Event.TOKEN_REVOKED, by=by, on=token)


@transaction.atomic(durable=True)
def rename(user: User, name: str, institution: str, *, by: User) -> None:
    """Change what one's own account is called."""
    if user.pk != by.pk or by.token_scopes is not None:
        raise NotAllowed("Only the person themselves, signed in, changes this.", code="not_own_account")
    name, institution = name.strip(), institution.strip()
    if not name or len(name) > 120 or len(institution) > 160:
        raise InvalidInput("Give a name of at most 120 characters and an institution of at most 160.")
    User.objects.filter(pk=user.pk).update(name=name, institution=institution)
    user.name, user.institution = name, institution
    record(Event.PERSON_RENAMED, by=by, on=user)


def _keep_an_administrator(*, without: User) -> None:
    """Raise IllegalMove if `without` is the only active administrator.

    First the rows are locked and only then counted, by a query of its own: PostgreSQL re-reads the rows that
    it waited for, but not the accounts that it had joined to them before it waited.
    """
    rows = Membership.objects.filter(role=Role.ADMINISTRATOR, ended_at__isnull=True)
    list(rows.select_for_update(no_key=True).order_by("pk"))
    holders = set(rows.filter(user__is_active=True).values_list("user_id", flat=True))
    if holders == {without.pk}:
        raise IllegalMove(
            "The last administrator stays; appoint another one first.", code="last_administrator"
        )


def new_user(email: str, name: str, password: str) -> User:
    """Make an account after checking name and password; part of a caller's action, so it records nothing."""
    name = name.strip()
    if not name or len(name) > 120:
        raise InvalidInput("Give a name of at most 120 characters.", code="name_invalid")
    try:
        validate_password(password, User(email=email, name=name))
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), code="password_weak") from error
    return User.objects.create_user(email, password, name=name)


def clean_email(email: str) -> str:
    """Return the address in lower case, or raise InvalidInput."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput("This is not an e-mail address.", code="email_invalid") from error
    return email


def node_role(role: Role | str) -> Role:
    """Return a role that a person can hold node-wide, or raise InvalidInput."""
    if role not in {known.value for known in NODE_ROLES}:
        raise InvalidInput("There is no such role.", code="role_invalid")
    return Role(role)
