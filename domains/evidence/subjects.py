"""Which keys the log's events about a project or a dataset carry, as one subquery that the log's index serves."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from domains.catalog.models import AccessPolicy, Dataset, DatasetVersion
from domains.intake.models import Upload
from domains.ledger import extracts
from domains.projects.models import AccessGrant, Amendment, Project
from domains.requests.models import AnalysisRequest, Release
from domains.synthetic.models import SyntheticMock


def of_project(project: Project) -> QuerySet[Any]:
    """Select the project and all that hangs on it: grants, their accounts and charges, requests, releases."""
    grants = AccessGrant.objects.filter(project=project)
    return _under(Project.objects.filter(pk=project.pk), grants, Amendment.objects.filter(project=project))


def of_dataset(dataset: Dataset) -> QuerySet[Any]:
    """Select the dataset and all that hangs on it, of every project."""
    parts: list[QuerySet[Any]] = [
        DatasetVersion.objects.filter(dataset=dataset),
        AccessPolicy.objects.filter(dataset=dataset),
        Upload.objects.filter(version__dataset=dataset),
        SyntheticMock.objects.filter(version__dataset=dataset),
        extracts.accounts_of_dataset(dataset),
    ]
    grants = AccessGrant.objects.filter(dataset=dataset)
    return _under(Dataset.objects.filter(pk=dataset.pk), grants, *parts)


def _under(top: QuerySet[Any], grants: QuerySet[AccessGrant], *more: QuerySet[Any]) -> QuerySet[Any]:
    requests = AnalysisRequest.objects.filter(grant__in=grants)
    parts: list[QuerySet[Any]] = [grants, requests, Release.objects.filter(analysis__in=requests)]
    parts += [extracts.accounts_of(grants), extracts.charges_of(grants), *more]
    return top.order_by().values("pk").union(*(part.order_by().values("pk") for part in parts), all=True)
