"""Agreements as those see them who write and publish them: draft, preview, publication, and who accepted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from domains.agreements import actions, queries, standing
from domains.agreements.models import Agreement
from domains.catalog.models import Dataset, ResearchArea
from domains.errors import NotAllowed
from portal import sheets
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.agreements import scopes
from portal.web.forms import ReasonForm


class WordsForm(forms.Form):
    """What a version says, and how long an acceptance of it lasts."""

    body = forms.CharField(
        label="Text",
        max_length=actions.MOST_TEXT,
        widget=forms.Textarea(attrs={"rows": "18"}),
        help_text="In Markdown. It is shown as text: HTML and images in it are not.",
    )
    valid_days = forms.IntegerField(
        label="An acceptance lasts (days)",
        required=False,
        min_value=1,
        max_value=actions.MOST_DAYS,
        widget=forms.NumberInput(attrs={"class": "form-short"}),
        help_text="Left empty, until the next version.",
    )


class NewForm(WordsForm):
    """A new agreement and what it is for."""

    scope = forms.ChoiceField(label="It is for", choices=[])
    title = forms.CharField(max_length=160)
    field_order = ["scope", "title"]

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["scope"]
        field.choices = choices


class DraftForm(WordsForm):
    """The next version of an agreement."""

    edition = forms.IntegerField(widget=forms.HiddenInput)
    changes = forms.CharField(
        label="What changed",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text="In plain words, for those who accepted the version before.",
    )


class PublishForm(forms.Form):
    """From when on a version is demanded."""

    edition = forms.IntegerField(widget=forms.HiddenInput)
    effective_from = forms.DateTimeField(
        label="In force from (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Left empty, at once. Until then the version before counts, and this one can be accepted already.",
    )


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Ask what an agreement is for and what it says; keep it as a draft."""
    choices = scopes(request.user)
    if not choices:
        raise NotAllowed("Agreements are written by owners, and the node's by administrators.")
    form = NewForm(request.POST or None, choices=choices)
    if request.method == "POST" and form.is_valid():
        words = dict(form.cleaned_data)
        kind, _, key = words.pop("scope").partition(":")
        if kind != "node":
            words[kind] = (ResearchArea if kind == "area" else Dataset).objects.get(pk=key)
        done, made = pages.attempt(form, actions.create, **words, by=request.user)
        if done:
            return redirect("agreement_draft", made.pk)
    return render(request, "agreements/form.html", {"form": form}, status=422 if form.errors else 200)


def _managed(request: HttpRequest, key: str) -> Agreement:
    row = queries.agreement(key, request.user)
    actions.require_managed(row, request.user)
    return row


@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest, key: str) -> HttpResponse:
    """Edit what the next version says, and see how it will look."""
    row = _managed(request, key)
    kept, last = getattr(row, "draft", None), row.versions.first()
    source = kept or last
    initial = {
        "body": source.text if source else "",
        "valid_days": source.valid_days if source else None,
        "changes": kept.changes if kept else "",
        "edition": kept.edition if kept else 0,
    }
    form = DraftForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid() and request.POST.get("do") != "preview":
        done, _ = pages.attempt(form, actions.draft, row, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Kept. Nobody but you and the others who manage it sees the draft.")
            return redirect("agreement_draft", key)
    preview = form.cleaned_data.get("body", "") if form.is_bound and form.is_valid() else initial["body"]
    values = {"agreement": row, "form": form, "kept": kept, "last": last, "preview": preview}
    return render(request, "agreements/draft.html", values, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def publish(request: HttpRequest, key: str) -> HttpResponse:
    """Say how many people will have to accept, then publish the draft."""
    row = _managed(request, key)
    kept = getattr(row, "draft", None)
    if kept is None:
        return redirect("agreement_draft", key)
    form = PublishForm(request.POST or None, initial={"edition": kept.edition})
    if request.method == "POST" and form.is_valid():
        done, made = pages.attempt(form, actions.publish, row, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, f"Published as version {made.number}. Whom it concerns was told.")
            return redirect("agreement", key)
    values = {
        "agreement": row,
        "form": form,
        "draft": kept,
        "last": row.versions.first(),
        "count": queries.concerned(row).count(),
    }
    return render(request, "agreements/publish.html", values, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def retire(request: HttpRequest, key: str) -> HttpResponse:
    """Ask why, then stop demanding an agreement."""
    row = _managed(request, key)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pages.act(request, "Retired.", actions.retire, row, **form.cleaned_data, by=request.user)
        return redirect("agreement", key)
    values = {"agreement": row, "form": form}
    return render(request, "agreements/retire.html", values, status=422 if form.errors else 200)


@require_GET
def people(request: HttpRequest, key: str) -> HttpResponse:
    """Show who accepted an agreement and who has not."""
    row = queries.agreement(key, request.user)
    page = pages.page_of(request, standing.people(row, request.user))
    lines = standing.standings(row, page.object_list, timezone.now())
    return render(request, "agreements/people.html", {"agreement": row, "page": page, "lines": lines})


HEADER = ("name", "email", "concerned", "state", "version", "sha256", "accepted_at", "expires_at", "through")


@require_GET
def people_csv(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the same as CSV, for a spreadsheet that is to show it and never to run it."""
    row = queries.agreement(key, request.user)
    lines = standing.standings(row, standing.people(row, request.user), timezone.now())
    text = sheets.to_csv(HEADER, (_cells(line) for line in lines))
    return pages.download(text, name=f"acceptances-{row.pk}.csv", content_type="text/csv; charset=utf-8")


def _cells(line: standing.Standing) -> list[object]:
    person, found = line.person, line.acceptance
    start: list[object] = [person.name, person.email, "yes" if line.is_concerned else "no", line.code]
    if found is None:
        return [*start, "", "", "", "", ""]
    ends = found.expires_at.isoformat() if found.expires_at else ""
    return [*start, found.version.number, found.sha256, found.created_at.isoformat(), ends, found.through]


urlpatterns = [
    path("agreements/new/", new, name="agreement_new"),
    path("agreements/<str:key>/draft/", draft, name="agreement_draft"),
    path("agreements/<str:key>/publish/", publish, name="agreement_publish"),
    path("agreements/<str:key>/retire/", retire, name="agreement_retire"),
    path("agreements/<str:key>/people/", people, name="agreement_people"),
    path("agreements/<str:key>/people/csv/", people_csv, name="agreement_people_csv"),
]
