"""Every refusal of the API as a problem document (RFC 9457) with a stable code; nothing in it holds private values."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal.errors import Problem, problem

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_CODES = {  # the framework's own refusals, by class: title and stable code
    exceptions.ParseError: ("The body cannot be read", "malformed"),
    exceptions.NotAuthenticated: ("Sign in first", "not_authenticated"),
    exceptions.AuthenticationFailed: ("Sign in first", "not_authenticated"),
    exceptions.PermissionDenied: ("You may not do this", "not_allowed"),
    exceptions.NotFound: ("Not found", "not_found"),
    exceptions.MethodNotAllowed: ("This address does not do that", "method_not_allowed"),
    exceptions.NotAcceptable: ("The answer has no such form", "not_acceptable"),
    exceptions.UnsupportedMediaType: ("The body has the wrong form", "unsupported_media_type"),
    exceptions.Throttled: ("Too many calls", "rate_limited"),
}
_GENERIC = {"authentication_failed", "permission_denied", "error"}  # the framework's codes that say nothing


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """Answer any error that a view let out; one that nobody foresaw is logged by type and place only."""
    set_rollback()
    found, headers = _translate(error)
    request = context.get("request")
    if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("the API failed", exc_info=error, extra={"request_id": _request_id(request)})
    return respond(found, request, headers)


def respond(found: Problem, request: Any = None, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as the response that says so."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": found.title,
        "status": found.status,
        "detail": found.detail,
        "code": found.code,
        "request_id": _request_id(request),
        **found.extra,
    }
    return Response(body, status=found.status, headers=headers, content_type=MEDIA_TYPE)


def _request_id(request: Any) -> str:
    return str(getattr(request, "id", ""))


_FORESEEN: tuple[tuple[type[Exception], Problem], ...] = (  # Django's own refusals, the narrower first
    (Http404, Problem(404, "Not found", "not_found", "There is nothing here that you can see.")),
    (
        PermissionDenied,
        Problem(403, "You may not do this", "not_allowed", "Your role does not include this."),
    ),
    (RequestDataTooBig, Problem(413, "The body is too large", "too_large", "Send less at once.")),
    (SuspiciousOperation, Problem(400, "The body cannot be read", "malformed", "Check what you send.")),
)
_UNFORESEEN = Problem(500, "The node failed", "internal_error", "It has been reported to the node's staff.")


def _translate(error: Exception) -> tuple[Problem, dict[str, str]]:
    known = problem(error)
    if known is not None:
        return known, {}
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error), {}
    if isinstance(error, exceptions.APIException):
        return _framework(error)
    return next((found for kind, found in _FORESEEN if isinstance(error, kind)), _UNFORESEEN), {}


def _framework(error: exceptions.APIException) -> tuple[Problem, dict[str, str]]:
    kinds = (kind for kind in type(error).__mro__ if kind in _CODES)
    title, code = _CODES.get(next(kinds, type(error)), ("The node failed", "internal_error"))
    own = error.get_codes()
    if isinstance(own, str) and isinstance(
        error, exceptions.AuthenticationFailed | exceptions.PermissionDenied
    ):
        code = code if own in _GENERIC else own
    headers = {}
    scheme, wait = getattr(error, "auth_header", None), getattr(error, "wait", None)
    if scheme:
        headers["WWW-Authenticate"] = scheme
    if wait:
        headers["Retry-After"] = str(int(wait) + 1)
    return Problem(error.status_code, title, code, str(error.detail)), headers


def _invalid(error: exceptions.ValidationError) -> Problem:
    """Name each field that does not fit; the detail repeats the first, for whoever reads one line only."""
    detail = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
    fields = {name: _plain(value) for name, value in detail.items()}
    name, said = next(iter(fields.items()))
    line = f"{name}: {_first(said)}"
    return Problem(422, "A value does not fit", "invalid_input", line, {"errors": fields})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value)


def _first(said: Any) -> str:
    """Return the first sentence in a nest of lists and fields."""
    while not isinstance(said, str):
        values = [value for value in (said.values() if isinstance(said, dict) else said) if value]
        if not values:
            return "does not fit"
        said = values[0]
    return said
