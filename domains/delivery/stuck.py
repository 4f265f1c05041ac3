"""What of deliveries nobody can move on."""

from __future__ import annotations

from domains.delivery import queries
from domains.delivery.models import Delivery
from domains.notices.stuck import Trouble
from domains.notices.tasks import Line


def _delivery(row: Delivery) -> Line:
    to = "a webhook" if row.webhook_id else row.reader.name
    return Line(
        row.notice.event, f"to {to}, after {row.tries} tries", "/deliveries/?status=given_up", row.tried_at
    )


STUCK = (
    Trouble(
        "delivery.given_up",
        "A delivery that was given up",
        "See why in the log of deliveries, mend the mail server or the receiver, and send it again.",
        lambda now: queries.given_up(),
        _delivery,
    ),
)
