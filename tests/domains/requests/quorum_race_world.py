"""Three people approve the same requests at once where two are needed: python -m … . Prints a report as JSON."""

from __future__ import annotations

import collections
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import django

REQUESTS = 5
JUDGES = ("alice", "bea", "rita")


def build() -> tuple[list[str], dict[str, Any]]:
    """Make a dataset with three judges whose rule needs two, and requests that wait for them."""
    from domains.catalog import actions as catalog
    from domains.people.permissions import Role
    from domains.requests import rules
    from tests import make

    grant = make.grant("1")
    people = {name: make.person(name, Role.OWNER) for name in JUDGES}
    catalog.assign(grant.dataset, people["bea"], role=Role.DATASET_OWNER, by=people["alice"])
    catalog.assign(grant.dataset, people["rita"], role=Role.DATASET_REVIEWER, by=people["alice"])
    rules.set_rule(grant.dataset, people=2, by=people["alice"])
    asked = [f"SELECT COUNT(*) AS n FROM support2 WHERE age >= {40 + n}" for n in range(REQUESTS)]
    made = [make.request(make.Status.IN_REVIEW, on=grant, sql=sql, epsilon="0.05") for sql in asked]
    return [analysis.pk for analysis in made], people


def vote(person: Any, keys: list[str], barrier: Barrier) -> collections.Counter[str]:
    """Approve each request at the moment at which the others do."""
    from django.db import connection

    from domains.errors import DomainError
    from domains.requests import decisions, queries

    seen: collections.Counter[str] = collections.Counter()
    try:
        for key in keys:
            analysis = queries.detail(key, person)
            barrier.wait(60)
            try:
                decisions.review(analysis, revision=1, vote="approve", by=person)
                seen["counted"] += 1
            except DomainError as refusal:
                seen[f"refused {refusal.code}"] += 1
            except Exception as error:
                seen[f"error {type(error).__name__} {str(error)[:200]}"] += 1
            barrier.wait(60)
    finally:
        connection.close()
    return seen


def main() -> dict[str, Any]:
    """Vote side by side, then read what is stored."""
    django.setup()
    from domains.jobs.keeper import keeper
    from domains.ledger.models import Charge
    from domains.requests.models import AnalysisRequest, Review

    keys, people = build()
    keeper.stop()
    barrier = Barrier(len(people))
    seen: collections.Counter[str] = collections.Counter()
    with ThreadPoolExecutor(len(people)) as pool:
        for counted in pool.map(lambda person: vote(person, keys, barrier), people.values()):
            seen.update(counted)
    rows = AnalysisRequest.objects.filter(pk__in=keys)
    return {
        "seen": seen,
        "statuses": sorted(rows.values_list("status", flat=True)),
        "votes": [Review.objects.filter(revision__analysis=key).count() for key in keys],
        "charges": Charge.objects.count(),
        "jobs": len(set(rows.values_list("job", flat=True))),
    }


if __name__ == "__main__":
    print(json.dumps(main()))
