"""People and what they hold: roles, invitations, tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from domains.base import Model, paired
from domains.people.permissions import NODE_ROLES, Permission, Role, label


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an active user; without a password nobody can sign in as them until one is set."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class Organisation(Model):
    """An institution that this node knows by one name, so that people of two can be told apart from people of one."""

    name = models.CharField(max_length=160)
    slug = models.SlugField(max_length=50, unique=True)
    country = models.CharField(max_length=2, blank=True)  # ISO 3166-1, two capitals
    ror = models.CharField(max_length=9, blank=True)  # the key after ror.org/
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(
        "people.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            paired("retired", "organisation"),
            models.UniqueConstraint(Lower("name"), name="organisation_name_once"),
            models.UniqueConstraint(fields=["ror"], condition=~Q(ror=""), name="organisation_ror_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether people can still be put into it."""
        return self.retired_at is None


class User(Model, AbstractBaseUser):
    """A person with an account. What they may do follows from roles, never from flags."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    institution = models.CharField(max_length=160, blank=True)  # as the person puts it; decides nothing
    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="people"
    )
    is_active = models.BooleanField(default=True)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    deactivated_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()
    # Set by API authentication: what the presented token may be used for (S9); None in a browser session.
    token_scopes: frozenset[Permission] | None = None

    class Meta:
        ordering = ["name"]
        constraints = [
            paired("deactivated", "user"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
            models.CheckConstraint(
                condition=Q(is_active=True, deactivated_at__isnull=True)
                | Q(is_active=False, deactivated_at__isnull=False),
                name="user_active_or_deactivated",
            ),
            models.CheckConstraint(
                condition=Q(deactivated_by__isnull=True) | ~Q(deactivated_by=models.F("id")),
                name="user_not_self_deactivated",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def node_roles(self) -> set[Role]:
        """The node-wide roles held now; read once and kept for the life of this instance."""
        if not hasattr(self, "_node_roles"):
            rows = self.memberships.filter(ended_at__isnull=True).values_list("role", flat=True)
            self._node_roles = {Role(role) for role in rows}
        return self._node_roles

    def forget_roles(self) -> None:
        """Drop what `node_roles` kept, after a membership changed."""
        self.__dict__.pop("_node_roles", None)

    @property
    def is_staff(self) -> bool:
        """Whether the read-only admin site opens for them."""
        return bool(self.node_roles & {Role.ADMINISTRATOR, Role.AUDITOR})

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django's admin asks this; viewing is all that anyone may do there."""
        return self.is_active and self.is_staff and perm.rpartition(".")[2].startswith("view_")

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class Membership(Model):
    """A node-wide role given to a person by another person; ended, never deleted."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=[(r.value, r.value) for r in NODE_ROLES])
    granted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            paired("ended", "membership"),
            models.UniqueConstraint(
                fields=["user", "role"], condition=Q(ended_at__isnull=True), name="membership_once"
            ),
            models.CheckConstraint(
                condition=Q(granted_by__isnull=True) | ~Q(granted_by=models.F("user")),
                name="membership_not_self_given",  # S2: nobody gives themselves a role
            ),
            models.CheckConstraint(
                condition=Q(role__in=[r.value for r in NODE_ROLES]), name="membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role_label}"

    @property
    def role_label(self) -> str:
        """The role in words."""
        return label(self.role)


class Invitation(Model):
    """An invitation by e-mail to take up a role; only the hash of its secret is kept."""

    email = models.EmailField()
    name = models.CharField(max_length=120, blank=True)
    role = models.CharField(max_length=20, choices=[(r.value, r.value) for r in NODE_ROLES])
    secret_sha256 = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            paired("accepted", "invitation"),
            paired("revoked", "invitation"),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True),
                name="invitation_one_outcome",
            ),
            models.UniqueConstraint(
                fields=["email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_one_open",
            ),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="invitation_email_lower"),
            models.CheckConstraint(
                condition=Q(role__in=[r.value for r in NODE_ROLES]), name="invitation_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role_label}"

    @property
    def role_label(self) -> str:
        """The role in words."""
        return label(self.role)


class ApiToken(Model):
    """A bearer token: shown once, kept as prefix and hash, scoped, expiring."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)  # values of Permission
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            paired("revoked", "token"),
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("created_at")), name="token_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
