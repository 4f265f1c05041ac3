"""Pages of connections to databases: list, add, edit, test and retire them, and bind a draft version to a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import actions, connections, queries, vault
from domains.catalog.connection import Connection, EngineName, TlsMode
from domains.catalog.models import Dataset, DatasetVersion, ResearchArea
from domains.errors import NotAllowed, NotFound
from domains.intake import connecting
from domains.intake.models import ConnectionCheck
from domains.people.permissions import Permission, require
from portal.web import pages
from portal.web.access import recent_sign_in

SHOWN_TESTS = 10


class AddressForm(forms.Form):
    """Where a database is and as which role it is read; never its password."""

    host = forms.CharField(max_length=253, help_text="A name or an address, without a scheme.")
    port = forms.IntegerField(
        min_value=1, max_value=65535, initial=5432, help_text="PostgreSQL 5432, Spark Connect 15002."
    )
    database = forms.CharField(max_length=63, help_text="For Spark, the catalogue: often spark_catalog.")
    role = forms.CharField(
        max_length=63, help_text="A role that can only read, made for this node; for Spark, the token's user."
    )
    tls = forms.ChoiceField(label="Encryption", choices=TlsMode.choices)


class ConnectionForm(AddressForm):
    """A new connection."""

    area = forms.ModelChoiceField(
        label="Research area", queryset=ResearchArea.objects.none(), empty_label="Choose …"
    )
    name = forms.SlugField(
        max_length=50, help_text="Lower-case letters, digits and hyphens. The password's file has this name."
    )
    engine = forms.ChoiceField(choices=EngineName.choices)
    field_order = ["area", "name", "engine"]

    def __init__(self, *args: Any, areas: list[ResearchArea], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["area"]
        field.queryset = ResearchArea.objects.filter(pk__in=[area.pk for area in areas])


class PlaceForm(forms.Form):
    """Which table a draft version's rows stay in."""

    connection = forms.ChoiceField(choices=[])
    relation = forms.CharField(
        label="Table", max_length=127, help_text="As schema.table, upper and lower case as they are."
    )

    def __init__(self, *args: Any, usable: list[Connection], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["connection"]
        field.choices = [(row.name, f"{row.name} ({row.database} on {row.host})") for row in usable]


@dataclass(frozen=True)
class Shown:
    """A test as the page shows it."""

    row: ConnectionCheck
    reason: str
    is_waiting: bool


def shown(row: ConnectionCheck) -> Shown:
    """Return a test with its reason in words."""
    return Shown(row, connecting.reason(row), connecting.is_waiting(row))


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the connections that this person manages."""
    rows = connections.connections(request.user)
    values = {
        "page": pages.page_of(request, rows),
        "may_add": bool(connections.areas_for_connections(request.user)),
    }
    return render(request, "connections/list.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def new(request: HttpRequest) -> HttpResponse:
    """Ask where a database is, and keep it."""
    areas = connections.areas_for_connections(request.user)
    if not areas:
        raise NotAllowed("Connections are added by the owners of a research area and by administrators.")
    form = ConnectionForm(request.POST or None, areas=areas)
    if request.method == "POST" and form.is_valid():
        done, row = pages.attempt(form, actions.add_connection, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Added. Put its password where the worker reads it, then test it.")
            return redirect("connection", row.name)
    return render(request, "connections/form.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """Show where a connection leads, how its last tests went, and what is published over it."""
    row = connections.connection(name, request.user)
    tests = connecting.checks(row, user=request.user)[:SHOWN_TESTS]
    values = {
        "connection": row,
        "tests": [shown(test) for test in tests],
        "versions": connections.versions_over(row),
        "folder": settings.CONNECTIONS_DIR,
        "variable": vault.variable(row.name),
    }
    return render(request, "connections/detail.html", values)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Change where a connection leads."""
    row = connections.connection(name, request.user)
    initial = {field: getattr(row, field) for field in AddressForm.base_fields}
    form = AddressForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        done, _ = pages.attempt(form, actions.edit_connection, row, **form.cleaned_data, by=request.user)
        if done:
            pages.say(request, "Changed. Test it again.")
            return redirect("connection", row.name)
    values = {"form": form, "connection": row}
    return render(request, "connections/form.html", values, status=422 if form.errors else 200)


@require_POST
@recent_sign_in
def retire(request: HttpRequest, name: str) -> HttpResponse:
    """Stop using a connection for good."""
    row = connections.connection(name, request.user)
    pages.act(request, "Retired.", actions.retire_connection, row, by=request.user)
    return redirect("connection", name)


@require_POST
def test(request: HttpRequest, name: str) -> HttpResponse:
    """Ask a worker to test a connection."""
    row = connections.connection(name, request.user)
    pages.act(request, "A worker is testing it.", connecting.check_connection, row, by=request.user)
    return redirect("connection", name)


@require_GET
def test_fragment(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """Show how a test went; the page asks again every second while a worker has it."""
    row = connections.connection(name, request.user)
    found = connecting.checks(row, user=request.user).filter(pk=key).first()
    return _fragment(request, found, {"connection": row})


def _fragment(request: HttpRequest, found: ConnectionCheck | None, values: dict[str, Any]) -> HttpResponse:
    if found is None:
        raise NotFound("There is no such test.")
    response = render(request, "connections/_test.html", values | {"test": shown(found)})
    if not connecting.is_waiting(found):
        response["HX-Refresh"] = "true"  # what can be done next is elsewhere on the page
    return response


def placing(draft: DatasetVersion | None, user: Any) -> dict[str, Any]:
    """Return what a dataset's preparation page shows of tables in place."""
    if draft is None:
        return {}
    usable = list(connections.usable(draft.dataset.area))
    tests = connecting.placings(draft, user=user)[:3]
    return {"place_form": PlaceForm(usable=usable) if usable else None, "placings": [shown(t) for t in tests]}


def _owned(request: HttpRequest, slug: str) -> Dataset:
    row = queries.dataset(slug, request.user)
    require(request.user, Permission.DATASET_EDIT, on=row)
    return row


@require_POST
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """Bind a dataset's draft version to a table that stays where it is."""
    draft = queries.draft_of(_owned(request, slug), request.user)
    form = PlaceForm(request.POST, usable=list(connections.usable(draft.dataset.area)))
    if not form.is_valid():
        pages.complain(request, form)
        return redirect("dataset_edit", slug)
    words = form.cleaned_data
    pages.act(request, "A worker is looking at the table.", connecting.place, draft, **words, by=request.user)
    return redirect("dataset_edit", slug)


@require_GET
def place_fragment(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Show how far the look at a table is."""
    row = _owned(request, slug)
    draft = queries.draft_of(row, request.user)
    found = connecting.placings(draft, user=request.user).filter(pk=key).first()
    return _fragment(request, found, {"dataset": row})


urlpatterns = [
    path("connections/", listing, name="connections"),
    path("connections/new/", new, name="connection_new"),
    path("connections/<slug:name>/", detail, name="connection"),
    path("connections/<slug:name>/edit/", edit, name="connection_edit"),
    path("connections/<slug:name>/retire/", retire, name="connection_retire"),
    path("connections/<slug:name>/test/", test, name="connection_test"),
    path("connections/<slug:name>/tests/<str:key>/", test_fragment, name="connection_test_status"),
    path("datasets/<slug:slug>/place/", place, name="dataset_place"),
    path("datasets/<slug:slug>/placings/<str:key>/", place_fragment, name="placing_status"),
]
