"""The calculator: what an ε buys and what an error costs, without data."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.requests.accounting import Accounting
from domains.requests.calculator import Calculation, Figure, Statistic, calculate
from portal.web import pages
from portal.web.budget_forms import CalculatorForm


@require_GET
def calculator(request: HttpRequest) -> HttpResponse:
    """Work out the error of an ε, or the least ε of an error, for a figure over bounds that the reader makes up."""
    form = CalculatorForm(request.GET if "statistic" in request.GET else None)
    found: Calculation | None = None
    if form.is_bound and form.is_valid():
        _, found = pages.attempt(form, _calculated, dict(form.cleaned_data))
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "budgets/calculator.html", {"form": form, "found": found}, status=status)


def _calculated(data: dict[str, Any]) -> Calculation:
    choice = {name: data.pop(name).strip() for name in ("epsilon", "error")}
    kind, statistic = Accounting(data.pop("accounting")), Statistic(data.pop("statistic"))
    return calculate(Figure(statistic, **data), **choice, accounting=kind)


urlpatterns = [path("budgets/calculator/", calculator, name="calculator")]
