"""What the public may read of this node's work: approved projects and what was released to them.

Only what people knew would be public when they decided: a project is listed if it was approved on or after the day
from which the register counts, which the decision page says. Nobody is named. Times are days, costs are rounded as
elsewhere, answers are not shown, and nothing is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from domains.catalog.lifecycle import DatasetStatus
from domains.errors import NotFound
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import AccessGrant, Project
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import Release

LISTED = {
    ProjectStatus.APPROVED: "Active",
    ProjectStatus.SUSPENDED: "Suspended",
    ProjectStatus.CLOSED: "Closed",
}


def since() -> date | None:
    """Return the day from which approvals are public; None while there is no register."""
    day: date | None = settings.PUBLIC_REGISTER_SINCE
    return day


def is_public(decided_at: datetime | None) -> bool:
    """Answer whether a project decided at that time, or decided now, is in the register."""
    day = since()
    return day is not None and (decided_at or timezone.now()) >= _start(day)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


@dataclass(frozen=True)
class Output:
    """A released answer, without the answer."""

    title: str
    dataset: str
    released_on: date
    epsilon: str
    delta: str


def projects(*, search: str = "", state: str = "") -> QuerySet[Project]:
    """Return the listed projects, the latest decision first; NotFound while there is no register."""
    day = since()
    if day is None:
        raise NotFound("This node keeps no public register.")
    grants = AccessGrant.objects.filter(granted_at__isnull=False).select_related("dataset")
    rows = Project.objects.filter(status__in=LISTED, decided_at__gte=_start(day)).select_related("area")
    if state in LISTED:
        rows = rows.filter(status=state)
    for word in search.split()[:10]:
        rows = rows.filter(Q(title__icontains=word) | Q(lay_summary__icontains=word))
    listed = Prefetch(
        "grants", grants.exclude(dataset__status=DatasetStatus.DRAFT).order_by("pk"), to_attr="listed"
    )
    return rows.prefetch_related(listed).order_by("-decided_at", "-pk")


def project(key: str) -> Project:
    """Return one listed project, or raise NotFound."""
    found = projects().filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such project in the register.")
    return found


def outputs(row: Project) -> list[Output]:
    """Return what was released to a listed project by now, the latest first."""
    rows = Release.objects.filter(
        analysis__grant__project=row,
        status=ReleaseStatus.RELEASED,
        released_at__lte=timezone.now(),
        is_repeat=False,
    ).select_related("analysis__revision", "analysis__grant__dataset__population")
    return [_output(each) for each in rows.order_by("-released_at", "-pk")]


def _output(release: Release) -> Output:
    analysis = release.analysis
    dataset, moment = analysis.grant.dataset, release.released_at or release.created_at
    return Output(
        title=analysis.title,
        dataset=dataset.title,
        released_on=moment.astimezone(UTC).date(),
        epsilon=analysis.current.epsilon,
        delta=f"{dataset.population.delta.normalize():f}",
    )


def told(row: Project) -> dict[str, Any]:
    """Return one project as machines read it."""
    return {
        "id": row.pk,
        "title": row.title,
        "lay_summary": row.lay_summary,
        "area": row.area.name,
        "state": LISTED[ProjectStatus(row.status)],
        "approved_on": _day(row.decided_at),
        "valid_until": _day(row.valid_until),
        "datasets": list(dict.fromkeys(grant.dataset.title for grant in row.listed)),  # type: ignore[attr-defined]
    }


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).date().isoformat()
