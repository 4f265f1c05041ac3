"""The policy in force on a dataset, asked about a request: when it is submitted, decided on, estimated and run."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from domains.catalog.models import AccessPolicy
from domains.projects.models import AccessGrant
from domains.requests import facts
from domains.requests.models import AnalysisRequest
from domains.requests.policy import Allow, Policy, Verdict, assess
from domains.requests.specification import Specification


def in_force(dataset: str) -> AccessPolicy | None:
    """Return the active policy of a dataset, by its key."""
    return AccessPolicy.objects.filter(dataset=dataset, activated_at__isnull=False, ended_at=None).first()


def value_of(policy: AccessPolicy, grant: AccessGrant, *more: str) -> Policy:
    """Return a policy as a value for a grant; `more` are keys of others who answer for it."""
    makers = {policy.proposed_by_id, policy.activated_by_id, *more}
    return Policy(
        policy.pk,
        policy.number,
        policy.rules,
        policy.sha256,
        grant.dataset.population.conversion_delta,
        is_of_project=bool(makers & grant.project.member_ids),
    )


def verdict_for(
    grant: AccessGrant, specification: Specification, *, besides: str = ""
) -> tuple[Policy | None, Verdict]:
    """Return the dataset's active policy, if any, and what it says of a priced request now."""
    row, now = in_force(grant.dataset_id), timezone.now()
    if row is None:
        return None, assess(facts.of_specification(specification, grant.project, at=now), None)
    policy = value_of(row, grant)
    earlier = facts.earlier_of(grant, specification.person_id, at=now, besides=besides)
    return policy, assess(
        facts.of_specification(specification, grant.project, at=now, earlier=earlier), policy
    )


def is_automatic(analysis: AnalysisRequest) -> bool:
    """Answer whether a policy approved the request, and no person."""
    return (
        analysis.policy_id is not None and analysis.decided_by_id is None and analysis.decided_at is not None
    )


def still_stands(analysis: AnalysisRequest, specification: Specification) -> bool:
    """Answer whether an approval by a policy that has ended since would be given again by what is in force now.

    People's approvals stand by themselves, and so does a policy's as long as it is in force.
    """
    if not is_automatic(analysis):
        return True
    row = in_force(analysis.grant.dataset_id)
    if row is not None and row.pk == analysis.policy_id:
        return True
    _, verdict = verdict_for(analysis.grant, specification, besides=analysis.pk)
    return isinstance(verdict, Allow)


def binding(policy_id: str | None) -> dict[str, Any] | None:
    """Return what an approval binds of the policy that was asked: its version and the hash of its bytes as they are."""
    row = AccessPolicy.objects.filter(pk=policy_id).first() if policy_id else None
    return None if row is None else {"id": row.pk, "number": row.number, "sha256": row.content_sha256}
