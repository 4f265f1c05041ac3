"""Owners say for what a dataset may be used, in codes that other catalogues read too. It decides nothing by itself."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset, UseCondition
from domains.catalog.use import Condition, parse
from domains.errors import IllegalMove
from domains.people.models import User
from domains.people.permissions import Permission, require


@transaction.atomic(durable=True)
def declare_use(dataset: Dataset, conditions: Iterable[tuple[str, str]], *, by: User) -> None:
    """Replace the conditions of use by these (code, detail) pairs; the log keeps what they were and became."""
    require(by, Permission.DATASET_EDIT, on=dataset)
    new = parse(conditions)
    row = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if row.status == DatasetStatus.WITHDRAWN:
        raise IllegalMove("A withdrawn dataset is not described any more.")
    before = conditions_of(row)
    UseCondition.objects.filter(dataset=row).delete()
    for each in new:
        UseCondition.objects.create(dataset=row, code=each.code, detail=each.detail)
    was, use = ([each.in_words for each in rows] for rows in (before, new))
    record(Event.DATASET_EDITED, by=by, on=dataset, was=was, use=use)


def conditions_of(dataset: Dataset) -> tuple[Condition, ...]:
    """Return what is declared, in the ontology's order."""
    return parse((row.code, row.detail) for row in dataset.use_conditions.all())
