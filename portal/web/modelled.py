"""The fitted model of a workload: what it is about, how near it comes, and questions that it answers for nothing."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from domains.requests import modelled, queries
from domains.requests.actions import MOST_SQL
from portal import sheets
from portal.web import pages, shown

MOST_SHOWN = 20


class ModelForm(forms.Form):
    """A question to the model."""

    sql = forms.CharField(
        label="Question",
        max_length=MOST_SQL,
        widget=forms.Textarea(attrs={"rows": "5", "class": "form-control-code", "spellcheck": "false"}),
        help_text="SELECT … COUNT(*) … with WHERE and GROUP BY over the model's columns.",
    )


@require_http_methods(["GET", "POST"])
def model(request: HttpRequest, key: str) -> HttpResponse:
    """Show the model of a released workload, and answer a posted question from it at no charge."""
    analysis = queries.detail(key, request.user)
    found = modelled.view(analysis, by=request.user)
    form = ModelForm(request.POST or None, initial={"sql": request.GET.get("sql", "")[:MOST_SQL]})
    answer = None
    if request.method == "POST" and form.is_valid():
        sql = form.cleaned_data["sql"]
        _, answer = pages.attempt(form, modelled.ask, analysis, sql=sql, by=request.user)
    values = {
        "analysis": analysis,
        "view": found,
        "form": form,
        "grid": shown.grid(answer, key="model") if answer is not None else None,
    }
    return render(request, "results/model.html", values, status=422 if form.errors else 200)


@require_GET
def synthetic(request: HttpRequest, key: str) -> HttpResponse:
    """Show how near the model's synthetic rows come to the released tables, and some of the rows."""
    analysis = queries.detail(key, request.user)
    found = modelled.synthetic(analysis, by=request.user)
    values = {"analysis": analysis, "view": found, "first": found.rows[:MOST_SHOWN]}
    return render(request, "results/synthetic.html", values)


@require_GET
def synthetic_csv(request: HttpRequest, key: str) -> HttpResponse:
    """Offer the synthetic rows as CSV that a spreadsheet shows and never runs."""
    found = modelled.synthetic(queries.detail(key, request.user), by=request.user)
    text = sheets.to_csv(found.header, found.rows)
    return pages.download(text, name=f"synthetic-{key}.csv", content_type="text/csv; charset=utf-8")


urlpatterns = [
    path("requests/<str:key>/model/", model, name="model"),
    path("requests/<str:key>/synthetic/", synthetic, name="synthetic"),
    path("requests/<str:key>/synthetic.csv", synthetic_csv, name="synthetic_csv"),
]
