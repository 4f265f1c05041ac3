"""The ledger as rows. Integers only: rho and pure ε in units of 1e-12, delta in units of 1e-18.

Only this app imports these classes; others use `domains.ledger.actions` and `domains.ledger.queries`.
Foreign keys point downward and are strings. Triggers (`triggers.py`) keep what constraints cannot say.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import AppendOnly, HasLifecycle, Model, paired
from domains.catalog.models import Dataset, Population
from domains.ledger.lifecycle import TOPUP, TopUpStatus
from privacy.loss import Loss


class Scope(models.TextChoices):
    """What a cap is for; a charge passes through one account of each."""

    POPULATION = "population"
    DATASET = "dataset"
    GRANT = "grant"
    PERSON = "person"  # one person on one dataset


def _only(scope: str, **present: bool) -> Q:
    return Q(scope=scope, **{f"{name}__isnull": not there for name, there in present.items()})


class Account(Model):
    """A cap and what has been reserved and spent under it, one column per currency."""

    scope = models.CharField(max_length=10, choices=Scope.choices)
    population = models.ForeignKey(
        "catalog.Population", null=True, on_delete=models.PROTECT, related_name="+"
    )
    dataset = models.ForeignKey("catalog.Dataset", null=True, on_delete=models.PROTECT, related_name="+")
    grant = models.ForeignKey("projects.AccessGrant", null=True, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    rho_limit = models.BigIntegerField()
    rho_reserved = models.BigIntegerField(default=0)
    rho_spent = models.BigIntegerField(default=0)
    delta_limit = models.BigIntegerField()
    delta_reserved = models.BigIntegerField(default=0)
    delta_spent = models.BigIntegerField(default=0)
    # Pure ε has a cap of its own, 0 unless somebody set one, so that nothing is spent in it unasked.
    pure_limit = models.BigIntegerField(default=0)
    pure_reserved = models.BigIntegerField(default=0)
    pure_spent = models.BigIntegerField(default=0)
    limit_version = models.PositiveIntegerField(default=0)  # the number of the last limit change
    # On a grant's account: the cap that a person's own account starts with; null means the dataset's.
    person_rho = models.BigIntegerField(null=True)
    person_delta = models.BigIntegerField(null=True)
    person_pure = models.BigIntegerField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(rho_limit__gte=F("rho_reserved") + F("rho_spent")),
                name="account_rho_never_overspent",
            ),
            models.CheckConstraint(
                condition=Q(delta_limit__gte=F("delta_reserved") + F("delta_spent")),
                name="account_delta_never_overspent",
            ),
            models.CheckConstraint(
                condition=Q(pure_limit__gte=F("pure_reserved") + F("pure_spent")),
                name="account_pure_never_overspent",
            ),
            models.CheckConstraint(
                condition=Q(rho_reserved__gte=0, rho_spent__gte=0, delta_reserved__gte=0, delta_spent__gte=0),
                name="account_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(pure_reserved__gte=0, pure_spent__gte=0), name="account_pure_not_negative"
            ),
            models.CheckConstraint(
                condition=_only("population", population=True, dataset=False, grant=False, person=False)
                | _only("dataset", population=False, dataset=True, grant=False, person=False)
                | _only("grant", population=False, dataset=False, grant=True, person=False)
                | _only("person", population=False, dataset=True, grant=False, person=True),
                name="account_scope_matches",
            ),
            models.CheckConstraint(
                condition=Q(person_rho__isnull=True, person_delta__isnull=True, person_pure__isnull=True)
                | Q(scope="grant", person_rho__gte=0, person_delta__gte=0, person_pure__gte=0),
                name="account_person_cap",
            ),
            models.UniqueConstraint(
                fields=["population"], condition=Q(scope="population"), name="account_of_population"
            ),
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(scope="dataset"), name="account_of_dataset"
            ),
            models.UniqueConstraint(fields=["grant"], condition=Q(scope="grant"), name="account_of_grant"),
            models.UniqueConstraint(
                fields=["dataset", "person"], condition=Q(scope="person"), name="account_of_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} account {self.pk}"

    @property
    def label(self) -> str:
        """What people call it; read with `grant__project`, `dataset`, `population` and `person` selected."""
        if self.scope == Scope.PERSON:
            return f"{self.person} on {self.dataset}"
        return str(getattr(self, self.scope))

    @property
    def counted_in(self) -> Population:
        """The population whose δ turns ρ into ε for this account."""
        if self.population is not None:
            return self.population
        dataset: Dataset | None = self.grant.dataset if self.grant is not None else self.dataset
        if dataset is None:
            raise RuntimeError("an account without an object, which a constraint forbids")
        return dataset.population

    @property
    def limit(self) -> Loss:
        return Loss(self.rho_limit, self.delta_limit, self.pure_limit)

    @property
    def reserved(self) -> Loss:
        return Loss(self.rho_reserved, self.delta_reserved, self.pure_reserved)

    @property
    def spent(self) -> Loss:
        return Loss(self.rho_spent, self.delta_spent, self.pure_spent)


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


class ProposalStatus(models.TextChoices):
    OPEN = "open"
    CONFIRMED = "confirmed"
    ENDED = "ended"  # turned down, or taken back


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
            models.CheckConstraint(condition=Q(status__in=TopUpStatus.values), name="topup_status"),
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


class ChargeState(models.TextChoices):
    RESERVED = "RESERVED"
    COMMITTED = "COMMITTED"
    BURNT = "BURNT"
    VOID = "VOID"


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


class EntryKind(models.TextChoices):
    RESERVE = "RESERVE"
    COMMIT = "COMMIT"
    VOID = "VOID"


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
