"""Figures as values that templates draw in SVG, each with the words and numbers that say the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from privacy.loss import CURRENCIES, Loss

BAR_WIDTH = 1000  # units of the budget bar's view box
ALARMS = ((95, "bad"), (80, "wait"), (50, "info"))  # percent used, and the tone of the chip that says so


class BalanceLike(Protocol):
    """What a budget bar needs of the ledger's balance."""

    scope: str
    label: str
    limit: Loss
    reserved: Loss
    spent: Loss


@dataclass(frozen=True)
class Part:
    """One stretch of a budget bar, in view box units; `pattern` is the fill that marks it without colour."""

    name: str
    x: float
    width: float
    pattern: str = ""


@dataclass(frozen=True)
class BudgetBar:
    """A drawn budget; `text` carries everything that the picture does."""

    key: str
    label: str
    parts: tuple[Part, ...]
    text: str
    alarm: str
    alarm_text: str


def budget_bars(balance: BalanceLike, request: Loss | None = None, *, key: str = "") -> tuple[BudgetBar, ...]:
    """Draw a budget: one bar, or where pure ε has a cap of its own, one for ρ and δ and one for pure ε."""
    if not balance.limit.pure:
        return (budget_bar(balance, request, key=key),)
    zcdp = budget_bar(balance, request, key=key, currencies=("rho", "delta"))
    pure = budget_bar(balance, request, key=f"{zcdp.key}-pure", currencies=("pure",))
    return replace(zcdp, label=f"{zcdp.label}: ρ and δ"), replace(pure, label=f"{pure.label}: pure ε")


def budget_bar(
    balance: BalanceLike,
    request: Loss | None = None,
    *,
    key: str = "",
    currencies: Sequence[str] = CURRENCIES,
) -> BudgetBar:
    """Draw committed, reserved, this request and what is left, as shares of the limit.

    Shares are of the one of `currencies` that is nearest its limit, because that one stops the next question.
    """
    asked = request or Loss.zero()
    share = _shares(balance, asked, currencies)
    parts, at = [], 0.0
    for name, pattern in (("spent", ""), ("reserved", "dots"), ("request", "hatch")):
        width = min(share[name], 1 - at)
        if width > 0:
            parts.append(Part(name, round(at * BAR_WIDTH, 2), round(width * BAR_WIDTH, 2), pattern))
        at += width
    used = (share["spent"] + share["reserved"]) * 100
    alarm = next((tone for limit, tone in ALARMS if used >= limit), "")
    return BudgetBar(
        key=key or f"bar-{balance.scope}",
        label=balance.label,
        parts=tuple(parts),
        text=_bar_text(share, has_request=request is not None),
        alarm=alarm,
        alarm_text=f"{_percent(used / 100)} used" if alarm else "",
    )


def _shares(balance: BalanceLike, asked: Loss, currencies: Sequence[str]) -> dict[str, float]:
    """Return each part over the limit, in the currency that is used most."""
    best: dict[str, float] = {"spent": 0.0, "reserved": 0.0, "request": 0.0}
    for currency in currencies:
        amounts = {
            "spent": getattr(balance.spent, currency),
            "reserved": getattr(balance.reserved, currency),
            "request": getattr(asked, currency),
        }
        limit = getattr(balance.limit, currency)
        if not any(amounts.values()):
            continue
        shares = {name: amount / limit if limit else math.inf for name, amount in amounts.items()}
        shares = {name: 0.0 if math.isnan(value) else value for name, value in shares.items()}
        if sum(shares.values()) > sum(best.values()):
            best = shares
    return best


def _bar_text(share: dict[str, float], *, has_request: bool) -> str:
    spent, reserved, asked = share["spent"], share["reserved"], share["request"]
    words = [f"{_percent(spent)} committed", f"{_percent(reserved)} reserved"]
    if has_request:
        words.append(f"this request {_percent(asked)}")
    left = 1 - spent - reserved - asked
    if left < 0:
        return f"{', '.join(words)}: more than the limit."
    return f"{', '.join(words)}, {_percent(left)} left."


def _percent(share: float) -> str:
    """Return a share for people: percents with a digit where it matters, and never 0 % for something."""
    if not math.isfinite(share):
        return "over 999 %"
    percent = share * 100
    if 0 < percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def number(value: float | None) -> str:
    """Write a noisy figure: grouped thousands, and no more digits than are worth reading."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value < 0:
        return f"−{number(-value)}"
    size = abs(value)
    if value == int(value) and size < 1e15:
        return f"{int(value):,}"
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:.{digits}f}" if size >= 0.01 else f"{value:.3g}"
