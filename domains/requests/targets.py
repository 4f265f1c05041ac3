"""From the error that a scientist can live with to the least ε that reaches it; nothing is stored."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation

from domains.errors import InvalidInput
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.models import AccessGrant
from domains.requests.specification import MOST_EPSILON, current_version, offering
from privacy.loss import epsilon_of, rho_of
from privacy.query.target import least_offer

MILLIONTH = Decimal("0.000001")


def least_epsilon(
    grant: AccessGrant, *, sql: str, error: str, figure: str = "", rows: int | None = None, by: User
) -> Decimal:
    """Return the least ε, to six places, at which `figure`, or every one, is within ± `error` at 95 %.

    `rows` is how many values the asker supposes in a group; means need it. Raises QueryRejected or InvalidInput.
    """
    require(by, Permission.REQUEST_CREATE, on=grant)
    delta = grant.dataset.population.conversion_delta
    _, offer = offering(grant, current_version(grant), sql=sql)
    rho = least_offer(offer, target=_error(error), output=figure or None, n=rows)
    epsilon = Decimal(epsilon_of(rho, delta)).quantize(MILLIONTH, ROUND_CEILING)
    epsilon = max(epsilon, MILLIONTH)
    while rho_of(float(epsilon), delta) < rho:  # ε was rounded to six places, and ρ rounds down once more
        epsilon += MILLIONTH
    if epsilon > MOST_EPSILON:
        raise InvalidInput(
            f"That error needs an ε of {epsilon:.3f}, and no question may cost more than {MOST_EPSILON}.",
            code="target_too_dear",
        )
    return epsilon.normalize()


def _error(text: str) -> Decimal:
    """Read ±: a positive decimal; raise InvalidInput with the remedy."""
    try:
        error = Decimal(str(text).strip())
    except InvalidOperation:
        error = Decimal("NaN")
    if not error.is_finite() or error <= 0 or abs(error.adjusted()) > 30:
        raise InvalidInput(
            f"The error is a number above 0 such as 50, not “{str(text)[:20]}”.", code="error_invalid"
        )
    return error
