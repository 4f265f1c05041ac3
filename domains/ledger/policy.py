"""What a cut gives back, and when a budget will be used up. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from privacy.loss import CURRENCIES, Loss

WINDOWS = (30, 90)  # days whose spending a forecast looks at: the first of them with any
FARTHEST = timedelta(days=3650)
THRESHOLDS = (50, 80, 95)  # percent of a limit at which people are told


def to_give_back(held: Loss, limit: Loss, reservations: Iterable[tuple[str, Loss]]) -> list[str]:
    """Choose which reservations a cut to `limit` ends, newest first: none that would not help.

    `held` is what is reserved and spent, `reservations` keys and losses, newest first. Where all that help are
    not enough, they are returned nevertheless, and the cut is refused by whoever counts.
    """
    amounts, most = held.to_dict(), limit.to_dict()
    chosen = []
    for key, loss in reservations:
        over = [currency for currency in CURRENCIES if amounts[currency] > most[currency]]
        if not over:
            break
        given = loss.to_dict()
        if any(given[currency] for currency in over):
            chosen.append(key)
            amounts = {currency: amounts[currency] - given[currency] for currency in CURRENCIES}
    return chosen


@dataclass(frozen=True)
class Forecast:
    """When an account will be used up if spending goes on as in the last `days`; `at` is None where it will not."""

    days: int
    at: datetime | None
    is_full: bool = False


def forecast(left: Loss, spent: Mapping[int, Loss], *, opened: datetime, now: datetime) -> Forecast | None:
    """Say when the first currency runs out at the pace of the last 30 days, else of the last 90; None without any.

    `spent` is what was committed in each window of `WINDOWS`. The pace is that over the window's length, or over the
    account's age where that is less, but at least one day. Losses add up, so the line is straight in each currency.
    Beyond ten years, `at` is None.
    """
    for days in WINDOWS:
        total, room = spent[days].to_dict(), left.to_dict()
        reaches = [room[currency] / total[currency] for currency in CURRENCIES if total[currency]]
        if not reaches:
            continue
        span = max(timedelta(days=1), min(timedelta(days=days), now - opened))
        seconds = min(reaches) * span.total_seconds()
        is_far = seconds > FARTHEST.total_seconds()
        return Forecast(days, None if is_far else now + timedelta(seconds=seconds), is_full=min(reaches) <= 0)
    return None


def crossed(used: Loss, limit: Loss) -> int:
    """Return the highest of the thresholds that the fullest currency has reached, or 0."""
    amounts, most = used.to_dict(), limit.to_dict()
    shares = [100 * amounts[c] // most[c] for c in CURRENCIES if most[c] and amounts[c]]
    highest = max(shares, default=0)
    return max((threshold for threshold in THRESHOLDS if highest >= threshold), default=0)
