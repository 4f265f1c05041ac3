"""An attacker's bench: datasets of the attacker's choice on a node, and questions that walk the whole portal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rest_framework.test import APIClient

from domains.catalog import actions as catalog
from domains.catalog.models import Dataset
from domains.intake import actions as intake
from domains.intake.models import UploadFormat
from domains.ledger import actions as ledger
from domains.projects.models import AccessGrant
from domains.requests.models import AnalysisRequest
from tests import make

BASE = "/api/v1/"


def published(
    slug: str, lines: Iterable[str], declared: Mapping[str, Any], *, epsilon: str = "900", tick: str = "0.05"
) -> Dataset:
    """Return a dataset with these CSV lines, uploaded, conformed by real child processes and published by Alice."""
    alice = make.person("alice")
    made = catalog.create_dataset(
        area=make.area(),
        population=make.population(f"People of {slug}"),
        title=slug.title(),
        slug=slug,
        tick=Decimal(tick),
        by=alice,
    )
    version = catalog.new_version(made, by=alice)
    file = io.BytesIO("\n".join(lines).encode())
    upload = intake.receive(version, file, filename=f"{slug}.csv", format=UploadFormat.CSV, by=alice)
    make.run_jobs()
    catalog.declare(version, **declared, by=alice)
    upload.refresh_from_db()
    intake.conform(upload, by=alice)
    make.run_jobs()
    version.refresh_from_db()
    caps = {"dataset_epsilon": Decimal(epsilon), "population_epsilon": Decimal(epsilon)}
    intake.publish(version, attested=True, **caps, by=alice)
    return made


def granted(slug: str, *, epsilon: str = "900") -> AccessGrant:
    """Return Sam's grant on a published dataset, with all of its budget."""
    made = make.project(title=f"On {slug}", slug=slug).grants.get()
    ledger.allocate(made, epsilon=Decimal(epsilon), by=make.person("ada"))
    return AccessGrant.objects.select_related("project", "dataset__population").get(pk=made.pk)


@dataclass
class Portal:
    """Sam and Alice with their tokens: what an outsider can do and see, call by call."""

    callers: dict[str, APIClient] = field(default_factory=dict)

    def call(self, name: str) -> APIClient:
        """Return the client of one person."""
        if name not in self.callers:
            self.callers[name] = APIClient()
            token = make.token(make.person(name))
            self.callers[name].credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return self.callers[name]

    def post(self, name: str, path: str, body: Any = None) -> dict[str, Any]:
        """Return the body of a call that has to succeed."""
        response = self.call(name).post(BASE + path, body or {}, format="json")
        assert response.status_code < 300, response.content
        found: dict[str, Any] = response.json()
        return found

    def asked(self, grant: AccessGrant, sql: str, epsilon: str) -> AnalysisRequest:
        """Return a request that Sam wrote and Alice approved; its job waits for a worker."""
        words = {"grant": grant.pk, "title": "A question", "sql": sql, "epsilon": epsilon}
        key = self.post("sam", "requests/", words)["id"]
        checked = self.post("sam", f"requests/{key}/check/")
        assert not checked["findings"], checked["findings"]
        self.post("sam", f"requests/{key}/submit/", {"revision": 1})
        self.post("alice", f"requests/{key}/review/", {"revision": 1, "vote": "approve"})
        return AnalysisRequest.objects.select_related("job", "revision").get(pk=key)

    def answered(self, grant: AccessGrant, sql: str, epsilon: str) -> dict[str, Any]:
        """Return the released answer to a question, as its bytes hold it."""
        analysis = self.asked(grant, sql, epsilon)
        make.run_jobs()
        response = self.call("sam").get(f"{BASE}requests/{analysis.pk}/result/payload/")
        assert response.status_code == 200, response.content
        found: dict[str, Any] = json.loads(b"".join(response) if response.streaming else response.content)
        return found


@contextmanager
def planted(target: Any, name: str, value: Any) -> Any:
    """Put a fault in the place of what `target` calls `name` while a block runs."""
    right = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, right)
