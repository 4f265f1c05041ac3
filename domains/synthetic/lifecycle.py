"""How a synthetic mock lives: proposed by one person, confirmed by another, measured, published, perhaps retracted."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class MockStatus(models.TextChoices):
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    MEASURED = "measured"
    PUBLISHED = "published"
    RETRACTED = "retracted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    FAILED = "failed"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


MOCK: dict[str, State] = {
    MockStatus.PROPOSED: State(
        "Proposed",
        Role.AREA_REVIEWER,
        _to("confirmed", "declined", "withdrawn"),
        "A second person, never the proposer, confirms or declines; nothing was charged.",
    ),
    MockStatus.CONFIRMED: State(
        "Confirmed",
        "worker",
        _to("measured", "lapsed", "failed"),
        "Its loss is reserved; a worker will measure.",
    ),
    MockStatus.MEASURED: State(
        "Measured", "worker", _to("published", "failed"), "Charged for good; a worker writes its rows."
    ),
    MockStatus.PUBLISHED: State(
        "Published", None, _to("retracted"), "Free for everybody who may see the dataset."
    ),
    MockStatus.RETRACTED: State("Retracted", None, _to(), "No longer served; its loss stays spent."),
    MockStatus.DECLINED: State("Declined", None, _to(), "The second person said no, and why."),
    MockStatus.WITHDRAWN: State("Withdrawn", None, _to(), "Its proposer took it back."),
    MockStatus.LAPSED: State("Lapsed", None, _to(), "Never measured; its reservation was given back."),
    MockStatus.FAILED: State("Failed", None, _to(), "Charged, and without rows; its loss stays spent."),
}

# What everybody who may see the dataset learns of: rows that were out once.
PUBLIC = frozenset({MockStatus.PUBLISHED, MockStatus.RETRACTED})
