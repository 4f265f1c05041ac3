"""Test objects that walk the real road: people are invited, projects reviewed, requests submitted and decided.

Alice owns, Rita reviews, Sam studies, Ada administers, Theo audits, Charlie is a stranger.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone

from domains.catalog import actions as catalog
from domains.catalog.models import AccessPolicy, Dataset, DatasetVersion, Population, ResearchArea
from domains.intake import actions as intake
from domains.intake import connecting
from domains.intake.models import ConnectionCheck, UploadFormat
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs import tasks
from domains.ledger import actions as ledger
from domains.people import actions as people
from domains.people.founding import first_administrator
from domains.people.models import User
from domains.people.permissions import Permission, Role
from domains.projects import actions as projects
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import AccessGrant, Project
from domains.requests import actions as requests
from domains.requests import decisions, dry_runs, incidents
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Release

PASSWORD = "a long enough password 42"
CAST = {
    "ada": ("Ada Administrator", Role.ADMINISTRATOR),
    "alice": ("Alice Owner", Role.OWNER),
    "rita": ("Rita Reviewer", Role.REVIEWER),
    "sam": ("Sam Scientist", Role.SCIENTIST),
    "theo": ("Theo Auditor", Role.AUDITOR),
    "charlie": ("Charlie Stranger", Role.SCIENTIST),
}
SUPPORT2 = Path(__file__).resolve().parent.parent / "portal" / "demo" / "support2"
QUESTION = "SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex"


def person(name: str, role: Role | None = None) -> User:
    """Return a member of the cast, or a new person with `role`, joining by invitation the first time."""
    title, its_role = CAST.get(name, (name.title(), role))
    found = User.objects.filter(email=f"{name}@hospital.example").first()
    if found is not None:
        return found
    if name == "ada":
        return first_administrator("ada@hospital.example", title, PASSWORD)
    _, secret = people.invite(f"{name}@hospital.example", title, role or its_role, by=person("ada"))
    return people.accept_invitation(secret, title, PASSWORD)


def cast() -> dict[str, User]:
    """Return the whole cast by name."""
    return {name: person(name) for name in CAST}


def token(user: User, scopes: Iterable[Permission] = Permission) -> str:
    """Return the plain text of a fresh token with `scopes`."""
    return people.create_token(user, "test", scopes, 1, by=user)[1]


def area(slug: str = "intensive-care") -> ResearchArea:
    """Return a research area where Alice owns and Rita reviews."""
    found = ResearchArea.objects.filter(slug=slug).first()
    if found is not None:
        return found
    made = catalog.create_area(name=slug.replace("-", " ").capitalize(), slug=slug, by=person("ada"))
    catalog.seat(made, person("alice"), role=Role.AREA_OWNER, by=person("ada"))
    catalog.seat(made, person("rita"), role=Role.AREA_REVIEWER, by=person("ada"))
    return made


def connection_test(name: str = "clinic") -> ConnectionCheck:
    """Return a test, which no worker has done yet, of a new connection of Alice's area."""
    made = catalog.add_connection(
        area=area(),
        name=name,
        host="db.hospital.example",
        database="clinic",
        role="gridhouse",
        by=person("alice"),
    )
    return connecting.check_connection(made, by=person("alice"))


def population(name: str = "SUPPORT2 patients") -> Population:
    """Return a population by name."""
    found = Population.objects.filter(name=name).first()
    return found or catalog.create_population(
        area=area(), name=name, unit_label="one patient", by=person("alice")
    )


def dataset(
    slug: str = "support2", *, epsilon: str = "3", pure: str = "0", rows: int = 300, tick: str = "0.05"
) -> Dataset:
    """Return a published dataset with the first `rows` patients of SUPPORT2, conformed by real child processes."""
    found = Dataset.objects.filter(slug=slug).first()
    if found is not None:
        return found
    alice = person("alice")
    made = catalog.create_dataset(
        area=area(), population=population(), title=slug.title(), slug=slug, tick=Decimal(tick), by=alice
    )
    version = draft_version(made, rows=rows)
    intake.publish(
        version,
        attested=True,
        dataset_epsilon=Decimal(epsilon),
        dataset_pure_epsilon=Decimal(pure),
        population_epsilon=Decimal(epsilon),
        population_pure_epsilon=Decimal(pure),
        by=alice,
    )
    made.refresh_from_db()
    return made


def draft_version(dataset: Dataset, *, rows: int = 300) -> DatasetVersion:
    """Return a draft version with a declared schema and a conformed upload."""
    alice = person("alice")
    version = catalog.new_version(dataset, by=alice)
    upload = intake.receive(
        version, io.BytesIO(support2_csv(rows)), filename="support2.csv", format=UploadFormat.CSV, by=alice
    )
    run_jobs()
    catalog.declare(version, **declaration(), by=alice)
    upload.refresh_from_db()
    intake.conform(upload, by=alice)
    run_jobs()
    version.refresh_from_db()
    return version


@functools.cache
def support2_csv(rows: int) -> bytes:
    """Return the header and the first `rows` patients of SUPPORT2 as CSV."""
    with gzip.open(SUPPORT2 / "support2.csv.gz", "rt", newline="") as file:
        kept = [row for _, row in zip(range(rows + 1), csv.reader(file), strict=False)]
    out = io.StringIO()
    csv.writer(out).writerows(kept)
    return out.getvalue().encode()


def declaration() -> dict[str, Any]:
    """Return SUPPORT2's declared schema as the demonstration declares it."""
    declared: dict[str, Any] = json.loads((SUPPORT2 / "schema.json").read_text())["version"]
    return declared


def project(
    status: ProjectStatus = ProjectStatus.APPROVED, *, title: str = "Costs", slug: str = "support2"
) -> Project:
    """Return a project of Sam's on one dataset, in `status`."""
    sam = person("sam")
    made = projects.propose(
        area=area(),
        title=title,
        lay_summary="What intensive care costs.",
        purpose="Health services research.",
        datasets=[dataset(slug)],
        members=[],
        by=sam,
    )
    if status == ProjectStatus.DRAFT:
        return made
    projects.submit(made, by=sam)
    if status == ProjectStatus.APPROVED:
        projects.review(made, version=made.version, vote="approve", by=person("rita"))
    made.refresh_from_db()
    return made


def grant(
    epsilon: str = "1",
    *,
    pure: str = "0",
    title: str = "Costs",
    slug: str = "support2",
    person_epsilon: str | None = None,
) -> AccessGrant:
    """Return a grant of Sam's approved project with a budget; with `pure`, of a dataset that has a pure ε of 2."""
    dataset(slug, pure="2" if Decimal(pure) else "0")
    made = project(title=title, slug=slug).grants.get()
    own = Decimal(person_epsilon) if person_epsilon else None
    caps = {"epsilon": Decimal(epsilon), "pure_epsilon": Decimal(pure)}
    ledger.allocate(made, **caps, person_epsilon=own, by=person("ada"))
    return AccessGrant.objects.select_related("project__area", "dataset__population").get(pk=made.pk)


def request(
    status: Status = Status.READY, *, on: AccessGrant | None = None, sql: str = QUESTION, epsilon: str = "0.1"
) -> AnalysisRequest:
    """Return a request of Sam's that has come as far as `status` through the actions."""
    sam = person("sam")
    analysis = requests.draft(on or grant(), title="Patients by sex", sql=sql, epsilon=epsilon, by=sam)
    if status == Status.DRAFT:
        return analysis
    findings = requests.check(analysis, by=sam)
    assert not findings, findings
    if status == Status.READY:
        return analysis
    requests.submit(analysis, revision=1, by=sam)
    if status == Status.IN_REVIEW:
        return analysis
    votes = {Status.APPROVED: "approve", Status.DENIED: "deny", Status.CHANGES_REQUESTED: "request_changes"}
    decisions.review(analysis, revision=1, vote=votes[status], reason="Because.", by=person("alice"))
    return analysis


def limits(epsilon: str = "0.1", month: str = "1", **more: Any) -> list[dict[str, Any]]:
    """Return the conditions that every rule which allows needs, by ε, for a month's requests of one grant."""
    share = {"is": "automatic_loss", "test": "at_most", "epsilon": month, "per": "grant", "within": "month"}
    return [{"is": "loss", "test": "at_most", "epsilon": epsilon}, share | more]


def rules(*given: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a policy's document with these rules: what each says, and its conditions."""
    return {"format": 1, "rules": [{"then": then, "when": when} for then, when in given]}


def policy(dataset: Dataset, document: dict[str, Any], *, activated: bool = True) -> AccessPolicy:
    """Return a policy that Alice proposed; Rita tried it on past requests and activated it."""
    made = catalog.propose_policy(dataset, document=document, by=person("alice"))
    if activated:
        seen = dry_runs.try_policy(made, by=person("rita"))
        catalog.activate_policy(made, dry_run=seen, by=person("rita"))
    return made


def answered(**kwargs: Any) -> AnalysisRequest:
    """Return a request of Sam's whose answer was computed and released."""
    analysis = request(Status.APPROVED, **kwargs)
    run_jobs()
    return AnalysisRequest.objects.get(pk=analysis.pk)


def run_jobs(*queues: str) -> int:
    """Do every due job of `queues` (by default all but fits) in this process; real child processes compute."""
    done = 0
    for job in job_queries.ready(timezone.now(), list(queues or ("default", "query"))):
        claim = jobs.claim(job.pk)
        if claim is not None:
            tasks.work(claim)
            done += 1
    return done


def no_longer_out(analysis: str | AnalysisRequest, status: ReleaseStatus) -> None:
    """Take a request's answer to a state in which nobody may read it: revoked by Alice, or put there."""
    release = Release.objects.get(analysis=analysis, is_repeat=False)
    if status == ReleaseStatus.REVOKED:
        incidents.revoke_release(release, reason="It shows too much.", by=person("alice"))
    else:
        Release.objects.filter(pk=release.pk).update(status=status)
