"""A project's application: written page by page, read section by section, reviewed where it was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from domains.errors import InvalidInput, NotFound
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects import actions, amending, amendments, application, changes, queries, questions, sections
from domains.projects.application_forms import spec_of
from domains.projects.lifecycle import ProjectStatus
from domains.projects.membership import EDITABLE
from domains.projects.models import Project, ProjectVersion, SectionVerdict
from domains.projects.questions import Question
from portal.web import pages, using

SAFE_LABELS = {name: f"Safe {name}" for name in questions.SAFES}
_TYPED = {"date": "date", "number": "text", "text": "text"}


def _field(question: Question, words: str) -> forms.Field:
    """Return the field in which a question is answered; nothing is required of a draft."""
    common: dict[str, Any] = {"label": question.label, "help_text": words, "required": False}
    if question.type == "several":
        widget: Any = forms.CheckboxSelectMultiple
        return forms.MultipleChoiceField(choices=question.choices, widget=widget, **common)
    if question.type == "yes_no":
        choices = [*question.choices, ("", "No answer yet")]
        return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, **common)
    if question.type == "choice":
        return forms.ChoiceField(choices=[("", "Choose …"), *question.choices], **common)
    if question.type == "long_text":
        return forms.CharField(widget=forms.Textarea(attrs={"rows": "5"}), **common)
    attrs = {"type": _TYPED[question.type]}
    if question.type != "text":
        attrs |= {"class": "form-short", "autocomplete": "off"}
    if question.type == "number":
        attrs["inputmode"] = "decimal"
    return forms.CharField(widget=forms.TextInput(attrs=attrs), **common)


class PageForm(forms.Form):
    """One page of an application, at the version of the project that it was opened at."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, asked: dict[Question, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = asked
        for question, words in asked.items():
            self.fields[f"q_{question.id}"] = _field(question, words)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for question in self.asked:
            try:
                questions.read(question, data.get(f"q_{question.id}"))
            except InvalidInput as error:
                self.add_error(f"q_{question.id}", str(error))
        return data

    @property
    def answers(self) -> dict[str, Any]:
        """What was typed, by the question's id."""
        return {question.id: self.cleaned_data[f"q_{question.id}"] for question in self.asked}

    @property
    def faults(self) -> list[tuple[str, str, str]]:
        """The fields that cannot be kept: where each stands, its label, and what is wrong."""
        named = [self[name] for name in self.errors if name in self.fields and name != "version"]
        return [(bound.auto_id, str(bound.label), str(bound.errors[0])) for bound in named]

    def reopen(self, version: int) -> None:
        """Keep what was typed, for another try at the project's present version."""
        self.data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict when something was posted
        self.data["version"] = str(version)  # type: ignore[index]

    def rows(self, section: questions.Section) -> list[tuple[Question, forms.BoundField]]:
        """Return a section's questions with their fields."""
        return [(one, self[f"q_{one.id}"]) for one in section.questions if one in self.asked]


def asked_of(spec: questions.Spec, page: questions.Page, answers: Any) -> dict[Question, str]:
    """Return what a page asks with its help; a condition on the page itself is told in words, for it may change."""
    found, here = {}, {question.id for question in page.questions}
    for question in page.questions:
        condition = question.shown_if
        if condition is None or condition.question not in here:
            if questions.is_asked(spec, question, answers):
                found[question] = question.help
            continue
        other = spec.questions[condition.question]
        only = f"Only if “{other.label}” is “{dict(other.choices)[condition.value]}”."
        found[question] = f"{only} {question.help}".strip()
    return found


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """Show one page of an application that is being written, and keep what is typed into it."""
    project = queries.project(key, request.user)
    require(request.user, Permission.PROJECT_EDIT, on=project)
    if project.status not in EDITABLE:
        return redirect("project_application", key)
    spec, answers = spec_of(project), application.answers_of(project)
    here = spec.page(name)
    if here is None:
        raise NotFound("The application has no such page.")
    initial = {f"q_{one}": value for one, value in answers.items()} | {"version": project.version}
    form = PageForm(asked_of(spec, here, answers), request.POST or None, initial=initial)
    if request.method == "POST":
        if form.is_valid():
            version = form.cleaned_data["version"]
            done, _ = pages.attempt(
                form, actions.answer, project, version=version, answers=form.answers, by=request.user
            )
            if done:
                return _onwards(request, project, here)
        form.reopen(queries.project(key, request.user).version)
    return _show_page(request, project, here, form)


def _onwards(request: HttpRequest, project: Project, here: questions.Page) -> HttpResponse:
    """Go where the pressed button leads: the next page, or the whole application."""
    if request.POST.get("do") == "stay":
        pages.say(request, "Kept.")
        return redirect("project_application_page", project.pk, here.id)
    names = [one.id for one in spec_of(project).pages]
    after = names[names.index(here.id) + 1 :]
    pages.say(request, f"“{here.title}” is kept.")
    if not after:
        return redirect("project_application", project.pk)
    return redirect("project_application_page", project.pk, after[0])


def _show_page(request: HttpRequest, project: Project, here: questions.Page, form: PageForm) -> HttpResponse:
    version = next(iter(sections.versions_of(project)), None)
    standing = sections.standing(version) if version is not None else {}
    parts = [
        (section, SAFE_LABELS[section.safe], form.rows(section), standing.get(section.id, []))
        for section in here.sections
    ]
    values = {
        "project": project,
        "here": here,
        "form": form,
        "parts": [part for part in parts if part[2]],
        "progress": application.progress(project),
    }
    return render(request, "projects/application_page.html", values, status=422 if form.errors else 200)


class SectionForm(forms.Form):
    """What a reviewer thinks of a section of the version that was read."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    verdict = forms.ChoiceField(
        label="What do you think of it?", choices=SectionVerdict.choices, widget=forms.RadioSelect
    )
    note = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": "2"}),
        help_text="Everybody who may read the project sees it. Needed if something has to change.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("verdict") == SectionVerdict.CHANGE and not str(data.get("note", "")).strip():
            self.add_error("note", "Say what has to change.")
        return data


@require_GET
def whole(request: HttpRequest, key: str) -> HttpResponse:
    """Show an application: what was handed in, with what changed since the version before; else the draft."""
    return _read(request, queries.project(key, request.user), {})


def _read(request: HttpRequest, project: Project, typed: dict[str, SectionForm]) -> HttpResponse:
    rows = sections.versions_of(project)
    asked = request.GET.get("version", "")
    may_edit = allows(request.user, Permission.PROJECT_EDIT, on=project) and project.status in EDITABLE
    if not rows:
        shown, before, parts = None, None, changes.parts(spec_of(project), application.answers_of(project))
    else:
        waiting = amendments.waiting(project)
        first = waiting or project.in_force_id
        shown = next((row for row in rows if str(row.number) == asked), None)
        shown = shown or next((row for row in rows if row.pk == first), rows[0])
        before = sections.before(shown, rows)
        parts = sections.parts_of(shown, before)
    standing = sections.standing(shown) if shown is not None else {}
    may_review = shown is not None and _may_review(project, shown, request.user)
    number = shown.number if shown is not None else project.version
    forms_ = {part.id: _section_form(part.id, number, typed) for part in parts if part.id and may_review}
    values = {
        "project": project,
        "versions": rows,
        "shown": shown,
        "before": before,
        "title_changed": _title_changes(shown, before),
        "parts": [
            (part, SAFE_LABELS.get(part.safe, ""), standing.get(part.id, []), forms_.get(part.id))
            for part in parts
        ],
        "changed": sum(line.is_changed for part in parts for line in part.lines),
        "may_edit": may_edit,
        "fits": using.fits(project),
        "first_page": spec_of(project).pages[0].id,
    }
    return render(request, "projects/application.html", values, status=422 if typed else 200)


def _title_changes(shown: Any, before: Any) -> Sequence[changes.Piece]:
    if shown is None or before is None:
        return ()
    return changes.by_word(before.content["title"], shown.content["title"])


def _may_review(project: Project, shown: ProjectVersion, user: User) -> bool:
    """Answer whether what is shown is what waits for a decision: the project itself, or an amendment of it."""
    if project.status == ProjectStatus.APPROVED:
        amendment = amendments.latest(project)
        return amendment is not None and amendment.frozen == shown and amending.may_review(amendment, user)
    return shown.number == project.version and queries.may_review(project, user)


def _section_form(name: str, number: int, typed: dict[str, SectionForm]) -> SectionForm:
    return typed.get(name) or SectionForm(prefix=name, initial={"version": number})


@require_http_methods(["POST"])
def review(request: HttpRequest, key: str, section: str) -> HttpResponse:
    """Keep what a reviewer thinks of a section; nothing is decided by it."""
    project = queries.project(key, request.user)
    form = SectionForm(request.POST, prefix=section)
    if form.is_valid():
        words = form.cleaned_data
        done, _ = pages.attempt(
            form, sections.review_section, project, section=section, **words, by=request.user
        )
        if done:
            pages.say(request, "Kept. Your vote on the whole is on the project’s page.")
            return redirect("project_application", key)
    _require_reviewer(request.user, project)
    return _read(request, project, {section: form})


def _require_reviewer(user: User, project: Project) -> None:
    require(user, Permission.PROJECT_REVIEW, on=project)


urlpatterns = [
    path("projects/<str:key>/application/", whole, name="project_application"),
    path("projects/<str:key>/application/<slug:name>/", page, name="project_application_page"),
    path("projects/<str:key>/sections/<slug:section>/", review, name="project_section_review"),
]
