"""The composer: one question, written as SQL or in a form, with its price, its errors and its budgets beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from domains.ledger import queries as books
from domains.projects import queries as projects
from domains.projects.models import AccessGrant
from domains.requests import actions, queries
from domains.requests.accounting import Accounting
from domains.requests.estimates import estimate
from domains.requests.models import AnalysisRequest
from domains.requests.targets import least_epsilon
from portal.web import pages, shown
from portal.web.forms import RequestForm
from portal.web.sketch_forms import SketchForm
from privacy.errors import QueryRejected
from privacy.query.sketch_read import BeyondForm, read
from privacy.schema import Table

SQL, FORM = "sql", "form"


@dataclass
class Composer:
    """What was typed, in the way in which it is being written; `remark` says why the form could not show it."""

    way: str
    form: RequestForm
    sketch: SketchForm | None = None
    remark: str = ""

    @property
    def sql(self) -> str:
        """The question as SQL; "" while the form cannot write it."""
        return self.sketch.sql if self.sketch else str(self.form["sql"].value() or "").strip()

    @property
    def accounting(self) -> str:
        """What the ε is paid in; the field is shown only where there is a choice."""
        return str(self.form["accounting"].value() or "zcdp")

    def is_valid(self) -> bool:
        """Whether everything that was typed can be read."""
        return self.form.is_valid() and not (self.sketch and self.sketch.faults)


def posted(request: HttpRequest, table: Table | None) -> Composer:
    """Read what was posted, and turn it into the other way of writing where a button asked for that."""
    values = request.POST.copy()
    way = FORM if values.get("way") == FORM and table else SQL
    sketch = SketchForm(table, values) if way == FORM and table else None
    if sketch is not None:
        values["sql"] = sketch.sql
    wanted = {"to_sql": SQL, "to_form": FORM}.get(values.get("do", ""), way)
    if wanted == way or table is None:
        form = RequestForm(values)
        if sketch is not None:  # its own fields say what is missing
            form.errors.pop("sql", None)
        return Composer(way, form, sketch)
    if wanted == SQL:
        is_lost = sketch is not None and not sketch.sql and bool(sketch.faults)
        remark = "The form could not be read as a whole, so the SQL starts empty." if is_lost else ""
        return Composer(SQL, RequestForm(initial=values.dict()), None, remark)
    return _in_form(values, table)


def _in_form(values: QueryDict, table: Table) -> Composer:
    """Show SQL in the form, or stay with it and say why the form cannot show it."""
    initial = RequestForm(initial=values.dict())
    sql = str(values.get("sql", "")).strip()
    if not sql:
        return Composer(FORM, initial, SketchForm(table))
    try:
        return Composer(FORM, initial, SketchForm(table, shown=read(sql, table)))
    except BeyondForm as beyond:
        return Composer(SQL, initial, None, f"The form cannot show this query. {beyond}")
    except QueryRejected as refused:
        return Composer(SQL, initial, None, f"The form cannot show what cannot be asked. {refused}")


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, grant: str) -> HttpResponse:
    """Show the composer for a grant, estimate what is typed, or keep it as a draft and check it."""
    access = projects.grant(grant, request.user)
    if request.method == "GET":
        table = _table(access) if request.GET.get("way") == FORM else None
        begun = Composer(FORM, RequestForm(), SketchForm(table)) if table else Composer(SQL, RequestForm())
        return _page(request, begun, access)
    return _answered(request, access, None)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: str) -> HttpResponse:
    """Show the composer for a draft or a request sent back, and keep and check what is changed."""
    analysis = queries.detail(key, request.user)
    if request.method == "GET":
        written = {
            "title": analysis.title,
            "sql": analysis.draft_sql,
            "epsilon": analysis.draft_epsilon,
            "accounting": analysis.draft_accounting,
        }
        return _page(request, Composer(SQL, RequestForm(initial=written)), analysis.grant, analysis)
    return _answered(request, analysis.grant, analysis)


def _answered(request: HttpRequest, access: AccessGrant, analysis: AnalysisRequest | None) -> HttpResponse:
    """Do what the pressed button says: save, or show the page again with an estimate, a line or an ε more."""
    composer, do = posted(request, _table(access)), request.POST.get("do", "save")
    if do == "target":
        _find_epsilon(request, composer, access)
    if do != "save" or not composer.is_valid():
        is_move = do.startswith(("add-", "to_"))
        return _page(request, composer, access, analysis, is_move=is_move)
    words = {name: composer.form.cleaned_data[name] for name in ("title", "sql", "epsilon")}
    words["accounting"] = composer.accounting
    if analysis is None:
        done, analysis = pages.attempt(composer.form, actions.draft, access, **words, by=request.user)
    else:
        done, _ = pages.attempt(composer.form, actions.edit, analysis, **words, by=request.user)
    if not done or analysis is None:
        return _page(request, composer, access, analysis)
    pages.act(request, "", actions.check, analysis, by=request.user)
    return redirect("request", analysis.pk)


def _find_epsilon(request: HttpRequest, composer: Composer, access: AccessGrant) -> None:
    """Put the least ε for the wanted error into the form, or say at its field why there is none."""
    form = composer.form
    form.is_valid()
    error, rows = form.cleaned_data.get("error"), form.cleaned_data.get("rows")
    if not error:
        form.add_error("error", "Write the error that you can live with, such as 50.")
        return
    if not composer.sql:
        return
    try:
        found = least_epsilon(
            access,
            sql=composer.sql,
            error=error,
            figure=form.cleaned_data.get("of", ""),
            rows=rows,
            accounting=composer.accounting,
            by=request.user,
        )
    except pages.REFUSALS as refused:
        if not pages.is_for_the_page(refused):
            raise
        form.add_error("error", str(refused))
        return
    changed = {"epsilon": format(found.epsilon, "f"), "accounting": found.accounting.value}
    composer.form = RequestForm({**_typed(form), **changed})
    paid = ", paid as pure ε," if found.accounting == Accounting.PURE else ""
    composer.remark = f"ε {found.epsilon:f}{paid} is the least that keeps the error within ± {error}."


def _typed(form: RequestForm) -> dict[str, Any]:
    """Return what the fields hold as they were typed."""
    return {name: form[name].value() for name in form.fields}


def _table(access: AccessGrant) -> Table | None:
    version = access.dataset.current
    return None if version is None else version.table()


def _page(
    request: HttpRequest,
    composer: Composer,
    access: AccessGrant,
    analysis: AnalysisRequest | None = None,
    *,
    is_move: bool = False,
) -> HttpResponse:
    """Show the composer; a posted one with its estimate, a mere change of its form without complaints."""
    form = composer.form
    values = {
        "composer": composer,
        "form": form if not (is_move and form.is_bound) else RequestForm(initial=_typed(form)),
        "grant": access,
        "analysis": analysis,
        "version": access.dataset.current,
        "unit": access.dataset.population.unit_label,
        "has_pure": any(row.has_pure for row in books.balances(access, request.user) if row.scope == "grant"),
    }
    if request.method == "POST":
        values |= _estimate(request, composer, access)
    bad = form.is_bound and not is_move and (form.errors or (composer.sketch and composer.sketch.faults))
    return render(request, "requests/compose.html", values, status=422 if bad else 200)


@require_POST
def estimate_fragment(request: HttpRequest, grant: str) -> HttpResponse:
    """Show what the typed question would cost, for the panel beside the composer; nothing is stored."""
    access = projects.grant(grant, request.user)
    composer = posted(request, _table(access))
    values = {"grant": access, "composer": composer, "is_fragment": True}
    return render(request, "requests/_estimate.html", values | _estimate(request, composer, access))


def _estimate(request: HttpRequest, composer: Composer, access: AccessGrant) -> dict[str, Any]:
    """Price what was posted; return the estimate with its expected errors, or the refusal as a finding."""
    sql, epsilon = composer.sql, str(composer.form["epsilon"].value() or "").strip()
    if not sql or not epsilon:
        return {}
    try:
        words = {"sql": sql, "epsilon": epsilon, "accounting": composer.accounting}
        found = estimate(access, **words, by=request.user)
    except pages.REFUSALS as error:
        if not pages.is_for_the_page(error):
            raise
        return {"finding": actions.finding_of(error)}
    rows = str(composer.form["rows"].value() or "")
    return {
        "estimate": found,
        "errors": shown.expected_errors(found, rows),
        "measures": shown.measures(found),
    }


urlpatterns = [
    path("requests/new/<str:grant>/", new, name="request_new"),
    path("requests/new/<str:grant>/estimate/", estimate_fragment, name="request_estimate"),
    path("requests/<str:key>/edit/", edit, name="request_edit"),
]
