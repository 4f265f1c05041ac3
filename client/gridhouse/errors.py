"""How a node, or the way to it, says no; the names are those that the node itself uses.

GridhouseError
├── NotAuthenticated   the token is missing, unknown, expired or revoked
├── NotAllowed         you may see it but may not do this
├── NotFound           it does not exist, or you may not know that it does
├── IllegalMove        it is not in a state for this; somebody may have moved it first
├── BudgetExhausted    the loss does not fit under every cap
├── PolicyRefused      the dataset's policy refuses this
├── InvalidInput       a value does not fit
├── QueryRejected      the query cannot be answered privately: names clause and alternative
├── PeerUnavailable    another node did not answer
├── RateLimited        too many calls
├── NodeFailed         the node failed, or answered with something that is no answer of its API
├── NodeUnreachable    no connection, or none in time
├── InsecureAddress    a token would travel unprotected
├── NoAnswer           a request ended, or waits for you, without an answer
├── NotProven          receipt, log and figures do not agree
├── WaitTimedOut       it has not been answered yet
└── MissingExtra       an optional library is not installed
"""

from __future__ import annotations

from typing import Any


class GridhouseError(Exception):
    """Base of everything this library raises. `code` is stable, `message` says what to do next."""

    code = "gridhouse_error"

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status


class NotAuthenticated(GridhouseError):
    """The token is missing, unknown, expired or revoked."""

    code = "not_authenticated"


class NotAllowed(GridhouseError):
    """You may see the object but may not do this to it."""

    code = "not_allowed"


class NotFound(GridhouseError):
    """There is no such object, or you may not know that there is."""

    code = "not_found"


class IllegalMove(GridhouseError):
    """The object is not in a state from which this can be done; somebody may have moved it first."""

    code = "illegal_move"


class BudgetExhausted(GridhouseError):
    """The loss does not fit under every cap it touches."""

    code = "budget_exhausted"


class PolicyRefused(GridhouseError):
    """The dataset's policy refuses this, with reasons."""

    code = "policy_refused"


class InvalidInput(GridhouseError):
    """A value is not one that this can be done with; `fields` names each one."""

    code = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.fields = fields or {}


class QueryRejected(GridhouseError):
    """A query cannot be answered privately as written: which clause, why, and what to write instead."""

    code = "query_rejected"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        clause: str = "",
        alternative: str = "",
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.clause = clause
        self.alternative = alternative

    def __str__(self) -> str:
        where = f"{self.clause}: " if self.clause else ""
        return f"{where}{self.message} {self.alternative}".rstrip()


class PeerUnavailable(GridhouseError):
    """Another node did not answer."""

    code = "peer_unavailable"


class RateLimited(GridhouseError):
    """Too many calls in a short time; wait a little."""

    code = "rate_limited"


class NodeFailed(GridhouseError):
    """The node failed, or answered with something that is no answer of its API."""

    code = "node_failed"


class NodeUnreachable(GridhouseError):
    """There was no connection to the node, or none in time."""

    code = "node_unreachable"


class InsecureAddress(GridhouseError):
    """The token would travel over a connection that anyone on the way can read."""

    code = "insecure_address"


class NoAnswer(GridhouseError):
    """The request ended without an answer, or it waits for its author; the message says why."""

    code = "no_answer"


class NotProven(GridhouseError):
    """Receipt, log and figures do not agree: what was shown is not what the node's log says it released."""

    code = "not_proven"


class WaitTimedOut(GridhouseError):
    """The request has not been answered yet; it goes on without you, and you can wait again."""

    code = "wait_timed_out"


class MissingExtra(GridhouseError):
    """An optional library is not installed; the message says how to get it."""

    code = "missing_extra"


_BY_STATUS: dict[int, type[GridhouseError]] = {
    400: InvalidInput,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: IllegalMove,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
    429: RateLimited,
}
_BY_CODE: dict[tuple[int, str], type[GridhouseError]] = {
    (409, "budget_exhausted"): BudgetExhausted,
    (422, "policy_refused"): PolicyRefused,
    (502, "peer_unavailable"): PeerUnavailable,
}


def of_problem(status: int, problem: dict[str, Any]) -> GridhouseError:
    """Translate a problem document (RFC 9457) into the error of the same name."""
    code = str(problem.get("code") or "") or None
    message = str(problem.get("detail") or problem.get("title") or f"The node answered {status}.")
    if status == 422 and "clause" in problem:
        clause, alternative = str(problem["clause"]), str(problem.get("alternative") or "")
        return QueryRejected(message, code=code, status=status, clause=clause, alternative=alternative)
    kind = _BY_CODE.get((status, code or "")) or _BY_STATUS.get(status, NodeFailed)
    if kind is InvalidInput:
        fields = problem.get("errors")
        return InvalidInput(
            message, code=code, status=status, fields=fields if isinstance(fields, dict) else None
        )
    return kind(message, code=code, status=status)
