"""Policies to begin with: what owners choose most, as documents that they then change. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domains.catalog.policy import FORMAT
from privacy.loss import rho_of


@dataclass(frozen=True)
class Template:
    """A policy to begin with; `make` writes it for a population's δ."""

    name: str
    title: str
    about: str
    make: Callable[[float], dict[str, Any]]


def _document(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "rules": list(rules)}


def _rule(then: str, title: str, *when: dict[str, Any]) -> dict[str, Any]:
    return {"then": then, "title": title, "when": list(when)}


def _small(delta: float) -> list[dict[str, Any]]:
    """Return the limits of the template for small questions."""
    return limits(rho_of(0.1, delta), rho_of(1.0, delta))


def limits(rho: int, rho_per_month: int) -> list[dict[str, Any]]:
    """Return the two conditions that every allowing rule needs: for one request, and for a grant's 30 days."""
    return [
        {"is": "loss", "test": "at_most", "rho": rho},
        {
            "is": "automatic_loss",
            "test": "at_most",
            "rho": rho_per_month,
            "per": "grant",
            "within": "month",
        },
    ]


def people(_: float) -> dict[str, Any]:
    """Return the policy under which people decide everything."""
    return _document(_rule("refer", "People decide everything"))


def small(delta: float) -> dict[str, Any]:
    """Return the policy that approves small questions."""
    return _document(
        _rule("refuse", "Too costly", {"is": "loss", "test": "over", "rho": rho_of(2.0, delta)}),
        _rule("allow", "Small questions", *_small(delta)),
    )


def counts(delta: float) -> dict[str, Any]:
    """Return the policy that approves counts by public groups."""
    named = {"is": "unknown_keys", "test": "no"}
    counted = {"is": "aggregates", "test": "only", "of": ["count", "units"]}
    return _document(_rule("allow", "Counts by public groups", *_small(delta), named, counted))


def hours(delta: float) -> dict[str, Any]:
    """Return the policy that approves small questions while somebody is at work."""
    office = {
        "is": "time",
        "test": "inside",
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": "08:00",
        "to": "18:00",
    }
    return _document(_rule("allow", "Small questions in office hours", *_small(delta), office))


TEMPLATES = {
    template.name: template
    for template in (
        Template("people", "People decide everything", "Nothing is approved automatically.", people),
        Template(
            "small",
            "Small questions automatically",
            "Up to ε 0.1 each, and ε 1 a project in 30 days; above ε 2 nobody may approve.",
            small,
        ),
        Template(
            "counts",
            "Counts by public groups automatically",
            "Small questions that only count, by groups in public code lists.",
            counts,
        ),
        Template(
            "hours",
            "Small questions in office hours",
            "The same limits, from Monday to Friday, 08:00 to 18:00 by the node’s clock.",
            hours,
        ),
    )
}
