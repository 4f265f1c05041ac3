"""The few ways a rule can say no; `portal/errors.py` maps each to a status, a title and a code."""


class DomainError(Exception):
    """A rule said no. `code` is stable and public, `message` says what to do next."""

    code = "domain_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code


class NotAllowed(DomainError):
    """This person may see the object but may not do this to it."""

    code = "not_allowed"


class NotFound(DomainError):
    """There is no such object, or this person may not know that there is."""

    code = "not_found"


class IllegalMove(DomainError):
    """The object is not in a state from which this can be done; somebody may have moved it first."""

    code = "illegal_move"


class BudgetExhausted(DomainError):
    """The loss does not fit under every cap it touches."""

    code = "budget_exhausted"


class PolicyRefused(DomainError):
    """The dataset's policy refuses this, with reasons."""

    code = "policy_refused"


class InvalidInput(DomainError):
    """A value is not one that this can be done with; the message names the field and the remedy."""

    code = "invalid_input"


class PeerUnavailable(DomainError):
    """Another node did not answer."""

    code = "peer_unavailable"
