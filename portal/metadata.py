"""A dataset's description in JSON-LD, as pages and API give it out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import JsonResponse

from domains.catalog import metadata, queries, storage
from domains.catalog.metadata import Place
from domains.catalog.models import Dataset, DatasetVersion
from domains.errors import NotFound
from domains.people.models import User

MOST = 1_000  # datasets of one catalogue document
Form = Callable[[Dataset, DatasetVersion, Place, str | None], dict[str, Any]]
FORMS: dict[str, Form] = {"croissant": metadata.croissant, "dcat": metadata.dcat}


def place() -> Place:
    """Return where this node is."""
    return Place(settings.PUBLIC_URL.rstrip("/"), settings.NODE_TITLE)


def described(slug: str, form: str, user: User) -> JsonResponse:
    """Answer with one dataset's description; NotFound before it has a published version."""
    row = queries.dataset(slug, user)
    if form not in FORMS or row.current is None:
        raise NotFound("There is no such description.")
    told = FORMS[form](row, row.current, place(), _mock(row))
    return answer(told, f"{row.slug}-{form}.jsonld")


def catalogue(user: User) -> JsonResponse:
    """Answer with all published datasets that `user` may see as one DCAT catalogue."""
    rows = [row for row in queries.described(user)[:MOST] if row.current is not None]
    told = metadata.catalogue([(row, row.current, _mock(row)) for row in rows if row.current], place())
    return answer(told, "catalogue.jsonld")


def answer(told: dict[str, Any], name: str) -> JsonResponse:
    """Answer with JSON-LD under a name."""
    response = JsonResponse(
        told, content_type="application/ld+json", json_dumps_params={"ensure_ascii": False}
    )
    response["Content-Disposition"] = f'inline; filename="{name}"'
    return response


def _mock(row: Dataset) -> str | None:
    """Return the hash of the mock's CSV, None where there is none to download."""
    version = queries.mock_version(row)
    if version is None:
        return None
    path = storage.mock_csv_path(version)
    return _digest(path) if path.exists() else None


@functools.lru_cache(maxsize=1024)  # a mock's file is named by its contents and never changes
def _digest(path: Path) -> str:
    return storage.digest(path)
