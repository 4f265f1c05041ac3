"""Filters that write figures, times and keys for people; part of the `ui` library."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from privacy.loss import DELTA_UNIT, PURE_UNIT, RHO_UNIT, Loss, total_epsilon
from privacy.risk import guess_after

register = template.Library()


@register.filter
def epsilon(value: Any) -> str:
    """Write an ε with three significant digits; costs are rounded up before they come here."""
    if value is None or value == "":
        return "–"
    amount = float(value)
    if not math.isfinite(amount):
        return "∞"
    if amount == 0:
        return "0"
    text = f"{amount:.3g}" if abs(amount) < 1000 else f"{amount:.0f}"
    return format(Decimal(text), "f")


@register.filter
def paid(loss: Loss) -> str:
    """Write what a loss is paid in and how much of it: ρ and, where it takes some, δ; or pure ε."""
    words = [f"pure ε {epsilon(loss.pure / PURE_UNIT)}"] if loss.pure else []
    words += [f"ρ {epsilon(loss.rho / RHO_UNIT)}"] if loss.rho else []
    words += [f"δ {loss.delta / DELTA_UNIT:.3g}"] if loss.delta else []
    return " and ".join(words) or "nothing"


@register.filter
def figure(value: Any) -> str:
    """Write a noisy number with as many digits as are worth reading."""
    from portal.web.charts import number

    return number(value) if isinstance(value, int | float) else str(value if value is not None else "–")


@register.filter
def sha(value: str) -> SafeString | str:
    """Shorten a hash, keeping all of it in the tooltip."""
    return format_html('<code title="{}">{}</code>', value, f"{value[:12]}…") if value else "–"


@register.filter
def when(value: datetime | None) -> SafeString | str:
    """Write a time in UTC, readable by people and machines."""
    if value is None:
        return "–"
    words = f"{value.day} {value:%b %Y, %H:%M}"
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), words)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Write how long ago something was, or how soon it will be, with the exact time for machines."""
    if value is None:
        return "–"
    seconds = (timezone.now() - value).total_seconds()
    words = "just now" if abs(seconds) < 45 else _span(abs(seconds))
    if words != "just now":
        words = f"{words} ago" if seconds > 0 else f"in {words}"
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), words)


def _span(seconds: float) -> str:
    for size, name in ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    count = max(1, round(seconds / 60))
    return f"{count} minute{'' if count == 1 else 's'}"


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """Look a key up in a mapping."""
    return mapping.get(key)


@register.filter
def bound(value: Decimal | None) -> str:
    """Write a declared number without the zeros that its column keeps."""
    return "–" if value is None else f"{value.normalize():,f}"


@register.filter
def delta(value: Decimal | float) -> str:
    """Write a δ, which is tiny, as a power of ten."""
    mantissa, exponent = f"{float(value):.0e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


@register.filter
def risk(balance: Any) -> str:
    """Say what a whole budget means for one person, in a sentence for everybody."""
    percent = math.ceil(1000 * guess_after(balance.epsilon_limit, 2 * balance.delta)) / 10
    often = f"at most {percent:g} % of the time" if percent < 99.9 else "almost every time"
    return (
        "Were all of it spent, somebody who guesses about one person and is right half the time now "
        f"could be right {often}."
    )


@register.filter
def limit_change(change: Any) -> str:
    """Write what a change of a limit did, as the ε of both, with δ as its account reads it."""
    delta = change.account.counted_in.conversion_delta
    before = Loss(change.rho_before, change.delta_before, change.pure_before)
    after = Loss(change.rho_after, change.delta_after, change.pure_after)
    return f"{epsilon(total_epsilon(before, delta))} → {epsilon(total_epsilon(after, delta))}"


@register.filter
def whole_delta(balance: Any) -> str:
    """Write the δ at which a budget's ε is read, both halves of it."""
    return delta(2 * balance.delta)


SCOPES = {
    "population": (
        "Populations",
        "What all answers about these people may reveal together, from every dataset.",
    ),
    "dataset": ("Datasets", "What all answers from one dataset may reveal together."),
    "grant": ("Projects", "What one project may spend on one dataset."),
    "person": ("People", "What one person may spend on one dataset."),
}


@register.filter
def scope_title(scope: str) -> str:
    """Name the kind of an account in the plural."""
    return SCOPES[scope][0]


@register.filter
def scope_words(scope: str) -> str:
    """Say what a kind of account limits."""
    return SCOPES[scope][1]


@register.filter
def rho(units: int) -> str:
    """Write ρ from ledger units of 1e-12."""
    return f"{units / 10**12:.4g}"


_CODES = {
    "refused": "answered with an error",
    "redirected": "answered with a redirect, which is not followed",
    "gone": "gone for good",
    "timed_out": "no answer in time",
    "unreachable": "could not be reached",
    "tls_failed": "its certificate does not prove its name",
    "name_unknown": "no such name",
    "address_private": "its name leads into a private network",
    "webhook_private": "its address is in a private network",
    "webhook_url": "its address is no longer allowed",
    "server_away": "the mail server could not be reached",
    "address_refused": "the mail server refused the address",
    "account_closed": "the account is closed",
    "read_already": "read before the digest was due",
    "webhook_paused": "the webhook was paused",
    "webhook_ended": "the webhook was removed",
}


@register.filter
def code_words(code: str) -> str:
    """Say what a delivery's public code means."""
    return _CODES.get(code, code.replace("_", " "))


@register.filter
def kind_label(key: str) -> str:
    """Name a kind of notice."""
    from domains.notices.kinds import BY_KEY

    return BY_KEY[key].label if key in BY_KEY else key


@register.filter
def markdown(text: str) -> SafeString:
    """Show Markdown that people wrote, under an h2; whatever HTML it holds is shown as text."""
    from portal.markdown import to_html

    return to_html(text)
