"""Where an event's subject is shown, when it has a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from domains.catalog.models import AccessPolicy, Dataset, DatasetVersion
from domains.projects.models import AccessGrant
from domains.requests.models import Release
from domains.synthetic.models import SyntheticMock


@dataclass(frozen=True)
class About:
    """A page about the subject of an event, and what it is called there."""

    text: str
    url: str


def _dataset(pk: str) -> About | None:
    row = Dataset.objects.filter(pk=pk).first()
    return About(row.title, reverse("dataset", args=[row.slug])) if row else None


def _version(pk: str) -> About | None:
    row = DatasetVersion.objects.filter(pk=pk).select_related("dataset").first()
    return About(str(row), reverse("dataset", args=[row.dataset.slug])) if row else None


def _policy(pk: str) -> About | None:
    row = AccessPolicy.objects.filter(pk=pk).select_related("dataset").first()
    return About(str(row), reverse("dataset_rules", args=[row.dataset.slug])) if row else None


def _grant(pk: str) -> About | None:
    row = AccessGrant.objects.filter(pk=pk).select_related("project", "dataset").first()
    return About(str(row), reverse("project", args=[row.project_id])) if row else None


def _release(pk: str) -> About | None:
    row = Release.objects.filter(pk=pk).select_related("analysis").first()
    return About(row.analysis.title, reverse("request", args=[row.analysis_id])) if row else None


def _synthetic(pk: str) -> About | None:
    row = SyntheticMock.objects.filter(pk=pk).select_related("version__dataset").first()
    return (
        About(str(row), reverse("synthetic_mock", args=[row.version.dataset.slug, row.pk])) if row else None
    )


_PAGES: dict[str, Callable[[str], About | None]] = {
    "project": lambda pk: About("the project", reverse("project", args=[pk])),
    "analysisrequest": lambda pk: About("the request", reverse("request", args=[pk])),
    "user": lambda pk: About("the person", reverse("person", args=[pk])),
    "dataset": _dataset,
    "datasetversion": _version,
    "accesspolicy": _policy,
    "accessgrant": _grant,
    "release": _release,
    "syntheticmock": _synthetic,
}


def about(subject_type: str, subject: str) -> About | None:
    """Return the page about a subject, in at most one query; None where there is none."""
    find = _PAGES.get(subject_type)
    return find(subject) if find else None
