"""The node's application form: read by everybody, written by administrators."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from domains.errors import InvalidInput
from domains.people.permissions import Permission, allows, require
from domains.projects import application_forms, queries, questions
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.application import SAFE_LABELS


class FormForm(forms.Form):
    """The next version of the form, as JSON."""

    number = forms.IntegerField(widget=forms.HiddenInput)
    form = forms.CharField(
        label="Form (JSON)",
        max_length=questions.MOST_SPEC,
        widget=forms.Textarea(attrs={"rows": "24", "class": "form-control-code", "spellcheck": "false"}),
        help_text="Pages hold sections, sections hold questions. Look at the preview before you publish it.",
    )
    changes = forms.CharField(
        label="What changed", max_length=1000, widget=forms.Textarea(attrs={"rows": "2"}), required=False
    )


def _shown(text: str) -> dict[str, Any]:
    return {"spec": questions.parse(text), "safes": SAFE_LABELS}


@require_GET
def current(request: HttpRequest) -> HttpResponse:
    """Show the form that new applications begin with, and its versions."""
    require(request.user, Permission.CATALOGUE_READ)
    page = pages.page_of(request, queries.form_versions())
    text = page.object_list[0].text if page.object_list else application_forms.bundled()
    wanted = request.GET.get("version", "")
    for row in page.object_list:
        if wanted == str(row.number):
            text = row.text
    values = {"page": page, "may_manage": allows(request.user, Permission.FORM_MANAGE), **_shown(text)}
    return render(request, "application_form/detail.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def new(request: HttpRequest) -> HttpResponse:
    """Take the next version as JSON; show how it looks, or publish it."""
    require(request.user, Permission.FORM_MANAGE)
    newest = queries.form_versions().first()
    text = newest.text if newest is not None else application_forms.bundled()
    initial = {"number": (newest.number if newest is not None else 1) + 1, "form": text}
    form = FormForm(request.POST or None, initial=initial)
    if form.is_bound and form.is_valid():
        text, words = form.cleaned_data["form"], dict(form.cleaned_data)
        if request.POST.get("do") != "preview":
            done, made = pages.attempt(
                form, application_forms.publish_form, words.pop("form"), **words, by=request.user
            )
            if done:
                pages.say(request, f"Published as version {made.number}. New applications begin with it.")
                return redirect("application_form")
    values = {"form": form, **_preview(form, text)}
    return render(request, "application_form/new.html", values, status=422 if form.errors else 200)


def _preview(form: FormForm, text: str) -> dict[str, Any]:
    """Return how the typed form looks; a form that cannot be read becomes an error at its field."""
    try:
        return _shown(text)
    except InvalidInput as error:
        if not form.errors:
            form.add_error("form", str(error))
        return {}


urlpatterns = [
    path("application-form/", current, name="application_form"),
    path("application-form/new/", new, name="application_form_new"),
]
