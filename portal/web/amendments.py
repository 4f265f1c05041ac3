"""Amendments: what the lead of a running project wants changed, written, compared and decided on; and renewal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import queries as catalog
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects import amending, amendments, application, queries, questions, wishes
from domains.projects.models import Amendment, Project, Vote
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.application import SAFE_LABELS, PageForm, asked_of
from portal.web.forms import EmailsField, ProjectReviewForm


class DetailsForm(forms.Form):
    """Why a project should change, and what of it beside its answers."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why should the project change?", max_length=4000, widget=forms.Textarea(attrs={"rows": "4"})
    )
    title = forms.CharField(max_length=160)
    valid_until = forms.DateField(
        label="New end of the project",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-short"}, format="%Y-%m-%d"),
        help_text="Leave it empty to keep the end as it is.",
    )
    people = EmailsField(
        required=False,
        help_text="E-mail addresses of everybody beside the lead who shall be on it, one a line.",
    )
    datasets = forms.ModelMultipleChoiceField(
        queryset=Dataset.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="All that it shall use. What you give up ends; what is new needs a budget once it is approved.",
    )

    def __init__(self, *args: Any, datasets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["datasets"].queryset = datasets  # type: ignore[attr-defined]


class RenewForm(forms.Form):
    """A later end, and what was done until now."""

    reason = forms.CharField(
        label="What was done, and what is left to do?",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": "5"}),
    )
    valid_until = forms.DateField(
        label="New end of the project", widget=forms.DateInput(attrs={"type": "date", "class": "form-short"})
    )


def _of(project: Project) -> Amendment:
    found = amendments.latest(project)
    if found is None:
        raise NotFound("This project has no amendment.")
    found.project = project
    return found


@require_POST
def begin(request: HttpRequest, key: str) -> HttpResponse:
    """Begin an amendment, then show what can be changed."""
    project = queries.project(key, request.user)
    said = "Begun. The project goes on as it is."
    done = pages.act(request, said, amendments.begin, project, by=request.user)
    return redirect("project_amendment_details" if done else "project", key)


@require_GET
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """Show the amendment that is under way, or the last one: what changes, and who said what."""
    return _page(request, queries.project(key, request.user))


def _page(request: HttpRequest, project: Project, form: ProjectReviewForm | None = None) -> HttpResponse:
    amendment = _of(project)
    may_write = allows(request.user, Permission.PROJECT_EDIT, on=project)
    may_edit = may_write and amendment.status in amendments.WRITTEN
    number = amendment.frozen.number if amendment.frozen else 0
    values = {
        "project": project,
        "amendment": amendment,
        "wish": wishes.wish_of(amendment),
        "may_edit": may_edit,
        "may_withdraw": may_write and amendment.status in amendments.OPEN,
        "may_review": amending.may_review(amendment, request.user),
        "form": form or ProjectReviewForm(initial={"version": number}),
        "votes": amending.votes_on(amendment),
        "progress": _progress(amendment) if may_edit else [],
    }
    return render(request, "amendments/detail.html", values, status=200 if form is None else 422)


def _progress(amendment: Amendment) -> list[application.Progress]:
    return application.how_far(amendments.spec_of(amendment), amendment.answers)


def _editable(request: HttpRequest, key: str) -> tuple[Project, Amendment]:
    project = queries.project(key, request.user)
    require(request.user, Permission.PROJECT_EDIT, on=project)
    return project, _of(project)


@require_http_methods(["GET", "POST"])
def details(request: HttpRequest, key: str) -> HttpResponse:
    """Ask why, and for title, end, people and datasets; keep them."""
    project, amendment = _editable(request, key)
    if amendment.status not in amendments.WRITTEN:
        return redirect("project_amendment", key)
    held = {row.dataset_id for row in project.grants.all()}
    offered = catalog.catalogue(request.user).filter(area=project.area)
    offered = offered.filter(status=DatasetStatus.PUBLISHED) | offered.filter(pk__in=held)
    form = DetailsForm(request.POST or None, datasets=offered, initial=_initial(amendment, offered))
    if request.method == "POST" and form.is_valid():
        done, _ = pages.attempt(form, amendments.change, amendment, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Kept. Change answers page by page, then hand it in.")
            return redirect("project_amendment", key)
    if form.is_bound:
        form.data = form.data.copy()  # type: ignore[attr-defined]  # what was typed, at the present version
        form.data["version"] = str(_of(project).version)  # type: ignore[index]
    values = {"project": project, "form": form, "title": "Edit the amendment", "button": "Keep"}
    values |= {"lead": "Nothing changes before it is approved.", "back": _address(key)}
    return render(request, "amendments/form.html", values, status=422 if form.errors else 200)


def _address(key: str) -> str:
    return reverse("project_amendment", args=[key])


def _initial(amendment: Amendment, offered: Any) -> dict[str, Any]:
    emails = User.objects.filter(pk__in=amendment.people).order_by("email").values_list("email", flat=True)
    return {
        **{name: getattr(amendment, name) for name in ("version", "reason", "title", "valid_until")},
        "people": "\n".join(emails),
        "datasets": list(offered.filter(slug__in=amendment.datasets).values_list("pk", flat=True)),
    }


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """Show one page of the application as the amendment has it, and keep what is typed into it."""
    project, amendment = _editable(request, key)
    spec = amendments.spec_of(amendment)
    here = spec.page(name)
    if here is None:
        raise NotFound("The application has no such page.")
    if amendment.status not in amendments.WRITTEN:
        return redirect("project_amendment", key)
    initial = {f"q_{one}": value for one, value in amendment.answers.items()} | {"version": amendment.version}
    form = PageForm(asked_of(spec, here, amendment.answers), request.POST or None, initial=initial)
    if request.method == "POST":
        if form.is_valid():
            words = {"version": form.cleaned_data["version"], "answers": form.answers}
            done, _ = pages.attempt(form, amendments.answer, amendment, **words, by=request.user)
            if done:
                pages.say(request, f"“{here.title}” is kept.")
                stay = request.POST.get("do") == "stay"
                return redirect("project_amendment_page", key, name) if stay else redirect(_address(key))
        form.reopen(_of(project).version)
    return _show_page(request, amendment, here, form)


def _show_page(
    request: HttpRequest, amendment: Amendment, here: questions.Page, form: PageForm
) -> HttpResponse:
    parts: list[Any] = [(one, SAFE_LABELS[one.safe], form.rows(one), []) for one in here.sections]
    values = {
        "project": amendment.project,
        "amendment": amendment,
        "here": here,
        "form": form,
        "parts": [part for part in parts if part[2]],
        "progress": _progress(amendment),
        "page_url": "project_amendment_page",
    }
    return render(request, "projects/application_page.html", values, status=422 if form.errors else 200)


@require_POST
def submit(request: HttpRequest, key: str) -> HttpResponse:
    """Hand the amendment to the reviewers."""
    project = queries.project(key, request.user)
    said = "Handed in. What was approved stays in force until they decide."
    pages.act(request, said, amendments.submit, _of(project), by=request.user)
    return redirect(_address(key))


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, key: str) -> HttpResponse:
    """Ask once more, then take the amendment back."""
    project, amendment = _editable(request, key)
    if request.method == "GET":
        return render(request, "amendments/withdraw.html", {"project": project})
    pages.act(request, "Withdrawn.", amendments.withdraw, amendment, by=request.user)
    return redirect(_address(key))


@require_http_methods(["GET", "POST"])
@recent_sign_in
def review(request: HttpRequest, key: str) -> HttpResponse:
    """Restate a posted vote; cast a confirmed one."""
    project = queries.project(key, request.user)
    amendment = _of(project)
    if request.method == "GET":
        return redirect(_address(key))
    require(request.user, Permission.PROJECT_REVIEW, on=project)
    form = ProjectReviewForm(request.POST)
    if not form.is_valid():
        return _page(request, project, form)
    data = form.cleaned_data
    if request.POST.get("do") != "confirm":
        values = {"project": project, "data": data, "vote_label": Vote(data["vote"]).label}
        return render(request, "amendments/confirm.html", values | {"wish": wishes.wish_of(amendment)})
    said = {"approve": "Approved.", "deny": "Denied.", "request_changes": "Sent back to its lead."}
    pages.act(request, said[data["vote"]], amending.review, amendment, **data, by=request.user)
    return redirect(_address(key))


@require_http_methods(["GET", "POST"])
def renew(request: HttpRequest, key: str) -> HttpResponse:
    """Ask for a later end of the project, and hand that in at once."""
    project = queries.project(key, request.user)
    require(request.user, Permission.PROJECT_EDIT, on=project)
    form = RenewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done, _ = pages.attempt(form, amendments.renew, project, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Handed in. The reviewers were told.")
            return redirect(_address(key))
    values = {"project": project, "form": form, "title": "Ask to renew", "button": "Hand in"}
    lead = "Reviewers decide on it as on an amendment. Nothing else of the project changes."
    values |= {"lead": lead, "back": reverse("project", args=[key])}
    return render(request, "amendments/form.html", values, status=422 if form.errors else 200)


urlpatterns = [
    path("projects/<str:key>/amend/", begin, name="project_amend"),
    path("projects/<str:key>/amendment/", detail, name="project_amendment"),
    path("projects/<str:key>/amendment/details/", details, name="project_amendment_details"),
    path("projects/<str:key>/amendment/submit/", submit, name="project_amendment_submit"),
    path("projects/<str:key>/amendment/withdraw/", withdraw, name="project_amendment_withdraw"),
    path("projects/<str:key>/amendment/review/", review, name="project_amendment_review"),
    path("projects/<str:key>/amendment/pages/<slug:name>/", page, name="project_amendment_page"),
    path("projects/<str:key>/renew/", renew, name="project_renew"),
]
