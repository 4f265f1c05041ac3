"""Projects: the list, the proposal, the project with its people, grants and review."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import queries as catalog
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.purposes import LABELS
from domains.errors import NotAllowed, NotFound
from domains.evidence import pack, register
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.projects import actions, amendments, application, queries
from domains.projects.lifecycle import PROJECT, ProjectStatus
from domains.projects.models import Project, Vote
from domains.projects.rights import grants_usable
from domains.requests import queries as requests
from portal.web import grants, pages, using
from portal.web.access import recent_sign_in
from portal.web.forms import MemberForm, ProjectForm, ProjectReviewForm, ReasonForm

EDITABLE = {ProjectStatus.DRAFT, ProjectStatus.CHANGES_REQUESTED}
OPEN = EDITABLE | {ProjectStatus.IN_REVIEW}


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the projects that this person may read."""
    search, status = request.GET.get("search", "").strip(), request.GET.get("status", "")
    status = status if status in ProjectStatus.values else ""
    values = {
        "page": pages.page_of(request, queries.projects(request.user, search=search, status=status or None)),
        "search": search,
        "status": status,
        "statuses": [(value, state.label) for value, state in PROJECT.items()],
        "may_create": allows(request.user, Permission.PROJECT_CREATE),
    }
    return render(request, "projects/list.html", values)


def _form(request: HttpRequest, data: Any = None, **options: Any) -> ProjectForm:
    datasets = catalog.catalogue(request.user).filter(status=DatasetStatus.PUBLISHED)
    return ProjectForm(data, datasets=datasets, areas=catalog.areas(request.user), **options)


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Show the proposal's form, and keep what is proposed as a draft."""
    require(request.user, Permission.PROJECT_CREATE)
    if request.method == "GET":
        initial: dict[str, Any] = {}
        chosen = catalog.catalogue(request.user).filter(slug=request.GET.get("dataset", "")).first()
        if chosen is not None:
            initial = {"area": chosen.area_id, "datasets": [chosen.pk]}
        return render(request, "projects/form.html", {"form": _form(request, initial=initial)})
    form = _form(request, request.POST)
    if form.is_valid():
        words = {name: value for name, value in form.cleaned_data.items() if name != "version"}
        done, project = pages.attempt(form, actions.propose, **words, by=request.user)
        if done:
            return redirect("project", project.pk)
    return render(request, "projects/form.html", {"form": form}, status=422)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: str) -> HttpResponse:
    """Show a project's form at its present version, and keep changes made to that version."""
    project = queries.project(key, request.user)
    require(request.user, Permission.PROJECT_EDIT, on=project)
    if request.method == "GET":
        initial = {
            **{name: getattr(project, name) for name in ("version", "title", "lay_summary", "purpose")},
            "area": project.area_id,
            "datasets": [row.dataset_id for row in project.grants.all() if row.status == "requested"],
        }
        form = _form(request, initial=initial)
        _settle(form)
        return render(request, "projects/form.html", {"form": form, "project": project})
    form = _form(request, request.POST)
    _settle(form)
    if form.is_valid():
        names = ("version", "title", "lay_summary", "purpose", "datasets")
        words = {name: form.cleaned_data[name] for name in names}
        done, _ = pages.attempt(form, actions.edit, project, **words, by=request.user)
        if done:
            return redirect("project", key)
    return render(request, "projects/form.html", {"form": form, "project": project}, status=422)


def _settle(form: ProjectForm) -> None:
    """Leave out what cannot be changed once a project exists: its area; its members have a form of their own."""
    form.fields["version"].required = True
    del form.fields["area"], form.fields["members"]


@require_GET
def detail(request: HttpRequest, key: str) -> HttpResponse:
    """Show one project: its purpose, its people, its grants with the checklist, and what can be done next."""
    return _page(request, queries.project(key, request.user))


def _page(request: HttpRequest, project: Project, form: ProjectReviewForm | None = None) -> HttpResponse:
    user, now = request.user, timezone.now()
    rows = list(project.grants.all())
    members = [row for row in project.members.all() if row.ended_at is None]
    is_member = any(row.user_id == user.pk for row in members)
    usable = grants_usable(rows, user, now) if is_member else {}
    may_edit = allows(user, Permission.PROJECT_EDIT, on=project)
    may_stop = allows(user, Permission.PROJECT_SUSPEND, on=project)
    is_fresh = form is None
    values = {
        "project": project,
        "members": members,
        "is_member": is_member,
        "lines": [grants.line(row, user, usable.get(row.pk)) for row in rows],
        "may_edit": may_edit and project.status in EDITABLE,
        "may_withdraw": may_edit and project.status in OPEN,
        "may_review": queries.may_review(project, user),
        "may_close": allows(user, Permission.PROJECT_CLOSE, on=project)
        and project.status in {ProjectStatus.APPROVED, ProjectStatus.SUSPENDED},
        "may_suspend": may_stop and project.status == ProjectStatus.APPROVED,
        "may_reinstate": may_stop and project.status == ProjectStatus.SUSPENDED,
        "may_add": _may_add(project, user),
        "review_form": ProjectReviewForm(initial={"version": project.version}) if form is None else form,
        "member_form": MemberForm(),
        "requests": _requests(request, project, now),
        "lead": Role.PROJECT_LEAD,
        "fits": using.fits(project),
        "kinds": [LABELS[code] for code in project.purpose_codes],
        "progress": application.progress(project) if may_edit and project.status in EDITABLE else [],
        "becomes_public": register.since() is not None and project.status in OPEN,
        "is_listed": project.status in register.LISTED and register.is_public(project.decided_at),
        **_amendment(project, user, now),
        "may_have_evidence": pack.may_have(user, project),
    }
    return render(request, "projects/detail.html", values, status=200 if is_fresh else 422)


def _amendment(project: Project, user: User, now: Any) -> dict[str, Any]:
    """Return what the page says of amendments and of the approval's end."""
    last = amendments.latest(project)
    is_open = last is not None and last.status in amendments.OPEN
    may = project.status == ProjectStatus.APPROVED and allows(user, Permission.PROJECT_EDIT, on=project)
    ends = project.valid_until
    return {
        "amendment": last,
        "amendment_open": is_open,
        "may_amend": may and not is_open,
        "has_expired": project.status == ProjectStatus.APPROVED and ends is not None and ends <= now,
    }


def _may_add(project: Project, user: User) -> bool:
    """Answer whether the form to add somebody is shown: the lead's before approval, an uninvolved reviewer's after."""
    if project.status == ProjectStatus.APPROVED:
        return allows(user, Permission.PROJECT_REVIEW, on=project) and user.pk not in project.member_ids
    return project.status in EDITABLE and allows(user, Permission.PROJECT_EDIT, on=project)


def _requests(request: HttpRequest, project: Project, now: Any) -> list[Any]:
    rows = requests.visible_to(request.user).filter(grant__project=project)[: pages.PAGE_SIZE]
    return [(row, requests.progress(row, now)) for row in rows]


@require_POST
def submit(request: HttpRequest, key: str) -> HttpResponse:
    """Hand the project to the reviewers of its research area."""
    project = queries.project(key, request.user)
    pages.act(request, "Handed in. The reviewers were told.", actions.submit, project, by=request.user)
    return redirect("project", key)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def review(request: HttpRequest, key: str) -> HttpResponse:
    """Restate a posted vote; cast a confirmed one."""
    project = queries.project(key, request.user)
    if request.method == "GET":
        return redirect("project", key)
    if not allows(request.user, Permission.PROJECT_REVIEW, on=project):
        raise NotAllowed("Projects are reviewed by the reviewers of their research area.")
    form = ProjectReviewForm(request.POST)
    if not form.is_valid():
        return _page(request, project, form)
    data = form.cleaned_data
    if request.POST.get("do") != "confirm":
        values = {"project": project, "data": data, "vote_label": Vote(data["vote"]).label}
        return render(request, "projects/confirm.html", values)
    words = {"approve": "Approved.", "deny": "Rejected.", "request_changes": "Sent back to its lead."}
    pages.act(request, words[data["vote"]], actions.review, project, **data, by=request.user)
    return redirect("project", key)


# What ends or stops a project: the words of its page, and the action's name for the reason.
_ENDINGS = {
    "suspend": ("Suspend this project", "Nothing of it runs until another reviewer reinstates it.", "reason"),
    "reinstate": ("Reinstate this project", "Work may go on within its grants.", "reason"),
    "close": ("Close this project", "It cannot be opened again. Write what came of it.", "report"),
}


@require_http_methods(["GET", "POST"])
@recent_sign_in
def ending(request: HttpRequest, key: str, what: str) -> HttpResponse:
    """Ask why, then suspend, reinstate or close."""
    project = queries.project(key, request.user)
    title, effect, argument = _ENDINGS[what]
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        words = {argument: form.cleaned_data["reason"]}
        pages.act(request, "Done.", getattr(actions, what), project, **words, by=request.user)
        return redirect("project", key)
    values = {"project": project, "form": form, "title": title, "effect": effect}
    return render(request, "projects/ending.html", values, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, key: str) -> HttpResponse:
    """Ask once more, then take the project back."""
    project = queries.project(key, request.user)
    if request.method == "GET":
        return render(request, "projects/withdraw.html", {"project": project})
    pages.act(request, "Withdrawn.", actions.withdraw, project, by=request.user)
    return redirect("project", key)


@require_POST
@recent_sign_in
def add_member(request: HttpRequest, key: str) -> HttpResponse:
    """Add a person to the project."""
    project = queries.project(key, request.user)
    form = MemberForm(request.POST)
    if not form.is_valid():
        pages.complain(request, form)
        return redirect("project", key)
    for person in form.cleaned_data["people"]:
        pages.act(
            request, f"{person.name} is on the project.", actions.add_member, project, person, by=request.user
        )
    return redirect("project", key)


@require_POST
def end_member(request: HttpRequest, key: str, person: str) -> HttpResponse:
    """Take a person off the project."""
    project = queries.project(key, request.user)
    who = next(
        (row.user for row in project.members.all() if row.user_id == person and row.ended_at is None), None
    )
    if who is None:
        raise NotFound("This person is not on the project.", code="not_member")
    pages.act(request, f"{who.name} is off the project.", actions.end_member, project, who, by=request.user)
    return redirect("projects") if who.pk == request.user.pk else redirect("project", key)


urlpatterns = [
    path("projects/", listing, name="projects"),
    path("projects/new/", new, name="project_new"),
    path("projects/<str:key>/", detail, name="project"),
    path("projects/<str:key>/edit/", edit, name="project_edit"),
    path("projects/<str:key>/submit/", submit, name="project_submit"),
    path("projects/<str:key>/withdraw/", withdraw, name="project_withdraw"),
    path("projects/<str:key>/review/", review, name="project_review"),
    *(
        path(f"projects/<str:key>/{what}/", ending, {"what": what}, name=f"project_{what}")
        for what in _ENDINGS
    ),
    path("projects/<str:key>/members/", add_member, name="project_add_member"),
    path("projects/<str:key>/members/<str:person>/end/", end_member, name="project_end_member"),
    *grants.urlpatterns,
]
