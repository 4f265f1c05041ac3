"""The one table from error to HTTP status, title and stable code. Nothing here ever carries private values."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import OperationalError
from redis.exceptions import RedisError

from domains import errors
from domains.catalog.policy import PolicyInvalid
from privacy.errors import PrivacyError, QueryRejected


@dataclass(frozen=True)
class Problem:
    """An error as the outside sees it (RFC 9457)."""

    status: int
    title: str
    code: str
    detail: str
    extra: dict[str, object] = field(default_factory=dict)


TABLE: dict[type[Exception], tuple[int, str]] = {
    errors.NotAllowed: (403, "You may not do this"),
    errors.NotFound: (404, "Not found"),
    errors.IllegalMove: (409, "It is not in a state for this"),
    errors.BudgetExhausted: (409, "The budget does not cover this"),
    errors.PolicyRefused: (422, "The dataset's policy refuses this"),
    errors.InvalidInput: (422, "A value does not fit"),
    errors.PeerUnavailable: (502, "Another node did not answer"),
    QueryRejected: (422, "The query cannot be answered privately"),
}


# The database or the shared cache does not answer. Their own words may hold addresses, so they stay inside.
AWAY = (OperationalError, RedisError)
_AWAY = Problem(
    503,
    "A part of the node is away",
    "service_unavailable",
    "Nothing was changed. Try again in a minute; if it lasts, tell the node's staff.",
)


def _extra(error: Exception) -> dict[str, object]:
    """Return what a refusal says beyond its sentence."""
    if isinstance(error, QueryRejected):
        return {"clause": error.clause, "alternative": error.alternative}
    return {"faults": error.to_list()} if isinstance(error, PolicyInvalid) else {}


def problem(error: Exception) -> Problem | None:
    """Translate a known error, or return None for one that nobody foresaw."""
    for kind, (status, title) in TABLE.items():
        if isinstance(error, kind):
            return Problem(status, title, error.code, str(error), _extra(error))  # type: ignore[attr-defined]
    if isinstance(error, PrivacyError):
        return Problem(
            500, "The computation failed", "computation_failed", "It has been reported to the node's staff."
        )
    return _AWAY if isinstance(error, AWAY) else None
