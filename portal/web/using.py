"""A dataset's conditions of use: its owner declares them, and pages that decide show how a purpose fits."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from domains.catalog import actions, queries, using
from domains.catalog.models import Dataset
from domains.catalog.use import MODIFIERS, MOST_DETAIL, PERMISSIONS
from domains.people.permissions import Permission, require
from domains.projects.fitness import Fit, fit
from domains.projects.models import Project
from portal.web import pages


class UseForm(forms.Form):
    """What the data may be used for, and the conditions that narrow it."""

    permission = forms.ChoiceField(
        required=False,
        label="May be used for",
        choices=[("", "not declared"), *((term.code, f"{term.code}: {term.label}") for term in PERMISSIONS)],
    )
    disease = forms.CharField(required=False, max_length=MOST_DETAIL, label="The disease, for DS")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for term in MODIFIERS:
            label = f"{term.code}: {term.label}"
            if term.needs:
                words = {"help_text": f"Name {term.needs}; empty: not a condition."}
                self.fields[term.code] = forms.CharField(
                    required=False, max_length=MOST_DETAIL, label=label, **words
                )
            else:
                self.fields[term.code] = forms.BooleanField(required=False, label=label)

    @property
    def modifiers(self) -> list[forms.BoundField]:
        """The fields of the conditions that narrow the use."""
        return [self[term.code] for term in MODIFIERS]

    def conditions(self) -> list[tuple[str, str]]:
        """Return what was chosen as (code, detail) pairs."""
        data = self.cleaned_data
        found = []
        if data["permission"]:
            found.append((data["permission"], data["disease"] if data["permission"] == "DS" else ""))
        for term in MODIFIERS:
            if data[term.code]:
                found.append((term.code, data[term.code] if term.needs else ""))
        return found


@require_http_methods(["GET", "POST"])
def declare(request: HttpRequest, slug: str) -> HttpResponse:
    """Let an owner declare the conditions of use."""
    row = queries.dataset(slug, request.user)
    require(request.user, Permission.DATASET_EDIT, on=row)
    form = UseForm(request.POST or None, initial=_initial(using.conditions_of(row)))
    if request.method == "POST" and form.is_valid():
        done, _ = pages.attempt(form, actions.declare_use, row, form.conditions(), by=request.user)
        if done:
            pages.say(request, "The conditions of use are declared.")
            return redirect("dataset", slug)
    return render(
        request, "owning/use.html", {"dataset": row, "form": form}, status=422 if form.errors else 200
    )


def _initial(conditions: Any) -> dict[str, Any]:
    permissions = {term.code for term in PERMISSIONS}
    found: dict[str, Any] = {}
    for each in conditions:
        if each.code in permissions:
            found |= {"permission": each.code, "disease": each.detail}
        else:
            found[each.code] = each.detail or True
    return found


def fits(project: Project) -> list[tuple[Dataset, list[Fit]]]:
    """Compare the conditions of use of each dataset that a project asks for with its purpose."""
    today = timezone.now().date()
    rows = [grant.dataset for grant in project.grants.all()]
    return [(row, fit(using.conditions_of(row), project.purpose_codes, today=today)) for row in rows]


urlpatterns = [path("datasets/<slug:slug>/use/", declare, name="dataset_use")]
