"""The ledger as rows. Integers only: rho and pure ε in units of 1e-12, delta in units of 1e-18.

Only this app imports these classes; others use `domains.ledger.actions` and `domains.ledger.queries`.
Foreign keys point downward and are strings. Triggers (`triggers.py`) keep what constraints cannot say.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from domains.base import Model
from domains.ledger.account import Account
from domains.ledger.changes import BudgetAlert, LimitChange, LimitProposal, TopUp
from domains.ledger.lifecycle import ChargeState, EntryKind, ProposalStatus, Scope
from privacy.loss import Loss

__all__ = [
    "Account",
    "Answer",
    "BudgetAlert",
    "Charge",
    "ChargeState",
    "Entry",
    "EntryKind",
    "LimitChange",
    "LimitProposal",
    "ProposalStatus",
    "Scope",
    "TopUp",
]


class Charge(Model):
    """A loss on its way through the ledger: RESERVED → COMMITTED → (answer) | BURNT, or RESERVED → VOID.

    It is spent by a person under a grant, or by a dataset's owners for everybody: then neither is named, and only
    the dataset's and its population's accounts are debited.
    """

    idem = models.CharField(max_length=64, unique=True)  # a content hash
    repeat_key = models.CharField(max_length=64, db_index=True)
    grant = models.ForeignKey("projects.AccessGrant", null=True, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=10, choices=ChargeState.choices, default=ChargeState.RESERVED)
    rho = models.BigIntegerField()
    delta = models.BigIntegerField()
    pure = models.BigIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    certificate = models.JSONField(default=dict)  # plan, loss and mechanisms as priced; no private value

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(rho__gte=0, delta__gte=0) & (Q(rho__gt=0) | Q(delta__gt=0) | Q(pure__gt=0)),
                name="charge_positive",
            ),
            models.CheckConstraint(condition=Q(pure__gte=0), name="charge_pure_not_negative"),
            models.CheckConstraint(condition=Q(state__in=ChargeState.values), name="charge_state"),
            models.CheckConstraint(
                condition=Q(grant__isnull=True, person__isnull=True)
                | Q(grant__isnull=False, person__isnull=False),
                name="charge_grant_with_person",
            ),
        ]

    def __str__(self) -> str:
        return f"charge {self.pk} {self.state}"

    @property
    def loss(self) -> Loss:
        return Loss(self.rho, self.delta, self.pure)


class Entry(models.Model):
    """One line of the books: a charge's effect on one account, and the account's balance after it."""

    seq = models.BigAutoField(primary_key=True)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=8, choices=EntryKind.choices)
    rho = models.BigIntegerField()
    delta = models.BigIntegerField()
    pure = models.BigIntegerField(default=0)
    rho_reserved = models.BigIntegerField()
    rho_spent = models.BigIntegerField()
    delta_reserved = models.BigIntegerField()
    delta_spent = models.BigIntegerField()
    pure_reserved = models.BigIntegerField(default=0)
    pure_spent = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        ordering = ["seq"]
        # The running balance is checked against the line before, so that line must be near at hand.
        indexes = [
            models.Index(fields=["account", "-seq"], name="entry_of_account"),
            models.Index(fields=["account", "at"], name="entry_of_account_at"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["charge", "account", "kind"], name="entry_once"),
            models.UniqueConstraint(
                fields=["charge", "account"],
                condition=Q(kind__in=["COMMIT", "VOID"]),
                name="entry_one_outcome",
            ),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="entry_kind"),
            models.CheckConstraint(condition=Q(rho__gte=0, delta__gte=0), name="entry_not_negative"),
            models.CheckConstraint(condition=Q(pure__gte=0), name="entry_pure_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.charge_id}"

    @property
    def label(self) -> str:
        """The account's own label."""
        return self.account.label


class Answer(models.Model):
    """The one answer of a committed charge, immutable; releases read these bytes and no others."""

    charge = models.OneToOneField(Charge, primary_key=True, on_delete=models.PROTECT, related_name="answer")
    payload = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    fence = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"answer to {self.charge_id}"
