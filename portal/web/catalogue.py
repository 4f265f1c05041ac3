"""The catalogue for everyone: what there is, what may be asked of it, and how to ask."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.catalog import queries, storage, using
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Column
from domains.catalog.use import TERMS
from domains.errors import NotFound
from domains.ledger import queries as books
from domains.people.permissions import Permission, allows
from domains.projects import queries as projects
from domains.synthetic import queries as synthetic
from portal import metadata
from portal.web import owning, pages
from portal.web import using as declaring_use
from privacy.schema import NUMERIC


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the datasets that this person may see, by words and research area."""
    search, area = request.GET.get("search", "").strip(), request.GET.get("area", "")
    use = request.GET.get("use", "") if request.GET.get("use") in TERMS else ""
    areas = queries.areas(request.user)
    rows = queries.catalogue(request.user, search=search, area=area or None, use=use)
    values = {
        "page": pages.page_of(request, rows),
        "areas": areas,
        "search": search,
        "area": area,
        "use": use,
        "terms": TERMS.values(),
        "may_create": any(allows(request.user, Permission.DATASET_CREATE, on=each) for each in areas),
    }
    return render(request, "catalogue/list.html", values)


@require_GET
def dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one dataset: what it holds, in public words, its budget, its mock and how to ask."""
    row = queries.dataset(slug, request.user)
    current = row.current
    columns = list(current.columns.all()) if current else []
    values = {
        "dataset": row,
        "version": current,
        "columns": columns,
        "tables": list(current.tables.all()) if current else [],
        "policy": queries.policies(row, request.user)
        .filter(activated_at__isnull=False, ended_at=None)
        .first(),
        "mock": queries.mock_version(row),
        "synthetic": synthetic.shown(row),
        "proposals": synthetic.mocks(row, request.user),
        "may_propose": allows(request.user, Permission.SYNTHETIC_PROPOSE, on=row),
        "conditions": using.conditions_of(row),
        "balance": books.dataset_balance(row) if row.status != DatasetStatus.DRAFT else None,
        "grants": projects.grants_of(request.user).filter(dataset=row),
        "example": _example(row.slug, columns),
        "is_steward": bool(row.roles_of(request.user)),
        "may_edit": allows(request.user, Permission.DATASET_EDIT, on=row),
    }
    return render(request, "catalogue/dataset.html", values)


def _example(slug: str, columns: list[Column]) -> str:
    """Write a question that this schema can answer, from its declared columns alone."""
    table = slug.replace("-", "_")
    key = next((column.name for column in columns if column.codes), None)
    value = next(
        (column.name for column in columns if column.lower is not None and column.kind in NUMERIC), None
    )
    parts = [key, "COUNT(*) AS n", value and f"AVG({value}) AS mean_{value}"]
    question = f"SELECT {', '.join(filter(None, parts))}\nFROM {table}"
    return f"{question}\nGROUP BY {key}" if key else question


@require_GET
def mock(request: HttpRequest, slug: str, name: str = "") -> FileResponse:
    """Offer the mock of the main table, or of the one named, as a file; it holds nothing private."""
    row = queries.dataset(slug, request.user)
    version = queries.mock_version(row)
    if version is None:
        raise NotFound("This dataset has no mock data yet.", code="no_mock")
    file = storage.mock_path(queries.mock_source(version, name))
    which = f"-{name}" if name else ""
    filename = f"{row.slug}-v{version.number}{which}-mock{file.suffix}"
    return FileResponse(file.open("rb"), as_attachment=True, filename=filename)


@require_GET
def described(request: HttpRequest, slug: str, form: str) -> HttpResponse:
    """Offer a dataset's description for other catalogues: Croissant or DCAT-AP."""
    return metadata.described(slug, form, request.user)


@require_GET
def document(request: HttpRequest) -> HttpResponse:
    """Offer the whole catalogue as one DCAT-AP document."""
    return metadata.catalogue(request.user)


urlpatterns = [
    path("catalogue.jsonld", document, name="catalogue_document"),
    path("datasets/<slug:slug>/<slug:form>.jsonld", described, name="dataset_described"),
    path("catalogue/", listing, name="catalogue"),
    *owning.urlpatterns,
    *declaring_use.urlpatterns,
    path("datasets/<slug:slug>/", dataset, name="dataset"),
    path("datasets/<slug:slug>/mock/", mock, name="dataset_mock"),
    path("datasets/<slug:slug>/mock/<slug:name>/", mock, name="dataset_table_mock"),
]
