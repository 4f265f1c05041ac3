"""A cap and what has been reserved and spent under it, as a row; see `models`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from domains.base import Model
from domains.catalog.models import Dataset, Population
from domains.ledger.lifecycle import Scope
from privacy.loss import Loss


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
