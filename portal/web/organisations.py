"""The organisations that people belong to: listing, adding, editing and retiring them."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from domains.people import organisations, queries
from domains.people.permissions import Permission, allows, require
from portal.web.access import recent_sign_in
from portal.web.pages import act, attempt, page_of


class OrganisationForm(forms.Form):
    """What an organisation is called."""

    name = forms.CharField(max_length=160)
    country = forms.CharField(max_length=2, required=False, help_text="Two letters, such as DE.")
    ror = forms.CharField(
        label="ROR key", max_length=30, required=False, help_text="Such as ror.org/05gq02987."
    )


def listing(request: HttpRequest) -> HttpResponse:
    """List the organisations, with search."""
    search = request.GET.get("search", "").strip()
    context = {
        "page": page_of(request, queries.organisations(request.user, search)),
        "search": search,
        "manages": allows(request.user, Permission.PEOPLE_MANAGE),
    }
    return render(request, "organisations/list.html", context)


def organisation(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one organisation and its people."""
    found = queries.organisation(slug, request.user)
    context = {
        "organisation": found,
        "page": page_of(request, queries.of_organisation(found, request.user)),
        "manages": allows(request.user, Permission.PEOPLE_MANAGE) and found.is_active,
    }
    return render(request, "organisations/detail.html", context)


@recent_sign_in
def add(request: HttpRequest) -> HttpResponse:
    """Add an organisation."""
    require(request.user, Permission.PEOPLE_MANAGE)
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done, made = attempt(form, organisations.create_organisation, **form.cleaned_data, by=request.user)
        if done:
            messages.success(request, f"{made.name} is added. Its people can be put into it now.")
            return redirect("organisation", made.slug)
    return render(request, "organisations/edit.html", {"form": form}, status=422 if form.errors else 200)


@recent_sign_in
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what an organisation is called."""
    found = queries.organisation(slug, request.user)
    require(request.user, Permission.PEOPLE_MANAGE)
    given = {"name": found.name, "country": found.country, "ror": found.ror}
    form = OrganisationForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        done, _ = attempt(
            form, organisations.rename_organisation, found, **form.cleaned_data, by=request.user
        )
        if done:
            messages.success(request, "Saved.")
            return redirect("organisation", slug)
    context = {"form": form, "organisation": found}
    return render(request, "organisations/edit.html", context, status=422 if form.errors else 200)


@recent_sign_in
def retire(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what retiring an organisation means, then do it."""
    found = queries.organisation(slug, request.user)
    require(request.user, Permission.PEOPLE_MANAGE)
    if request.method == "POST":
        done = f"{found.name} is retired."
        act(request, done, organisations.retire_organisation, found, by=request.user)
        return redirect("organisation", slug)
    return render(request, "organisations/retire.html", {"organisation": found})


urlpatterns = [
    path("people/organisations/", listing, name="organisations"),
    path("people/organisations/add/", add, name="organisation_add"),
    path("people/organisations/<slug:slug>/", organisation, name="organisation"),
    path("people/organisations/<slug:slug>/edit/", edit, name="organisation_edit"),
    path("people/organisations/<slug:slug>/retire/", retire, name="organisation_retire"),
]
