"""The words of the ledger: what a cap is for, what a line says, and how an ask for a larger budget lives."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class Scope(models.TextChoices):
    """What a cap is for; a charge passes through one account of each."""

    POPULATION = "population"
    DATASET = "dataset"
    GRANT = "grant"
    PERSON = "person"  # one person on one dataset


class ChargeState(models.TextChoices):
    RESERVED = "RESERVED"
    COMMITTED = "COMMITTED"
    BURNT = "BURNT"
    VOID = "VOID"


class EntryKind(models.TextChoices):
    RESERVE = "RESERVE"
    COMMIT = "COMMIT"
    VOID = "VOID"


class ProposalStatus(models.TextChoices):
    OPEN = "open"
    CONFIRMED = "confirmed"
    ENDED = "ended"  # turned down, or taken back


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
