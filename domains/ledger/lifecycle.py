"""How an ask for a larger budget lives."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class TopUpStatus(models.TextChoices):
    ASKED = "asked"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_T = TopUpStatus

TOPUP: dict[str, State] = {
    _T.ASKED: State(
        "Asked for",
        Role.ADMINISTRATOR,
        _to(_T.PROPOSED, _T.DECLINED, _T.WITHDRAWN),
        "An administrator who is not on the project names the new limit, or declines.",
    ),
    _T.PROPOSED: State(
        "Proposed",
        Role.DATASET_OWNER,
        _to(_T.CONFIRMED, _T.DECLINED, _T.WITHDRAWN),
        "A second person, an owner of the dataset or another administrator, confirms or declines.",
    ),
    _T.CONFIRMED: State("Confirmed", None, _to(), "The grant's limit was raised."),
    _T.DECLINED: State("Declined", None, _to(), "The limit stays as it is; the reason was given."),
    _T.WITHDRAWN: State("Withdrawn", None, _to(), "Taken back by whoever asked for it or proposed it."),
}
