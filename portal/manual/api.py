"""The endpoints of the REST API, from its OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import SchemaGenerator

from portal.manual.tables import table

INTRODUCTION = """# REST API v1

The OpenAPI document is at `/api/v1/schema/`, a browsable edition (offline, no foreign scripts) beside it.
Send `Authorization: Bearer TOKEN`; tokens are made on the account page, with scopes and an expiry. Lists are
paged by cursor: follow `next`. A POST that carries `Idempotency-Key` may be repeated safely: the first answer
comes again, and the same key with another body is refused with 409. [Errors](errors.md) are
`application/problem+json`."""
VERBS = ("get", "post", "put", "patch", "delete")


def document() -> dict[str, Any]:
    """Return the OpenAPI document as the schema endpoint serves it."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


def page() -> str:
    """Return the page: each path and verb with what it does."""
    rows = [
        (
            f"`{verb.upper()}`",
            f"`{path}`",
            _summary(operation),
        )
        for path, operations in sorted(document()["paths"].items())
        for verb, operation in operations.items()
        if verb in VERBS
    ]
    return "\n\n".join([INTRODUCTION, table(("Verb", "Path", "What it does"), rows)])


def _summary(operation: dict[str, Any]) -> str:
    text = operation.get("summary") or operation.get("description", "")
    return str(text).strip().split("\n\n")[0]
