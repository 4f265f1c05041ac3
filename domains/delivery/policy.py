"""What is sent to whom, when, and when it is tried again: decided in values, without clock or database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OFF, AT_ONCE, DAILY, WEEKLY = "off", "at_once", "daily", "weekly"
_LOUDNESS = (OFF, WEEKLY, DAILY, AT_ONCE)

# What is mailed to whom unless they choose otherwise: what concerns a role's own work at once, the rest in a
# digest. A role that is not named here gets each kind as `ANYBODY` does.
ANYBODY: Mapping[str, str] = {
    "tasks": AT_ONCE, "security": AT_ONCE, "results": AT_ONCE, "requests": AT_ONCE, "projects": AT_ONCE,
    "budgets": DAILY, "data": DAILY, "other": DAILY,
}  # fmt: skip
BY_ROLE: Mapping[str, Mapping[str, str]] = {
    "scientist": {"data": WEEKLY},
    "owner": {"projects": DAILY},
    "reviewer": {"projects": DAILY, "requests": DAILY, "data": WEEKLY},
    "administrator": {"results": DAILY, "requests": DAILY, "projects": DAILY},
    "auditor": dict.fromkeys(("results", "requests", "projects", "budgets", "data", "other"), WEEKLY),
}

FIRST_WAIT = 60.0  # seconds; doubled at each try
LONGEST_WAIT = 6 * 3600.0
TRIES = {"mail": 8, "webhook": 13}  # with the waits above: some two hours, and some twenty-six
JITTER = 0.2  # of the wait, either way, so that what failed together does not come back together


def default_mail(kind: str, roles: frozenset[str]) -> str:
    """Return when notices of `kind` are mailed to somebody of `roles`: the promptest of what the roles ask for."""
    asked = [BY_ROLE.get(role, {}).get(kind, ANYBODY[kind]) for role in roles] or [ANYBODY[kind]]
    return max(asked, key=_LOUDNESS.index)


def allowed_modes(kind: str, channel: str) -> tuple[str, ...]:
    """Return what may be chosen: security is told at once, tasks are not silenced, the inbox has no digest."""
    if kind == "security":
        return (AT_ONCE,)
    modes = (AT_ONCE, OFF) if channel == "inbox" else (AT_ONCE, DAILY, WEEKLY, OFF)
    return tuple(mode for mode in modes if kind != "tasks" or mode != OFF)


def wait_before(tries: int, chance: float) -> float:
    """Return the seconds to wait after the try number `tries` (from 1); `chance` in [0, 1) spreads them."""
    wait = min(FIRST_WAIT * 2.0 ** (tries - 1), LONGEST_WAIT)
    return wait * (1 - JITTER + 2 * JITTER * chance)


@dataclass(frozen=True)
class Outcome:
    """What one try came to: done, to be tried again, or never again; `code` is public, `answer` is HTTP's."""

    code: str = ""
    answer: int | None = None
    is_final: bool = False

    @property
    def is_done(self) -> bool:
        return self.code == ""


def judge(answer: int) -> Outcome:
    """Read an HTTP answer as Standard Webhooks does: 2xx is taken, 410 is never again, the rest is tried again."""
    if 200 <= answer < 300:
        return Outcome(answer=answer)
    if answer == 410:
        return Outcome("gone", answer, is_final=True)
    if 300 <= answer < 400:
        return Outcome("redirected", answer)
    return Outcome("refused", answer)
