"""What of agreements waits for a person."""

from __future__ import annotations

from domains.agreements import queries
from domains.agreements.models import Agreement
from domains.notices.tasks import Line, Work


def _line(row: Agreement) -> Line:
    return Line(row.title, row.about, row.path, None)


WORK = (
    Work(
        "agreement.accept",
        "Read and accept an agreement",
        queries.waiting_for,
        _line,
        is_own=True,
        is_timed=True,
    ),
)
