"""How access grants begin, pause and end; their budget comes from the ledger's `allocate`."""

from __future__ import annotations

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.errors import InvalidInput
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.guards import require_separate
from domains.projects.lifecycle import GrantStatus
from domains.projects.models import AccessGrant, Project
from domains.words import stated_reason

MOST_DATASETS = 20
LIVE = frozenset({GrantStatus.REQUESTED, GrantStatus.GRANTED, GrantStatus.SUSPENDED})


def open_grants(project: Project, datasets: list[Dataset]) -> None:
    """Ask for each dataset, inside a transaction; raise InvalidInput where one cannot be asked."""
    distinct = {dataset.pk: dataset for dataset in datasets}
    if not 1 <= len(distinct) <= MOST_DATASETS:
        raise InvalidInput(f"Choose between 1 and {MOST_DATASETS} datasets.", code="datasets_invalid")
    for dataset in distinct.values():
        if dataset.status != DatasetStatus.PUBLISHED:
            raise InvalidInput(f"“{dataset.title}” cannot be asked now.", code="dataset_not_published")
        if dataset.area_id != project.area_id:
            raise InvalidInput(
                f"“{dataset.title}” belongs to another research area, whose reviewers must decide: "
                "propose a project there.",
                code="dataset_of_other_area",
            )
    AccessGrant.objects.bulk_create(
        [AccessGrant(project=project, dataset=dataset) for dataset in distinct.values()]
    )


def replace_grants(project: Project, datasets: list[Dataset]) -> None:
    """Ask for exactly these datasets, before a decision: what is dropped is withdrawn."""
    asked = {
        row.dataset_id: row
        for row in AccessGrant.objects.filter(project=project, status=GrantStatus.REQUESTED)
    }
    wanted = {dataset.pk for dataset in datasets}
    if not wanted:
        raise InvalidInput(f"Choose between 1 and {MOST_DATASETS} datasets.", code="datasets_invalid")
    for key, row in asked.items():
        if key not in wanted:
            move(row, GrantStatus.WITHDRAWN)
    new = [dataset for dataset in datasets if dataset.pk not in asked]
    if new:
        open_grants(project, new)


def amend_grants(project: Project, *, new: list[Dataset], gone: set[str], by: User) -> None:
    """Ask for datasets, and give up those of the short names `gone`, with an approved amendment."""
    rows = AccessGrant.objects.filter(project=project, status__in=LIVE).select_related("dataset")
    here = {row.dataset.slug: row for row in rows}
    for slug in sorted(gone & here.keys()):
        row = here[slug]
        to = GrantStatus.WITHDRAWN if row.status == GrantStatus.REQUESTED else GrantStatus.CLOSED
        move(row, to, ended_reason="An amendment of the project gave it up.")
        record(Event.GRANT_REVOKED, by=by, on=row, status=to.value, reason=row.ended_reason)
    if missing := [dataset for dataset in new if dataset.slug not in here]:
        open_grants(project, missing)


def end_grants(project: Project, *, asked: GrantStatus, granted: GrantStatus | None = None, why: str) -> None:
    """End a project's grants with it: those still asked for, and those in use where `granted` says how."""
    for row in AccessGrant.objects.filter(project=project).order_by("pk"):
        if row.status == GrantStatus.REQUESTED:
            move(row, asked, ended_reason=why)
        elif granted is not None and row.status in {GrantStatus.GRANTED, GrantStatus.SUSPENDED}:
            move(row, granted, ended_reason=why)


@transaction.atomic(durable=True)
def revoke_grant(grant: AccessGrant, *, reason: str, by: User) -> None:
    """End a project's right to a dataset for good: denied if it was only asked for, else revoked."""
    if grant.status == GrantStatus.REQUESTED:
        _turn(grant, GrantStatus.DENIED, Event.GRANT_DENIED, reason, by=by)
    else:
        _turn(grant, GrantStatus.REVOKED, Event.GRANT_REVOKED, reason, by=by)


@transaction.atomic(durable=True)
def suspend_grant(grant: AccessGrant, *, reason: str, by: User) -> None:
    """Stop a grant at once; nothing under it runs until it is reinstated."""
    _turn(grant, GrantStatus.SUSPENDED, Event.GRANT_SUSPENDED, reason, by=by)


@transaction.atomic(durable=True)
def reinstate_grant(grant: AccessGrant, *, reason: str, by: User) -> None:
    """Let a suspended grant be used again; what it was granted before is unchanged."""
    require(by, Permission.GRANT_REVOKE, on=grant)
    require_separate(grant.project, by)
    if grant.status == GrantStatus.REQUESTED:
        raise InvalidInput(
            "A budget is allocated by an administrator, not reinstated.", code="grant_not_suspended"
        )
    _turn(grant, GrantStatus.GRANTED, Event.GRANT_REINSTATED, reason, by=by)


def _turn(grant: AccessGrant, to: GrantStatus, event: Event, why: str, *, by: User) -> None:
    require(by, Permission.GRANT_REVOKE, on=grant)
    why = stated_reason(why)
    move(grant, to, ended_reason="" if to == GrantStatus.GRANTED else why)
    record(event, by=by, on=grant, status=to.value, reason=why)
    members = grant.project.members.filter(ended_at=None).select_related("user")
    line = f"“{grant.project.title}” on “{grant.dataset.title}”: {grant.state.label.lower()}. {why}"
    tell({row.user for row in members} - {by}, event, line, f"/projects/{grant.project_id}/")
