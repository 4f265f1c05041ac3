"""The one predicate behind every use of a grant: checklist, reviewer's panel, API and preflight.

A right is evaluated now, from the database, and never from objects that were read earlier.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from domains.agreements import queries as agreements
from domains.agreements.models import Agreement
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import NotAllowed
from domains.node import queries as node
from domains.people.models import Membership, User
from domains.people.permissions import Role
from domains.projects.models import AccessGrant, ProjectMember
from domains.projects.policy import Check, Facts, Usable, usable

__all__ = ["Check", "Usable", "grant_usable", "grants_usable", "in_words", "require_usable"]


def grant_usable(grant: AccessGrant, user: User, now: datetime) -> Usable:
    """Say whether `user` may use `grant` at `now`, with every condition named."""
    return grants_usable([grant], user, now)[grant.pk]


def grants_usable(grants: Iterable[AccessGrant], user: User, now: datetime) -> dict[str, Usable]:
    """Say the same of many grants, by key, in a constant number of queries."""
    keys = {grant.pk for grant in grants}
    is_active = User.objects.filter(pk=user.pk, is_active=True).exists()
    memberships = Membership.objects.filter(user=user.pk, role=Role.SCIENTIST, ended_at=None)
    is_scientist = memberships.exists()
    live = ProjectMember.objects.filter(project=OuterRef("project"), user=user.pk, ended_at=None)
    published = DatasetVersion.objects.filter(dataset=OuterRef("dataset"), status=VersionStatus.PUBLISHED)
    rows = (
        AccessGrant.objects.filter(pk__in=keys)
        .select_related("project", "dataset")
        .annotate(is_member=Exists(live), has_version=Exists(published), is_paused=Exists(node.open_pauses()))
    )
    due = list(agreements.due(user, now))
    return {
        row.pk: usable(_facts(row, _due_of(row, due), is_active=is_active, is_scientist=is_scientist), now)
        for row in rows
    }


def _due_of(row: AccessGrant, due: list[Agreement]) -> Agreement | None:
    """Return the first of the agreements that are due which is for this grant's dataset."""
    return next((agreement for agreement in due if agreements.is_for(agreement, row.dataset)), None)


def _facts(row: Any, due: Agreement | None, *, is_active: bool, is_scientist: bool) -> Facts:
    return Facts(
        project_status=row.project.status,
        project_valid_until=row.project.valid_until,
        grant_status=row.status,
        grant_valid_from=row.valid_from,
        grant_valid_to=row.valid_to,
        is_active=is_active,
        is_scientist=is_scientist,
        is_member=row.is_member,
        dataset_status=row.dataset.status,
        has_version=row.has_version,
        is_paused=row.is_paused,
        agreement_due="" if due is None else due.title,
        agreement_path="" if due is None else due.path,
    )


def require_usable(grant: AccessGrant, user: User) -> None:
    """Raise NotAllowed, with the first failed condition and its remedy, unless `user` may use `grant` now."""
    refusal = grant_usable(grant, user, timezone.now()).refusal
    if refusal is not None:
        raise NotAllowed(f"This does not hold now: {in_words(refusal)}", code=refusal.code)


def in_words(check: Check) -> str:
    """Return a condition that does not hold with what to do about it, and the address where."""
    where = f" See {settings.PUBLIC_URL.rstrip('/')}{check.path}" if check.path else ""
    return f"{check.label.lower()}. {check.hint}{where}"
