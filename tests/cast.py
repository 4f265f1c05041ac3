"""The people and things that tests of catalogue, projects and their API begin with, made through the actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from domains.catalog import actions as catalog
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import Dataset, DatasetVersion, Population, ResearchArea
from domains.people.models import Membership, User
from domains.people.permissions import Role
from domains.projects import actions as projects
from domains.projects.models import Project

COLUMNS: list[dict[str, Any]] = [
    {
        "name": "age",
        "kind": "integer",
        "lower": 18,
        "upper": 110,
        "source": "protocol",
        "description": "Years",
    },
    {"name": "sex", "kind": "category", "codes": ["female", "male"], "source": "codebook"},
    {
        "name": "charges",
        "kind": "decimal",
        "lower": "0",
        "upper": "200000",
        "step": "1",
        "source": "protocol",
    },
]


def person(name: str, *roles: Role) -> User:
    """Make a person with node-wide roles, as `people` gives them."""
    user = User.objects.create_user(f"{name.lower()}@hospital.example", "a long passphrase", name=name)
    for role in roles:
        Membership.objects.create(user=user, role=role)
    return user


@dataclass
class Cast:
    """Everyone in the story, and where it plays."""

    alice: User
    rita: User
    sam: User
    ada: User
    theo: User
    charlie: User
    area: ResearchArea
    population: Population


def cast() -> Cast:
    """Seat Alice and Rita in a research area; Sam and Charlie are scientists, Ada administers, Theo audits."""
    alice, rita = person("Alice", Role.OWNER), person("Rita", Role.REVIEWER)
    sam, charlie = person("Sam", Role.SCIENTIST), person("Charlie", Role.SCIENTIST)
    ada, theo = person("Ada", Role.ADMINISTRATOR), person("Theo", Role.AUDITOR)
    area = catalog.create_area(name="Intensive care", slug="intensive-care", by=ada)
    catalog.seat(area, alice, role=Role.AREA_OWNER, by=ada)
    catalog.seat(area, rita, role=Role.AREA_REVIEWER, by=ada)
    population = catalog.create_population(area=area, name="Patients", unit_label="one patient", by=alice)
    return Cast(alice, rita, sam, ada, theo, charlie, area, population)


def draft_dataset(given: Cast, slug: str = "support2", *, by: User | None = None) -> Dataset:
    """Describe a dataset; its first version is declared but not published."""
    by = by or given.alice
    dataset = catalog.create_dataset(
        area=given.area, population=given.population, title=slug.title(), slug=slug, by=by
    )
    version = catalog.new_version(dataset, by=by)
    catalog.declare(version, columns=COLUMNS, max_units=10_000, declared_rows=9_000, by=by)
    return dataset


def published(dataset: Dataset, *, mock_origin: str = "generated", sha256: str = "a" * 64) -> DatasetVersion:
    """Publish a dataset's draft as intake leaves it, without a file: these tests are not about bytes."""
    version = dataset.versions.get(status=VersionStatus.DRAFT)
    by, now = dataset.created_by, timezone.now()
    DatasetVersion.objects.filter(pk=version.pk).update(
        status=VersionStatus.PUBLISHED,
        sha256=sha256,
        mock_sha256="b" * 64,
        mock_origin=mock_origin,
        attested_at=now,
        attested_by=by,
        published_at=now,
        published_by=by,
    )
    Dataset.objects.filter(pk=dataset.pk).update(status=DatasetStatus.PUBLISHED)
    dataset.refresh_from_db()
    version.refresh_from_db()
    return version


def dataset(given: Cast, slug: str = "support2") -> Dataset:
    """Return a published dataset."""
    made = draft_dataset(given, slug)
    published(made)
    return made


def proposal(given: Cast, *datasets: Dataset, **words: Any) -> Project:
    """Return a project that Sam has proposed and not handed in."""
    words = {"title": "Costs of care", "lay_summary": "What care costs.", "purpose": "Fair payment.", **words}
    return projects.propose(area=given.area, datasets=datasets, **{"by": given.sam, **words})


def approved(given: Cast, *datasets: Dataset) -> Project:
    """Return Sam's project, approved by Rita."""
    project = proposal(given, *datasets)
    projects.submit(project, by=given.sam)
    projects.review(project, version=project.version, vote="approve", by=given.rita)
    return project


def granted(project: Project, *, by: User) -> Any:
    """Give a project's first grant its dates, as the ledger's allocation does; the budget is the ledger's own."""
    grant = project.grants.get()
    now = timezone.now()
    type(grant).objects.filter(pk=grant.pk).update(
        status="granted", granted_at=now, granted_by=by, valid_from=now, valid_to=now + timedelta(days=30)
    )
    grant.refresh_from_db()
    return grant
