"""What is out from a dataset: the released answers, for those who may take one back and for auditors."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.catalog import queries as catalogue
from domains.requests import outputs
from portal.web import pages


@require_GET
def released(request: HttpRequest, slug: str) -> HttpResponse:
    """List the answers from a dataset that are out, with how often each was fetched."""
    row = catalogue.dataset(slug, request.user)
    rows = pages.page_of(request, outputs.released(row, by=request.user))
    return render(request, "results/released.html", {"dataset": row, "rows": rows})


urlpatterns = [path("datasets/<slug:slug>/released/", released, name="dataset_released")]
