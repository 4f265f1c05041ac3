"""How projects and access grants live (WORKFLOW)."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class ProjectStatus(models.TextChoices):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class GrantStatus(models.TextChoices):
    REQUESTED = "requested"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    CLOSED = "closed"


class AmendmentStatus(models.TextChoices):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


_P, _G, _A = ProjectStatus, GrantStatus, AmendmentStatus

PROJECT: dict[str, State] = {
    _P.DRAFT: State(
        "Draft", Role.PROJECT_LEAD, _to(_P.IN_REVIEW, _P.WITHDRAWN), "Being written by its lead."
    ),
    _P.IN_REVIEW: State(
        "In review",
        Role.AREA_REVIEWER,
        _to(_P.APPROVED, _P.REJECTED, _P.CHANGES_REQUESTED, _P.WITHDRAWN),
        "A reviewer of the research area decides.",
    ),
    _P.CHANGES_REQUESTED: State(
        "Changes requested",
        Role.PROJECT_LEAD,
        _to(_P.IN_REVIEW, _P.WITHDRAWN),
        "The lead answers the reviewer's note.",
    ),
    _P.APPROVED: State("Approved", None, _to(_P.SUSPENDED, _P.CLOSED), "Work may go on within its grants."),
    _P.REJECTED: State("Rejected", None, _to(), "Final; a new project may be proposed."),
    _P.WITHDRAWN: State("Withdrawn", None, _to(), "Taken back by its lead before a decision."),
    _P.SUSPENDED: State(
        "Suspended",
        Role.AREA_REVIEWER,
        _to(_P.APPROVED, _P.CLOSED),
        "Stopped at once; another person may reinstate it.",
    ),
    _P.CLOSED: State("Closed", None, _to(), "Finished; the ledger stays."),
}

GRANT: dict[str, State] = {
    _G.REQUESTED: State(
        "Requested",
        Role.ADMINISTRATOR,
        _to(_G.GRANTED, _G.DENIED, _G.WITHDRAWN),
        "Waits for the project's approval and a budget.",
    ),
    _G.GRANTED: State(
        "Granted", None, _to(_G.SUSPENDED, _G.REVOKED, _G.CLOSED), "May be used while every condition holds."
    ),
    _G.DENIED: State("Denied", None, _to(), "Final."),
    _G.WITHDRAWN: State("Withdrawn", None, _to(), "Taken back before a decision."),
    _G.SUSPENDED: State(
        "Suspended",
        Role.DATASET_OWNER,
        _to(_G.GRANTED, _G.REVOKED, _G.CLOSED),
        "Nothing runs until it is reinstated.",
    ),
    _G.REVOKED: State("Revoked", None, _to(), "Ended by the dataset's owner."),
    _G.CLOSED: State("Closed", None, _to(), "Ended with its project."),
}

AMENDMENT: dict[str, State] = {
    _A.DRAFT: State(
        "Draft",
        Role.PROJECT_LEAD,
        _to(_A.IN_REVIEW, _A.WITHDRAWN),
        "Being written by the project's lead; the project goes on as it was approved.",
    ),
    _A.IN_REVIEW: State(
        "In review",
        Role.AREA_REVIEWER,
        _to(_A.APPROVED, _A.DENIED, _A.CHANGES_REQUESTED, _A.WITHDRAWN),
        "A reviewer of the research area decides; until then the version before stays in force.",
    ),
    _A.CHANGES_REQUESTED: State(
        "Changes requested",
        Role.PROJECT_LEAD,
        _to(_A.IN_REVIEW, _A.WITHDRAWN),
        "The lead answers the reviewer's note.",
    ),
    _A.APPROVED: State("Approved", None, _to(), "In force from its approval on."),
    _A.DENIED: State("Denied", None, _to(), "The project goes on as it was."),
    _A.WITHDRAWN: State("Withdrawn", None, _to(), "Taken back before a decision, or ended with its project."),
}
