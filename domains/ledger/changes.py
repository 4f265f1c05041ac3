"""How limits change, as rows: a change, a proposal that waits for a second person, a top-up, an alert; see `models`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import AppendOnly, HasLifecycle, Model, paired
from domains.ledger.account import Account
from domains.ledger.lifecycle import TOPUP, ProposalStatus, TopUpStatus


class LimitChange(AppendOnly):
    """An explicit, reasoned change of a limit; raising a dataset's or population's takes two people."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="limit_changes")
    number = models.PositiveIntegerField()  # 1, 2, … within the account
    rho_before = models.BigIntegerField()
    rho_after = models.BigIntegerField()
    delta_before = models.BigIntegerField()
    delta_after = models.BigIntegerField()
    pure_before = models.BigIntegerField(default=0)
    pure_after = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=300)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("changed_by")),
                name="limit_change_two_people",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="limit_change_says_why"),
            models.CheckConstraint(
                condition=Q(rho_after__gte=0, delta_after__gte=0), name="limit_change_not_negative"
            ),
            models.CheckConstraint(condition=Q(pure_after__gte=0), name="limit_change_pure_not_negative"),
            models.UniqueConstraint(fields=["account", "number"], name="limit_change_number"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.rho_before} → {self.rho_after}"


class LimitProposal(Model):
    """A raise that one person asked for and another has yet to confirm."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="proposals")
    limit_version = models.PositiveIntegerField()  # of the account when it was proposed
    rho = models.BigIntegerField()
    delta = models.BigIntegerField()
    pure = models.BigIntegerField(default=0)
    epsilon = models.DecimalField(max_digits=10, decimal_places=6)  # what rho was written as
    reason = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=ProposalStatus.choices, default=ProposalStatus.OPEN)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["created_at"]
        constraints = [
            paired("decided", "limit_proposal"),
            models.UniqueConstraint(
                fields=["account"], condition=Q(status="open"), name="limit_proposal_one_open"
            ),
            models.CheckConstraint(
                condition=~Q(status="confirmed")
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
                name="limit_proposal_two_people",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="limit_proposal_says_why"),
            models.CheckConstraint(condition=Q(pure__gte=0), name="limit_proposal_pure_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: ε = {self.epsilon} proposed"


class TopUp(Model, HasLifecycle):
    """A larger budget that a project asks for a grant: one person proposes it, another confirms it (S5)."""

    lifecycle = TOPUP

    grant = models.ForeignKey("projects.AccessGrant", on_delete=models.PROTECT, related_name="topups")
    status = models.CharField(
        max_length=10, default=TopUpStatus.ASKED, choices=[(k, s.label) for k, s in TOPUP.items()]
    )
    asked_epsilon = models.DecimalField(max_digits=10, decimal_places=6)  # the whole new limit, as asked
    epsilon = models.DecimalField(max_digits=10, decimal_places=6)  # … and as proposed
    pure_epsilon = models.DecimalField(max_digits=10, decimal_places=6, null=True)  # None: stays as it is
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # What the second person confirms, in ledger units, and the version of the limit that it was proposed on.
    rho = models.BigIntegerField(null=True)
    delta = models.BigIntegerField(null=True)
    pure = models.BigIntegerField(null=True)
    limit_version = models.PositiveIntegerField(null=True)
    proposed_at = models.DateTimeField(null=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    answer = models.CharField(max_length=300, blank=True)  # why it was declined

    class Meta:
        verbose_name = "top-up"
        ordering = ["-created_at"]
        constraints = [
            paired("proposed", "topup"),
            paired("decided", "topup"),
            models.UniqueConstraint(
                fields=["grant"], condition=Q(status__in=["asked", "proposed"]), name="topup_one_open"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["proposed", "confirmed"])
                | Q(
                    proposed_by__isnull=False,
                    rho__isnull=False,
                    delta__isnull=False,
                    pure__isnull=False,
                    limit_version__isnull=False,
                ),
                name="topup_proposed_in_full",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["asked", "proposed"], decided_by__isnull=True)
                | Q(status__in=["confirmed", "declined", "withdrawn"], decided_by__isnull=False),
                name="topup_decided_at_its_end",
            ),
            models.CheckConstraint(
                condition=~Q(status="confirmed")
                | (~Q(decided_by=F("proposed_by")) & ~Q(decided_by=F("asked_by"))),
                name="topup_two_people",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="topup_says_why"),
            models.CheckConstraint(
                condition=~Q(status="declined") | ~Q(answer=""), name="topup_declined_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grant}: ε = {self.epsilon} {self.status}"


class BudgetAlert(AppendOnly):
    """Somebody was told that an account, under this version of its limit, has reached a share of it."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="alerts")
    limit_version = models.PositiveIntegerField()
    threshold = models.PositiveSmallIntegerField()  # percent

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["account", "limit_version", "threshold"], name="alert_once"),
            models.CheckConstraint(condition=Q(threshold__in=[50, 80, 95]), name="alert_threshold"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.threshold} %"
