"""Looking after a published dataset: who decides on it, and stopping it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from domains.catalog import actions, queries
from domains.catalog.models import Dataset, Steward
from domains.errors import NotFound
from domains.people.permissions import Permission, require
from portal.web import pages, policies
from portal.web.access import recent_sign_in
from portal.web.dataset_forms import StewardForm
from portal.web.forms import ReasonForm


def stewards(row: Dataset) -> list[Steward]:
    """Return who looks after a dataset now."""
    return list(row.stewards.filter(ended_at=None).select_related("user").order_by("role", "user__name"))


@require_POST
@recent_sign_in
def assign(request: HttpRequest, slug: str) -> HttpResponse:
    """Share the care of a dataset with somebody."""
    row = queries.dataset(slug, request.user)
    form = StewardForm(request.POST)
    if not form.is_valid():
        pages.complain(request, form)
        return redirect("dataset_edit", slug)
    for person in form.cleaned_data["people"]:
        role = form.cleaned_data["role"]
        pages.act(
            request, f"{person.name} was added.", actions.assign, row, person, role=role, by=request.user
        )
    return redirect("dataset_edit", slug)


@require_POST
@recent_sign_in
def end_steward(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Take the care of a dataset from somebody."""
    row = queries.dataset(slug, request.user)
    found = row.stewards.filter(pk=key, ended_at=None).first()
    if found is None:
        raise NotFound("This person does not look after the dataset.", code="not_steward")
    pages.act(request, "Ended.", actions.end_steward, found, by=request.user)
    return redirect("dataset_edit", slug)


_ENDINGS = {
    "freeze": (
        "Freeze this dataset",
        "No new approvals, and no run passes its checks, until you unfreeze it.",
    ),
    "unfreeze": ("Unfreeze this dataset", "Requests may be approved and run again."),
    "withdraw": ("Withdraw this dataset", "It leaves the catalogue for good. Its ledger stays."),
}


@require_http_methods(["GET", "POST"])
@recent_sign_in
def ending(request: HttpRequest, slug: str, what: str) -> HttpResponse:
    """Ask why, then freeze, unfreeze or withdraw."""
    row = queries.dataset(slug, request.user)
    require(request.user, Permission.DATASET_FREEZE, on=row)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pages.act(
            request, "Done.", getattr(actions, what), row, reason=form.cleaned_data["reason"], by=request.user
        )
        return redirect("catalogue") if what == "withdraw" else redirect("dataset", slug)
    title, effect = _ENDINGS[what]
    values = {"dataset": row, "form": form, "title": title, "effect": effect}
    return render(request, "owning/ending.html", values, status=422 if form.errors else 200)


@require_POST
@recent_sign_in
def approve_mock(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Let an uploaded mock out, as the second person who looked at it."""
    version = queries.version(slug, number, request.user)
    pages.act(request, "The mock may be downloaded now.", actions.approve_mock, version, by=request.user)
    return redirect("dataset_rules", slug)


urlpatterns = [
    *policies.urlpatterns,
    path("datasets/<slug:slug>/stewards/", assign, name="dataset_assign"),
    path("datasets/<slug:slug>/stewards/<str:key>/end/", end_steward, name="dataset_end_steward"),
    *(
        path(f"datasets/<slug:slug>/{what}/", ending, {"what": what}, name=f"dataset_{what}")
        for what in _ENDINGS
    ),
    path("datasets/<slug:slug>/versions/<int:number>/mock/approve/", approve_mock, name="mock_approve"),
]
