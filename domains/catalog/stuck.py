"""What of datasets nobody can move on."""

from __future__ import annotations

from domains.catalog import holders
from domains.catalog.models import Dataset
from domains.notices.stuck import Trouble
from domains.notices.tasks import Line


def _dataset(row: Dataset) -> Line:
    return Line(row.title, row.area.name, f"/datasets/{row.slug}/", None)


STUCK = (
    Trouble(
        "dataset.no_owner",
        "A dataset without an owner who is here",
        "Open the account of one of its owners again, or give back their role; they then assign another owner.",
        lambda now: holders.ownerless(),
        _dataset,
    ),
)
