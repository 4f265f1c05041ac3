"""What reviewers think of an application section by section, before anybody votes on the whole."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput, NotFound
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects import changes, questions
from domains.projects.changes import Part
from domains.projects.guards import require_separate, require_version
from domains.projects.lifecycle import AmendmentStatus, ProjectStatus
from domains.projects.models import Amendment, Project, ProjectVersion, SectionReview, SectionVerdict
from domains.words import text


@transaction.atomic(durable=True)
def review_section(
    project: Project, *, version: int, section: str, verdict: str, by: User, note: str = ""
) -> SectionReview:
    """Say whether a section of the version that was read is fine or needs a change; it decides nothing by itself."""
    require(by, Permission.PROJECT_REVIEW, on=project)
    require_separate(project, by)
    if verdict not in SectionVerdict.values:
        raise InvalidInput(f"A section is one of {', '.join(SectionVerdict.values)}.", code="verdict_invalid")
    why = text(note, "note", most=4000, least=1 if verdict == SectionVerdict.CHANGE else 0)
    if not _is_amendment(project, version):
        if project.status != ProjectStatus.IN_REVIEW:
            raise IllegalMove(f"This project is {project.state.label.lower()}; it is not being reviewed.")
        require_version(project, version)
    frozen = ProjectVersion.objects.select_related("form").filter(project=project, number=version).first()
    if frozen is None or section not in {one.id for one in questions.parse(frozen.form.text).sections}:
        raise InvalidInput("The application has no such section.", code="section_unknown")
    made = SectionReview.objects.create(
        version=frozen, section=section, reviewer=by, verdict=verdict, note=why
    )
    record(
        Event.PROJECT_SECTION_REVIEWED, by=by, on=project, version=version, section=section, verdict=verdict
    )
    return made


def _is_amendment(project: Project, version: int) -> bool:
    """Answer whether an amendment waits for a decision as this version; both rows stay locked until we are done."""
    Project.objects.select_for_update().get(pk=project.pk)
    waiting = Amendment.objects.filter(project=project, status=AmendmentStatus.IN_REVIEW)
    return waiting.filter(frozen__number=version, project__status=ProjectStatus.APPROVED).exists()


def standing(version: ProjectVersion) -> dict[str, list[SectionReview]]:
    """Return, for each section that somebody reviewed, each reviewer's last word; in the order of their first."""
    last: dict[tuple[str, str], SectionReview] = {}
    for row in version.section_reviews.all():
        last[row.section, row.reviewer_id] = row
    return _by_section(last.values())


def _by_section(rows: Iterable[SectionReview]) -> dict[str, list[SectionReview]]:
    found: dict[str, list[SectionReview]] = {}
    for row in rows:
        found.setdefault(row.section, []).append(row)
    return found


def versions_of(project: Project) -> list[ProjectVersion]:
    """Return what of a project was handed in, newest first."""
    return list(
        ProjectVersion.objects.filter(project=project)
        .select_related("form", "submitted_by")
        .prefetch_related("section_reviews__reviewer")
        .order_by("-number")
    )


def before(shown: ProjectVersion, rows: list[ProjectVersion]) -> ProjectVersion | None:
    """Return what a version is compared with: what it amends, or what was handed in before it."""
    amends = shown.content.get("amends")
    if amends is not None:
        return next((row for row in rows if row.number == amends), None)
    return next((row for row in rows if row.number < shown.number), None)


def version_of(rows: list[ProjectVersion], number: int) -> ProjectVersion:
    """Return one of a project's versions, or raise NotFound."""
    for row in rows:
        if row.number == number:
            return row
    raise NotFound("There is no such version of this project.")


def parts_of(version: ProjectVersion, before: ProjectVersion | None) -> list[Part]:
    """Return a version section by section; with one before it, what changed is marked."""
    spec, answers = questions.parse(version.form.text), version.content["answers"]
    if before is None:
        return changes.parts(spec, answers)
    old = questions.parse(before.form.text)
    return changes.compared(spec, answers, before=before.content["answers"], spec_before=old)
