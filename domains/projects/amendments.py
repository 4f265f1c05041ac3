"""Writing an amendment: what its lead wants changed of a project that runs, kept page by page until it is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.errors import IllegalMove, InvalidInput
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.projects import questions
from domains.projects.application import answers_of, digest, fields_of, require_complete
from domains.projects.application_forms import current
from domains.projects.grants import LIVE, MOST_DATASETS
from domains.projects.guards import on_project, require_candidate
from domains.projects.lifecycle import AmendmentStatus, ProjectStatus
from domains.projects.models import AccessGrant, Amendment, Project, ProjectMember, ProjectVersion
from domains.projects.questions import CORE, Spec
from domains.words import once, text

WRITTEN = frozenset({AmendmentStatus.DRAFT, AmendmentStatus.CHANGES_REQUESTED})
OPEN = WRITTEN | {AmendmentStatus.IN_REVIEW}
LONGEST = timedelta(days=5 * 366)  # from today to the end that may be asked for
MOST_PEOPLE = 49  # beside the lead


def spec_of(amendment: Amendment) -> Spec:
    """Return the form that an amendment answers."""
    return questions.parse(amendment.form.text)


def latest(project: Project) -> Amendment | None:
    """Return the amendment that is under way, else the last one."""
    rows = Amendment.objects.filter(project=project).select_related("form", "base__form", "frozen__form")
    return rows.select_related("project__area", "created_by", "decided_by").first()


def waiting(project: Project) -> str | None:
    """Return the key of the version that waits for a decision as an amendment, if one does."""
    rows = Amendment.objects.filter(project=project, status=AmendmentStatus.IN_REVIEW)
    return rows.values_list("frozen_id", flat=True).first()


def standing(project: Project) -> dict[str, list[str]]:
    """Return the datasets, by short name, and the people beside the lead, by key, of a project as it runs."""
    grants = AccessGrant.objects.filter(project=project, status__in=LIVE)
    members = ProjectMember.objects.filter(project=project, ended_at=None, role=Role.PROJECT_MEMBER)
    return {
        "datasets": sorted(grants.values_list("dataset__slug", flat=True)),
        "people": sorted(members.values_list("user_id", flat=True)),
    }


@transaction.atomic(durable=True)
def begin(project: Project, *, by: User) -> Amendment:
    """Begin an amendment of an approved project, from what is in force; it goes on as it is until a decision."""
    return _begin(project, by=by)


def _begin(project: Project, *, by: User) -> Amendment:
    require(by, Permission.PROJECT_EDIT, on=project)
    Project.objects.select_for_update().get(pk=project.pk)
    project.refresh_from_db(fields=["status", "title", "answers", "valid_until", "in_force", *CORE])
    if project.status != ProjectStatus.APPROVED:
        raise IllegalMove("Only an approved project is amended; before that, edit it.")
    form = current()
    asked = questions.parse(form.text).questions
    answers = {name: value for name, value in answers_of(project).items() if name in asked}
    with once("An amendment of this project is under way already.", code="amendment_open"):
        amendment = Amendment.objects.create(
            project=project,
            base=project.in_force,
            form=form,
            title=project.title,
            answers=answers,
            created_by=by,
            **standing(project),
        )
    record(Event.AMENDMENT_BEGUN, by=by, on=amendment, project=project.pk)
    return amendment


@transaction.atomic(durable=True)
def answer(amendment: Amendment, *, version: int, answers: Mapping[str, Any], by: User) -> None:
    """Keep answers of an amendment that is being written; those that are not given stay as they are."""
    require(by, Permission.PROJECT_EDIT, on=amendment.project)
    _hold(amendment, version)
    own = {name: value for name, value in amendment.answers.items() if name not in CORE}
    fields = fields_of(spec_of(amendment), own, answers)
    core = {name: fields.get(name, amendment.answers.get(name)) for name in CORE}
    whole = {name: value for name, value in {**core, **fields["answers"]}.items() if value}
    _keep(amendment, {"answers": whole}, by=by)


@transaction.atomic(durable=True)
def change(
    amendment: Amendment,
    *,
    version: int,
    title: str,
    reason: str,
    datasets: Sequence[Dataset],
    people: Sequence[User],
    by: User,
    valid_until: date | None = None,
) -> None:
    """Say why, and which title, datasets, people beside the lead and end the project shall have."""
    require(by, Permission.PROJECT_EDIT, on=amendment.project)
    _hold(amendment, version)
    words = {"title": text(title, "title", most=160), "reason": text(reason, "reason", most=4000)}
    wanted = {"datasets": _datasets(amendment, datasets), "people": _people(amendment, people)}
    _keep(amendment, {**words, **wanted, "valid_until": _until(valid_until)}, by=by)


@transaction.atomic(durable=True)
def renew(project: Project, *, reason: str, valid_until: date, by: User) -> Amendment:
    """Ask in one go for a later end of a project, expired or not, with what was done and what is left to do."""
    amendment = _begin(project, by=by)
    why = text(reason, "reason", most=4000)
    later = _until(valid_until)
    if later is None or (project.valid_until and later <= project.valid_until.date()):
        raise InvalidInput("Choose a day after the project's present end.", code="valid_until_invalid")
    _keep(amendment, {"reason": why, "valid_until": later}, by=by)
    _hand_in(amendment, by=by)
    return amendment


def _datasets(amendment: Amendment, datasets: Sequence[Dataset]) -> list[str]:
    wanted = {dataset.slug: dataset for dataset in datasets}
    if not 1 <= len(wanted) <= MOST_DATASETS:
        raise InvalidInput(f"Choose between 1 and {MOST_DATASETS} datasets.", code="datasets_invalid")
    new = wanted.keys() - set(standing(amendment.project)["datasets"])
    for slug in sorted(new):
        dataset = wanted[slug]
        if dataset.status != DatasetStatus.PUBLISHED or dataset.area_id != amendment.project.area_id:
            raise InvalidInput(f"“{dataset.title}” cannot be asked here.", code="dataset_not_published")
    return sorted(wanted)


def _people(amendment: Amendment, people: Sequence[User]) -> list[str]:
    project = amendment.project
    lead = ProjectMember.objects.filter(project=project, role=Role.PROJECT_LEAD, ended_at=None)
    wanted = {user.pk: user for user in people}
    for key in lead.values_list("user_id", flat=True):
        wanted.pop(key, None)
    if len(wanted) > MOST_PEOPLE:
        raise InvalidInput(f"A project has at most {MOST_PEOPLE + 1} people.", code="members_invalid")
    for key in sorted(wanted.keys() - set(standing(project)["people"])):
        require_candidate(project, wanted[key])
    return sorted(wanted)


def _until(day: date | None) -> date | None:
    today = timezone.now().date()
    if day is not None and not today < day <= today + LONGEST:
        raise InvalidInput(
            "Choose an end after today and within five years, or none.", code="valid_until_invalid"
        )
    return day


def hold(amendment: Amendment) -> None:
    """Lock an amendment and its project, inside a transaction, and read both anew."""
    project = Project.objects.select_for_update().get(pk=amendment.project_id)
    amendment.refresh_from_db(from_queryset=Amendment.objects.select_for_update())
    amendment.project = project


def _hold(amendment: Amendment, version: int) -> None:
    hold(amendment)
    if amendment.status not in WRITTEN:
        raise IllegalMove(f"This amendment is {amendment.state.label.lower()}; it cannot be changed.")
    if amendment.version != version:
        raise IllegalMove("This amendment changed since you opened it. Look at it again.", code="stale")


def _keep(amendment: Amendment, changes: dict[str, Any], *, by: User) -> None:
    for name, value in (changes | {"version": amendment.version + 1}).items():
        setattr(amendment, name, value)
    amendment.save(update_fields=[*changes, "version"])
    record(Event.AMENDMENT_EDITED, by=by, on=amendment, version=amendment.version, changed=sorted(changes))


@transaction.atomic(durable=True)
def submit(amendment: Amendment, *, by: User) -> None:
    """Hand an amendment in: it is frozen as another version, and what is in force stays in force."""
    require(by, Permission.PROJECT_EDIT, on=amendment.project)
    hold(amendment)
    _hand_in(amendment, by=by)


def _hand_in(amendment: Amendment, *, by: User) -> None:
    project = amendment.project
    if amendment.status not in WRITTEN or project.status != ProjectStatus.APPROVED:
        raise IllegalMove("Only an amendment of an approved project that is being written can be handed in.")
    if not amendment.reason:
        raise InvalidInput("Say first why the project should change.", code="reason_missing")
    require_complete(spec_of(amendment), amendment.answers)
    content = _content(amendment)
    if not is_changed(content, amendment):
        raise InvalidInput("Nothing differs from what is in force.", code="amendment_empty")
    last = ProjectVersion.objects.filter(project=project).order_by("-number").first()
    frozen = ProjectVersion.objects.create(
        project=project,
        number=max(project.version, last.number if last else 0) + 1,
        form=amendment.form,
        content=content,
        sha256=digest(content),
        submitted_by=by,
    )
    move(amendment, AmendmentStatus.IN_REVIEW, frozen=frozen)
    record(
        Event.AMENDMENT_SUBMITTED, by=by, on=amendment, project=project.pk, version=frozen.number,
        sha256=frozen.sha256,
    )  # fmt: skip
    _tell_reviewers(amendment, Event.AMENDMENT_SUBMITTED, "waits for your decision")


def _content(amendment: Amendment) -> dict[str, Any]:
    spec, answers = spec_of(amendment), amendment.answers
    lead = ProjectMember.objects.filter(
        project=amendment.project, role=Role.PROJECT_LEAD, ended_at=None
    ).values_list("user_id", flat=True)
    return {
        "title": amendment.title,
        "answers": {one.id: answers[one.id] for one in questions.asked(spec, answers) if one.id in answers},
        "datasets": amendment.datasets,
        "people": sorted({*amendment.people, *lead}),
        "form": {"number": amendment.form.number, "sha256": amendment.form.sha256},
        "amends": amendment.base.number if amendment.base else None,
        "reason": amendment.reason,
        "valid_until": amendment.valid_until.isoformat() if amendment.valid_until else None,
        "before": standing(amendment.project),
    }


def is_changed(content: Mapping[str, Any], amendment: Amendment) -> bool:
    """Answer whether what is wished differs at all from the project as it runs."""
    project, before = amendment.project, content["before"]
    return (
        content["title"] != project.title
        or content["answers"] != answers_of(project)
        or content["valid_until"] is not None
        or amendment.datasets != before["datasets"]
        or amendment.people != before["people"]
    )


def _tell_reviewers(amendment: Amendment, event: Event, what: str) -> None:
    project = amendment.project
    seats = project.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
    people = {seat.user for seat in seats.exclude(user__in=on_project(project))}
    tell(people, event, f"An amendment of “{project.title}” {what}.", f"/projects/{project.pk}/amendment/")


@transaction.atomic(durable=True)
def withdraw(amendment: Amendment, *, by: User) -> None:
    """Take an amendment back before it is decided; the project goes on as it is."""
    require(by, Permission.PROJECT_EDIT, on=amendment.project)
    waited = amendment.status == AmendmentStatus.IN_REVIEW
    move(amendment, AmendmentStatus.WITHDRAWN)
    record(Event.AMENDMENT_WITHDRAWN, by=by, on=amendment, project=amendment.project_id)
    if waited:
        _tell_reviewers(amendment, Event.AMENDMENT_WITHDRAWN, "was withdrawn by its lead")
