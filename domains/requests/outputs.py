"""What of a dataset is out: the released answers that its owners look through when it is withdrawn."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from domains.audit.events import Event
from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import Release


def may_look(dataset: Dataset, user: User) -> bool:
    """Answer whether `user` may list what is out: those who release answers of the dataset, and auditors."""
    return allows(user, Permission.AUDIT_READ) or allows(user, Permission.RESULT_RELEASE, on=dataset)


def released(dataset: Dataset, *, by: User) -> QuerySet[Release]:
    """Return the answers from a dataset that are or were out, newest first, with how often each was fetched."""
    if not may_look(dataset, by):
        raise NotFound("There is nothing here that you can see.")
    rows = Release.objects.filter(
        analysis__grant__dataset=dataset, status__in=[ReleaseStatus.RELEASED, ReleaseStatus.REVOKED]
    )
    related = rows.select_related("analysis__author", "analysis__grant__project")
    return related.annotate(fetched=Count("downloads")).order_by("-released_at", "-pk")


def to_look_at(dataset: Dataset) -> None:
    """Ask a withdrawn dataset's owners to look through the answers that are out; silent if there are none."""
    number = Release.objects.filter(analysis__grant__dataset=dataset, status=ReleaseStatus.RELEASED).count()
    if not number:
        return
    owners = dataset.stewards.filter(role=Role.DATASET_OWNER, ended_at=None).select_related("user")
    out = "One answer is" if number == 1 else f"{number} answers are"
    text = f"{out} out from “{dataset.title}”, which was withdrawn. Look whether any has to be taken back."
    path = f"/datasets/{dataset.slug}/released/"
    tell({row.user for row in owners}, Event.DATASET_WITHDRAWN, text, path)
