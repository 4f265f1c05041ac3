"""What the OpenAPI document says beyond the views: problems, and the key that makes a POST safe to repeat."""

from __future__ import annotations

from typing import Any

_PROBLEM = {
    "type": "object",
    "description": "Why not (RFC 9457). `code` is stable; `detail` says what to do next.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string", "description": "Names this call in the node's log."},
        "errors": {"type": "object", "description": "Each field that does not fit, with its sentences."},
        "faults": {
            "type": "array",
            "items": {"type": "object"},
            "description": "What is wrong in a policy: rule, condition, field and text.",
        },
        "clause": {"type": "string", "description": "The clause of the query that cannot be answered."},
        "alternative": {"type": "string", "description": "What to write instead."},
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 128},
    "description": "The same call again under this key gets the same answer for a day, and nothing is done twice.",
}
_METHODS = {"get", "post", "put", "patch", "delete"}


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add to every operation its problem answer and to every POST of JSON its idempotency key."""
    components = result.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = _PROBLEM
    answer = {
        "description": "Why not",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result.get("paths", {}).values():
        for method in _METHODS & set(path):
            operation = path[method]
            operation["responses"].setdefault("default", answer)
            sends_file = "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
            if method == "post" and not sends_file:
                operation.setdefault("parameters", []).append(_KEY)
    return result
