"""The words of access policies: what the conditions of a rule may ask of a request. Pure.

Each is about the question itself or about what automation did before: public facts all. There is none about an
answer, a count of rows or anything else computed from private rows, and `read` refuses every word not in this table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from domains.catalog.purposes import LABELS
from privacy.loss import RHO_UNIT, epsilon_of
from privacy.query.expr import AGGREGATES

MOST_RHO = 1_000 * RHO_UNIT
MOST_NAMES = 200
DAYS_WITHIN = {"day": 1, "week": 7, "month": 30}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MECHANISMS = {
    "gaussian": "discrete Gaussian noise",
    "laplace": "discrete Laplace noise",
    "threshold": "noise with a threshold on group names",
    "exponential": "the exponential mechanism",
    "permute_and_flip": "permute and flip",
}
_NAME = re.compile(r"[^\x00-\x20,](?:[^\x00-\x1f,]{0,126}[^\x00-\x20,])?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

Condition = Mapping[str, Any]


class Unreadable(ValueError):
    """A condition is not one of these; `field` names the part."""

    def __init__(self, message: str, field: str = "is") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Field:
    """One part of a condition: `kind` is choice, several, names, whole, rho or clock."""

    name: str
    kind: str
    label: str
    choices: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Kind:
    """One condition that a rule may have, its parts, and what it asks in words."""

    name: str
    label: str
    meaning: str
    fields: tuple[Field, ...]
    say: Callable[[Condition, float], str]


def _choice(name: str, label: str, **choices: str) -> Field:
    return Field(name, "choice", label, choices)


_ONLY = _choice("test", "Holds where it uses", only="nothing but these", any="any of these")
_AMOUNT = _choice("test", "Compared", at_most="at most", over="more than")
_PER = _choice("per", "Counted for", grant="the project’s grant", person="the person who asks")
_WITHIN = _choice("within", "In the last", day="day", week="7 days", month="30 days")


def amount(rho: int, delta: float) -> str:
    """Write ρ, in ledger units, as the ε that it implies at `delta`."""
    return f"ε {epsilon_of(rho, delta):.4g}" if rho else "ε 0"


def _listed(words: Collection[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _among(what: str, names: Mapping[str, str] | None = None) -> Callable[[Condition, float], str]:
    def say(condition: Condition, _: float) -> str:
        found = _listed([names[name] if names else name for name in condition["of"]])
        return f"it {what} {'nothing but' if condition['test'] == 'only' else 'any of'} {found}"

    return say


def _compared(test: str) -> str:
    return "at most" if test == "at_most" else "more than"


def _say_kind(condition: Condition, _: float) -> str:
    return f"it is a {condition['test']}"


def _say_loss(condition: Condition, delta: float) -> str:
    return f"it costs {_compared(condition['test'])} {amount(condition['rho'], delta)}"


_WHOSE = {"grant": "this grant", "person": "this person"}
_LAST = {"day": "a day", "week": "7 days", "month": "30 days"}


def _say_automatic_loss(condition: Condition, delta: float) -> str:
    whose, last = _WHOSE[condition["per"]], _LAST[condition["within"]]
    return (
        f"what automation approved for {whose} in {last}, this request included, comes to "
        f"{_compared(condition['test'])} {amount(condition['rho'], delta)}"
    )


def _say_automatic_count(condition: Condition, _: float) -> str:
    whose, last = _WHOSE[condition["per"]], _LAST[condition["within"]]
    number = condition["number"]
    return (
        f"automation approved {_compared(condition['test'])} {number} earlier "
        f"request{'' if number == 1 else 's'} for {whose} in {last}"
    )


def _say_unknown_keys(condition: Condition, _: float) -> str:
    return {
        "yes": "it groups by values without a public code list",
        "no": "every group it names is in a public code list",
    }[condition["test"]]


_DAYS = {"mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
         "sun": "Sunday"}  # fmt: skip


def _say_time(condition: Condition, _: float) -> str:
    hours = (
        f"{condition['from']} to {condition['to']} on {_listed([_DAYS[day] for day in condition['days']])}"
    )
    return f"it is submitted {condition['test']} {hours}, by the node’s clock"


def _say_age(condition: Condition, _: float) -> str:
    days = condition["days"]
    return (
        f"the dataset’s version was published {_compared(condition['test'])} {days} "
        f"day{'' if days == 1 else 's'} ago"
    )


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "loss",
            "Loss of the request",
            "What the request costs; a pure ε is compared as the ρ that it implies, ε²/2.",
            (_AMOUNT, Field("rho", "rho", "Loss")),
            _say_loss,
        ),
        Kind(
            "automatic_loss",
            "Loss that automation approved",
            "What automation approved on this dataset within a day, 7 days or 30 days, with this request.",
            (_AMOUNT, Field("rho", "rho", "Loss"), _PER, _WITHIN),
            _say_automatic_loss,
        ),
        Kind(
            "automatic_approvals",
            "Number of automatic approvals",
            "How many requests on this dataset automation approved before this one.",
            (_AMOUNT, Field("number", "whole", "Number"), _PER, _WITHIN),
            _say_automatic_count,
        ),
        Kind(
            "kind",
            "Kind of question",
            "A query, or a workload: many tables of counts in one charge.",
            (_choice("test", "It is a", query="query", workload="workload"),),
            _say_kind,
        ),
        Kind(
            "aggregates",
            "Figures",
            "Which figures it computes, such as counts, sums or means.",
            (_ONLY, Field("of", "several", "Figures", {name: name for name in AGGREGATES})),
            _among("computes"),
        ),
        Kind(
            "mechanisms",
            "Mechanisms",
            "How its figures are made private.",
            (_ONLY, Field("of", "several", "Mechanisms", MECHANISMS)),
            _among("uses", MECHANISMS),
        ),
        Kind(
            "columns",
            "Columns",
            "Which private columns it reads; another table’s are written table.column.",
            (_ONLY, Field("of", "names", "Columns")),
            _among("reads"),
        ),
        Kind(
            "purposes",
            "Purposes",
            "What the project says in its application that it is for; one that says nothing never fits.",
            (_ONLY, Field("of", "several", "Purposes", LABELS)),
            _among("is for", LABELS),
        ),
        Kind(
            "unknown_keys",
            "Group names without a code list",
            "Whether it shows group names that are not in a public code list.",
            (_choice("test", "It shows them", yes="yes", no="no"),),
            _say_unknown_keys,
        ),
        Kind(
            "time",
            "Day and hour",
            "When it is submitted, by the node’s clock; from after to reaches over midnight.",
            (
                _choice("test", "Submitted", inside="inside these hours", outside="outside these hours"),
                Field("days", "several", "Days", _DAYS),
                Field("from", "clock", "From"),
                Field("to", "clock", "To"),
            ),
            _say_time,
        ),
        Kind(
            "version_age",
            "Age of the dataset’s version",
            "How long ago the version that it asks was published.",
            (_AMOUNT, Field("days", "whole", "Days")),
            _say_age,
        ),
    )
}


def read(data: Any, columns: Collection[str] | None = None) -> dict[str, Any]:
    """Return a condition in its one spelling, or raise Unreadable; `columns` are the names that exist, if known."""
    if not isinstance(data, Mapping):
        raise Unreadable("A condition is an object with the key “is”.")
    kind = KINDS.get(data["is"]) if isinstance(data.get("is"), str) else None
    if kind is None:
        raise Unreadable(f"“is” names the condition: {_listed(sorted(KINDS))}.")
    names = {"is", *(field.name for field in kind.fields)}
    if extra := sorted(str(key) for key in set(data) - names):
        raise Unreadable(f"{kind.label}: there is no part “{extra[0][:40]}”.")
    found = {field.name: _READ[field.kind](field, data.get(field.name)) for field in kind.fields}
    unknown = (
        sorted(set(found["of"]) - set(columns)) if kind.name == "columns" and columns is not None else []
    )
    if unknown:
        raise Unreadable(f"Columns: no version of this dataset has “{unknown[0]}”.", "of")
    return {"is": kind.name, **found}


def _read_choice(field: Field, value: Any) -> str:
    choices = field.choices or {}
    if not isinstance(value, str) or value not in choices:
        raise Unreadable(f"{field.label}: choose {_listed(list(choices))}.", field.name)
    return value


def _read_several(field: Field, value: Any) -> list[str]:
    choices = list(field.choices or {})
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(one, str) and one in choices for one in value)
    ):
        raise Unreadable(f"{field.label}: choose at least one of {_listed(choices)}.", field.name)
    return sorted(set(value), key=choices.index)


def _read_names(field: Field, value: Any) -> list[str]:
    is_list = isinstance(value, list | tuple) and 0 < len(value) <= MOST_NAMES
    if not is_list or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in value):
        raise Unreadable(f"{field.label}: name between 1 and {MOST_NAMES} columns.", field.name)
    return sorted(set(value))


def _read_whole(field: Field, value: Any, most: int = 100_000, unit: str = "") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Unreadable(f"{field.label}: a whole number{unit} between 0 and {most:,}.", field.name)
    return value


def _read_rho(field: Field, value: Any) -> int:
    return _read_whole(field, value, MOST_RHO, " of ρ in units of 1e-12")


def _read_clock(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise Unreadable(f"{field.label}: a time such as 08:30.", field.name)
    return value


_READ: dict[str, Callable[[Field, Any], Any]] = {
    "choice": _read_choice,
    "several": _read_several,
    "names": _read_names,
    "whole": _read_whole,
    "rho": _read_rho,
    "clock": _read_clock,
}


def in_words(condition: Condition, delta: float) -> str:
    """Say what a condition that was read asks, with losses as the ε that they imply at `delta`."""
    return KINDS[condition["is"]].say(condition, delta)


def minutes(clock: str) -> int:
    """Return a time of day as minutes since midnight."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
