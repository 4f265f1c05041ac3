"""What of datasets waits for a person."""

from __future__ import annotations

from domains.catalog import queries
from domains.catalog.models import AccessPolicy, Dataset, DatasetVersion
from domains.notices.tasks import Line, Work


def _mock(row: DatasetVersion) -> Line:
    path = f"/datasets/{row.dataset.slug}/rules/"
    return Line(row.dataset.title, f"version {row.number}", path, row.published_at or row.created_at)


def _policy(row: AccessPolicy) -> Line:
    about = f"proposed by {row.proposed_by.name}"
    path = f"/datasets/{row.dataset.slug}/rules/{row.number}/"
    return Line(row.dataset.title, f"version {row.number}, {about}", path, row.created_at)


def _draft(row: DatasetVersion) -> Line:
    path = f"/datasets/{row.dataset.slug}/prepare/"
    return Line(row.dataset.title, f"version {row.number}", path, row.created_at)


def _frozen(row: Dataset) -> Line:
    return Line(row.title, row.area.name, f"/datasets/{row.slug}/", row.created_at)


WORK = (
    Work("mock.approve", "Look at an uploaded mock", queries.mocks_waiting, _mock),
    Work("policy.activate", "Activate a policy", queries.policies_waiting, _policy),
    Work(
        "version.prepare",
        "Prepare and publish a version",
        queries.drafts_of,
        _draft,
        is_own=True,
        covers=frozenset({"catalog.DatasetVersion.draft", "catalog.Dataset.draft"})
        | {f"intake.Upload.{status}" for status in ("refused", "ready", "conformed")},
    ),
    Work(
        "dataset.unfreeze",
        "Unfreeze or withdraw a dataset",
        queries.frozen_of,
        _frozen,
        is_own=True,
        covers=frozenset({"catalog.Dataset.frozen"}),
    ),
)
