"""How a request and its release live (WORKFLOW)."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class Status(models.TextChoices):
    DRAFT = "draft"
    READY = "ready"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    REFUSED = "refused"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class ReleaseStatus(models.TextChoices):
    QUARANTINED = "quarantined"
    AWAITING_REVIEW = "awaiting_review"
    RELEASED = "released"
    REJECTED = "rejected"
    REVOKED = "revoked"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_S, _R = Status, ReleaseStatus

REQUEST = {
    _S.DRAFT: State(
        "Draft", Role.AUTHOR, _to(_S.READY, _S.WITHDRAWN), "Being written; a check has not passed yet."
    ),
    _S.READY: State(
        "Ready",
        Role.AUTHOR,
        _to(_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.REFUSED, _S.WITHDRAWN),
        "Checked and priced; may be submitted.",
    ),
    _S.IN_REVIEW: State(
        "In review",
        Role.DATASET_REVIEWER,
        _to(_S.APPROVED, _S.CHANGES_REQUESTED, _S.DENIED, _S.WITHDRAWN),
        "The dataset's owner or an assigned reviewer decides.",
    ),
    _S.CHANGES_REQUESTED: State(
        "Changes requested",
        Role.AUTHOR,
        _to(_S.READY, _S.WITHDRAWN),
        "The author answers with a new revision.",
    ),
    _S.APPROVED: State(
        "Approved",
        "worker",
        _to(_S.IN_REVIEW, _S.WITHDRAWN, _S.LAPSED, _S.REVOKED),
        "Its loss is reserved; progress shown is the job's.",
    ),
    _S.REFUSED: State("Refused by policy", None, _to(), "The dataset's policy refuses it, with reasons."),
    _S.DENIED: State("Denied", None, _to(), "A reviewer said no, with a reason."),
    _S.WITHDRAWN: State("Withdrawn", None, _to(), "Taken back by its author."),
    _S.LAPSED: State(
        "Lapsed", None, _to(), "Approved but never run while it held; the reservation was voided."
    ),
    _S.REVOKED: State(
        "Revoked", None, _to(), "Approval taken back before data was read; the reservation was voided."
    ),
}

RELEASE = {
    _R.QUARANTINED: State(
        "Quarantined", "worker", _to(_R.AWAITING_REVIEW, _R.RELEASED), "Stored; nobody outside sees it yet."
    ),
    _R.AWAITING_REVIEW: State(
        "Awaiting release",
        Role.DATASET_REVIEWER,
        _to(_R.RELEASED, _R.REJECTED),
        "A reviewer looks at the exact bytes.",
    ),
    _R.RELEASED: State("Released", None, _to(_R.REVOKED), "The project's members can read it."),
    _R.REJECTED: State("Rejected", None, _to(), "Kept back; its loss stays spent."),
    _R.REVOKED: State("Revoked", None, _to(), "Taken back; an incident."),
}
