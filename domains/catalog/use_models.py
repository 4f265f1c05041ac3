"""Conditions of use that a dataset's owners declared."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from domains.base import Model
from domains.catalog.use import NEEDING, PERMISSIONS, TERMS, Condition


class UseCondition(Model):
    """One condition of use of a dataset, by its code in the Data Use Ontology."""

    dataset = models.ForeignKey("Dataset", on_delete=models.PROTECT, related_name="use_conditions")
    code = models.CharField(max_length=4, choices=[(code, term.label) for code, term in TERMS.items()])
    detail = models.CharField(max_length=160, blank=True)  # the disease, people, institutions or day

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(code__in=list(TERMS)), name="use_code"),
            models.CheckConstraint(
                condition=Q(code__in=NEEDING) & ~Q(detail="") | ~Q(code__in=NEEDING) & Q(detail=""),
                name="use_detail",
            ),
            models.UniqueConstraint(fields=["dataset", "code"], name="use_code_once"),
            models.UniqueConstraint(
                fields=["dataset"],
                condition=Q(code__in=[term.code for term in PERMISSIONS]),
                name="use_one_permission",
            ),
        ]

    def __str__(self) -> str:
        return self.value.in_words

    @property
    def value(self) -> Condition:
        """The condition as a value."""
        return Condition(self.code, self.detail)
