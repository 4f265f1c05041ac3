"""What a policy may know of a request, gathered: from its plan and price, the clock, and earlier approvals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from domains.catalog.conditions import DAYS_WITHIN
from domains.catalog.models import DatasetVersion
from domains.delivery.rhythm import zone
from domains.projects.models import AccessGrant, Project
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.policy import Earlier, Facts
from domains.requests.specification import Specification
from privacy.loss import Loss, comparable_rho
from privacy.query.plan import Plan, columns_touched
from privacy.workload.plan import Workload, is_workload, touched

LONGEST = timedelta(days=max(DAYS_WITHIN.values()))
# How a measure's mechanism begins, and its code; whatever else it says, it is not one that we know to be private.
_MECHANISMS = {
    "discrete Gaussian": "gaussian",
    "discrete Laplace": "laplace",
    "exponential mechanism": "exponential",
    "permute and flip": "permute_and_flip",
}
_THRESHOLD, _TREE = " with threshold", " on "


def of_specification(
    specification: Specification, project: Project, *, at: datetime, earlier: Iterable[Earlier] = ()
) -> Facts:
    """Return the facts of a question of a project's that was just priced."""
    measures = [measure.to_dict() for measure in specification.pricing.measures]
    plan, loss, version = specification.plan, specification.loss, specification.version
    return _facts(plan, loss, measures, version, project, at, earlier)


def of_revision(
    revision: Revision, project: Project, *, at: datetime, earlier: Iterable[Earlier] = ()
) -> Facts:
    """Return the facts of a stored revision as they were priced then, with the project as it is now."""
    plan = Workload.from_dict(revision.plan) if is_workload(revision.plan) else Plan.from_dict(revision.plan)
    return _facts(plan, revision.loss, revision.pricing["measures"], revision.version, project, at, earlier)


def _facts(
    plan: Plan | Workload,
    loss: Loss,
    measures: list[dict[str, Any]],
    version: DatasetVersion,
    project: Project,
    at: datetime,
    earlier: Iterable[Earlier],
) -> Facts:
    here = at.astimezone(zone(settings.NODE_TIMEZONE))
    parts = [marginal.plan for marginal in plan.marginals] if isinstance(plan, Workload) else [plan]
    mechanisms = frozenset(mechanism_of(measure["mechanism"]) for measure in measures)
    return Facts(
        kind="workload" if isinstance(plan, Workload) else "query",
        mechanisms=mechanisms,
        aggregates=frozenset(aggregate.fn for part in parts for aggregate in part.aggregates),
        columns=frozenset(touched(plan) if isinstance(plan, Workload) else columns_touched(plan)),
        purposes=frozenset(project.purpose_codes),
        loss=loss,
        is_proven=is_proven(loss, measures),
        weekday=here.weekday(),
        minute=here.hour * 60 + here.minute,
        version_days=(at - version.published_at).days if version.published_at else 0,
        earlier=tuple(earlier),
    )


def mechanism_of(text: str) -> str:
    """Return the code of a measure's mechanism, or "unknown"."""
    base = text.removesuffix(_THRESHOLD)
    if base != text:
        return "threshold" if base in _MECHANISMS else "unknown"
    return _MECHANISMS.get(base.split(_TREE)[0], "unknown")


def is_proven(loss: Loss, measures: list[dict[str, Any]]) -> bool:
    """Say whether every figure has a mechanism that we know, and the loss covers all of them."""
    known = all(mechanism_of(measure["mechanism"]) != "unknown" for measure in measures)
    spent = [sum(measure.get(currency, 0) for measure in measures) for currency in ("rho", "pure")]
    return bool(measures) and known and spent[0] <= loss.rho and spent[1] <= loss.pure and any(spent)


def earlier_of(grant: AccessGrant, person: str, *, at: datetime, besides: str = "") -> list[Earlier]:
    """Return what automation approved on the grant's dataset within 30 days, for the grant or the person.

    One query. `besides` is the key of a request that does not count: the one that is judged again.
    """
    rows = AnalysisRequest.objects.filter(
        Q(grant=grant) | Q(author=person, grant__dataset=grant.dataset_id),
        status=Status.APPROVED,
        decided_by=None,
        decided_at__gt=at - LONGEST,
        decided_at__lte=at,
        job__isnull=False,
    ).exclude(pk=besides)
    names = ("grant_id", "author_id", "decided_at", "revision__rho", "revision__delta", "revision__pure")
    return [
        Earlier(
            (at - decided_at).total_seconds(),
            comparable_rho(Loss(*loss)),
            is_of_grant=of == grant.pk,
            is_of_person=author == person,
        )
        for of, author, decided_at, *loss in rows.values_list(*names)
    ]
