"""How an upload lives until it is a version or is refused, and how a test of a connection ends."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class UploadStatus(models.TextChoices):
    RECEIVED = "received"
    CHECKING = "checking"
    REFUSED = "refused"
    READY = "ready"
    CONFORMING = "conforming"
    CONFORMED = "conformed"
    DISCARDED = "discarded"


class CheckStatus(models.TextChoices):
    WAITING = "waiting"
    PASSED = "passed"
    REFUSED = "refused"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_U = UploadStatus

UPLOAD = {
    _U.RECEIVED: State("Received", "worker", _to(_U.CHECKING, _U.DISCARDED), "Waits for its check."),
    _U.CHECKING: State(
        "Being checked", "worker", _to(_U.READY, _U.REFUSED), "Read in a limited child process."
    ),
    _U.REFUSED: State(
        "Refused", Role.DATASET_OWNER, _to(_U.DISCARDED), "It cannot be used; the reason says why."
    ),
    _U.READY: State(
        "Ready",
        Role.DATASET_OWNER,
        _to(_U.CONFORMING, _U.DISCARDED),
        "Columns found; waits for the declared schema.",
    ),
    _U.CONFORMING: State(
        "Being made", "worker", _to(_U.CONFORMED, _U.READY), "Written as Parquet under the declared schema."
    ),
    _U.CONFORMED: State("Made", Role.DATASET_OWNER, _to(_U.CONFORMING, _U.DISCARDED), "May be published."),
    _U.DISCARDED: State("Discarded", None, _to(), "Its bytes are deleted."),
}

CHECK = {
    CheckStatus.WAITING: State(
        "Being tested",
        "worker",
        _to(CheckStatus.PASSED, CheckStatus.REFUSED),
        "A worker's child reaches the database and reads its catalogue.",
    ),
    CheckStatus.PASSED: State("Passed", None, _to(), "It can be used, and its role can only read."),
    CheckStatus.REFUSED: State("Refused", None, _to(), "It cannot be used; the reason says why."),
}
