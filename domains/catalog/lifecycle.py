"""How datasets and their versions live."""

from django.db import models

from domains.base import State
from domains.people.permissions import Role


class DatasetStatus(models.TextChoices):
    DRAFT = "draft"
    PUBLISHED = "published"
    FROZEN = "frozen"
    WITHDRAWN = "withdrawn"


class VersionStatus(models.TextChoices):
    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"
    ERASING = "erasing"
    ERASED = "erased"


def _to(*states: str) -> frozenset[str]:
    return frozenset(states)


DATASET: dict[str, State] = {
    DatasetStatus.DRAFT: State(
        "Draft", Role.DATASET_OWNER, _to("published"), "Being described; only its owners see it."
    ),
    DatasetStatus.PUBLISHED: State(
        "Published", None, _to("frozen", "withdrawn"), "In the catalogue; may be asked."
    ),
    DatasetStatus.FROZEN: State(
        "Frozen",
        Role.DATASET_OWNER,
        _to("published", "withdrawn"),
        "No new approvals and no run passes preflight.",
    ),
    DatasetStatus.WITHDRAWN: State("Withdrawn", None, _to(), "Gone for good; its ledger stays."),
}

VERSION: dict[str, State] = {
    VersionStatus.DRAFT: State(
        "Draft", Role.DATASET_OWNER, _to("published"), "Schema and file can still change."
    ),
    VersionStatus.PUBLISHED: State(
        "Published", None, _to("retired"), "Immutable; requests are pinned to it."
    ),
    VersionStatus.RETIRED: State("Retired", None, _to("erasing"), "No new requests; pinned approvals lapse."),
    VersionStatus.ERASING: State(
        "Being erased",
        "worker",
        _to("retired", "erased"),
        "Its data goes a day after an owner asked, if nobody keeps it.",
    ),
    VersionStatus.ERASED: State("Erased", None, _to(), "Its data is gone for good; schema and ledger stay."),
}
