"""How the mathematics says no. No message here ever carries a private value."""


class PrivacyError(Exception):
    """The base of every error that `privacy/` raises; `code` is stable and public."""

    code = "privacy_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code


class SchemaInvalid(PrivacyError):
    """A declared schema contradicts itself; the message names the column and the remedy."""

    code = "schema_invalid"


class QueryRejected(PrivacyError):
    """A query cannot be answered privately as written: which clause, why, and what to write instead."""

    code = "query_rejected"

    def __init__(self, code: str, clause: str, message: str, alternative: str = "") -> None:
        super().__init__(message, code=code)
        self.clause = clause
        self.alternative = alternative

    def to_dict(self) -> dict[str, str]:
        """Return code, clause, message and alternative as public text."""
        return {
            "code": self.code,
            "clause": self.clause,
            "message": self.message,
            "alternative": self.alternative,
        }


class LossInvalid(PrivacyError):
    """A loss, ε or δ is not a number that privacy can be counted in."""

    code = "loss_invalid"


class LossExceeded(PrivacyError):
    """A measurement's own privacy map says more than was reserved; nothing was invoked."""

    code = "loss_exceeded"


class EngineFault(PrivacyError):
    """The engine failed; the text is fixed, because an engine's own words may hold a private value."""

    code = "engine_fault"
