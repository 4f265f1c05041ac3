"""What of synthetic mocks waits for a person."""

from __future__ import annotations

from domains.notices.tasks import Line, Work
from domains.synthetic import queries
from domains.synthetic.models import SyntheticMock


def _proposed(row: SyntheticMock) -> Line:
    about = f"ε = {row.epsilon}, proposed by {row.proposed_by.name}"
    return Line(row.dataset.title, about, f"/datasets/{row.dataset.slug}/synthetic/{row.pk}/", row.created_at)


WORK = (
    Work(
        "synthetic.confirm",
        "Confirm synthetic rows",
        queries.waiting,
        _proposed,
        covers=frozenset({"synthetic.SyntheticMock.proposed"}),
    ),
)
