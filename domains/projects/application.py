"""A project's application: its answers while it is written, and what is frozen when it is handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import canonical, record
from domains.errors import IllegalMove, InvalidInput
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects import questions
from domains.projects.application_forms import current, spec_of
from domains.projects.guards import require_version, stale
from domains.projects.lifecycle import GrantStatus
from domains.projects.membership import EDITABLE
from domains.projects.models import AccessGrant, Project, ProjectMember, ProjectReview, ProjectVersion
from domains.projects.questions import CORE, Page, Question, Spec
from domains.words import text

_COLUMNS = frozenset({"lay_summary", "purpose"})  # of the project; never empty, not even in a draft


def answers_of(project: Project) -> dict[str, Any]:
    """Return what a project answers now, by the question's id; what is empty is left out."""
    own = {name: getattr(project, name) for name in CORE}
    return {name: value for name, value in (own | project.answers).items() if value}


def begun(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with which an application starts, on the newest form, with its first answers."""
    form = current()
    if taken := sorted(_COLUMNS & answers.keys()):
        raise InvalidInput(
            f"Give “{taken[0]}” by its own name, not among the answers.", code="answer_invalid"
        )
    return {"form": form, **fields_of(questions.parse(form.text), {}, answers)}


def fields_of(spec: Spec, kept: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return which fields of a project `answers` change; answers that are not given stay as they are."""
    asked = spec.questions
    if unknown := sorted(answers.keys() - asked.keys()):
        raise InvalidInput(f"The form asks nothing named “{unknown[0][:40]}”.", code="question_unknown")
    read = {name: questions.read(asked[name], value) for name, value in answers.items()}
    fields: dict[str, Any] = {}
    for name in _COLUMNS & read.keys():
        fields[name] = text(str(read.pop(name) or ""), asked[name].label.lower(), most=8000)
    if "purpose_codes" in read:
        fields["purpose_codes"] = read.pop("purpose_codes") or []
    whole = {name: value for name, value in {**kept, **read}.items() if value is not None}
    return fields | {"answers": whole}


@transaction.atomic(durable=True)
def answer(project: Project, *, version: int, answers: Mapping[str, Any], by: User) -> None:
    """Keep answers of an application that is still being written; `version` is the one the form was opened at."""
    require(by, Permission.PROJECT_EDIT, on=project)
    if project.status not in EDITABLE:
        raise IllegalMove("Only a draft, or a project sent back for changes, can be edited.")
    require_version(project, version)
    project.refresh_from_db(fields=["answers", "form"])
    changes = fields_of(spec_of(project), project.answers, answers) | {"version": version + 1}
    if Project.objects.filter(pk=project.pk, version=version, status=project.status).update(**changes) != 1:
        raise stale()
    for name, value in changes.items():
        setattr(project, name, value)
    record(Event.PROJECT_EDITED, by=by, on=project, version=project.version, answered=sorted(answers))


@dataclass(frozen=True)
class Progress:
    """How far one page of an application is."""

    page: Page
    answered: int
    asked: int
    missing: tuple[Question, ...]


def progress(project: Project) -> list[Progress]:
    """Return how far each page is."""
    return how_far(spec_of(project), answers_of(project))


def how_far(spec: Spec, answers: Mapping[str, Any]) -> list[Progress]:
    """Return how far each page of a form is with these answers."""
    found = []
    for page in spec.pages:
        asked = list(questions.asked(spec, answers, page))
        done = sum(1 for question in asked if answers.get(question.id))
        found.append(Progress(page, done, len(asked), tuple(questions.missing(spec, answers, page))))
    return found


def freeze(project: Project, *, by: User) -> ProjectVersion:
    """Keep what is handed in as an immutable version, inside a transaction; raise InvalidInput if it lacks answers.

    It is read anew under a lock, so that what is frozen is what stands. After a vote the number is a new one.
    """
    fields = ["version", "title", "answers", "form", *CORE]
    project.refresh_from_db(fields=fields, from_queryset=Project.objects.select_for_update())
    if project.form is None:  # from before there were forms
        project.form = current()
        project.save(update_fields=["form"])
    form, spec, answers = project.form, spec_of(project), answers_of(project)
    require_complete(spec, answers)
    voted = ProjectReview.objects.filter(project=project, version=project.version).exists()
    content = {
        "title": project.title,
        "answers": {one.id: answers[one.id] for one in questions.asked(spec, answers) if one.id in answers},
        "datasets": _datasets(project),
        "people": sorted(_people(project)),
        "form": {"number": form.number, "sha256": form.sha256},
    }
    return ProjectVersion.objects.create(
        project=project,
        number=project.version + voted,
        form=form,
        content=content,
        sha256=digest(content),
        submitted_by=by,
    )


def require_complete(spec: Spec, answers: Mapping[str, Any]) -> None:
    """Raise InvalidInput with what is missing unless every required question is answered."""
    if lacking := questions.missing(spec, answers):
        labels = ", ".join(f"“{question.label}”" for question in lacking)
        raise InvalidInput(f"Answer first: {labels}.", code="answers_missing")


def digest(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a version's content in its one JSON spelling."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _datasets(project: Project) -> list[str]:
    asked = AccessGrant.objects.filter(project=project, status=GrantStatus.REQUESTED)
    return sorted(asked.values_list("dataset__slug", flat=True))


def _people(project: Project) -> list[str]:
    return list(
        ProjectMember.objects.filter(project=project, ended_at=None).values_list("user_id", flat=True)
    )
