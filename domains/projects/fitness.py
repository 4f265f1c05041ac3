"""Whether a project's purpose fits a dataset's conditions of use, with the reason for each code. Advisory, and pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from domains.catalog.purposes import LABELS
from domains.catalog.use import Condition

FITS, LOOK, CONFLICT = "pass", "warn", "fail"
_WORST = (FITS, LOOK, CONFLICT)
_ALL = dict.fromkeys(LABELS, FITS)
# What each permission makes of each purpose; clinical care and evaluation are not research by themselves.
_PERMITS = {
    "NRES": _ALL,
    "GRU": _ALL | {"clinical_care": CONFLICT, "quality": LOOK},
    "HMB": _ALL
    | {
        "general": CONFLICT,
        "ancestry": CONFLICT,
        "clinical_care": CONFLICT,
        "methods": LOOK,
        "quality": LOOK,
    },
    "DS": dict.fromkeys(LABELS, CONFLICT)
    | {"disease": LOOK, "methods": LOOK, "quality": LOOK, "commercial": FITS},
    "POA": dict.fromkeys(LABELS, CONFLICT) | {"ancestry": FITS, "commercial": FITS},
}
_LOOKED_AT = {
    "IRB": "The application has to show an ethics approval.",
    "GSO": "No purpose says whether the study is genetic; the text of the application does.",
    "COL": "The project has to work together with the dataset’s owner.",
    "PUB": "The project has to publish its results.",
    "RTN": "The project has to return its results to the database.",
}


@dataclass(frozen=True)
class Fit:
    """What one condition makes of the purpose: pass, warn (people look) or fail, and why."""

    condition: Condition
    outcome: str
    reason: str


def fit(conditions: Iterable[Condition], purposes: Collection[str], *, today: date) -> list[Fit]:
    """Compare each condition with a project's purpose codes; nothing is refused by it."""
    return [Fit(each, *_judge(each, purposes, today)) for each in conditions]


def _judge(condition: Condition, purposes: Collection[str], today: date) -> tuple[str, str]:
    code = condition.code
    if code in _PERMITS:
        return _permitted(condition, purposes)
    if code in {"NPU", "NCU"}:
        return _gainful(code, purposes)
    if code in {"TS", "MOR"}:
        return _timed(code, date.fromisoformat(condition.detail), today)
    if code in {"US", "IS"}:
        return LOOK, f"Look whether the project’s people are among them: {condition.detail}."
    return LOOK, _LOOKED_AT[code]


def _gainful(code: str, purposes: Collection[str]) -> tuple[str, str]:
    if "commercial" in purposes:
        return CONFLICT, "The project names commercial use."
    if code == "NPU":
        return LOOK, "Look whether everybody’s organisation is not for profit."
    return (FITS, "No commercial use is named.") if purposes else (LOOK, _UNNAMED)


def _timed(code: str, day: date, today: date) -> tuple[str, str]:
    if code == "TS":
        return (CONFLICT, "The day has passed.") if today > day else (FITS, "The day is still to come.")
    early = today < day
    return (LOOK, "Nothing may be published before that day.") if early else (FITS, "The day has passed.")


_UNNAMED = "The application names no kind of use."


def _permitted(condition: Condition, purposes: Collection[str]) -> tuple[str, str]:
    """Judge every purpose by itself; the worst counts, and is named."""
    if condition.code == "NRES":
        return FITS, "The data may be used for anything."
    if not purposes:
        return LOOK, _UNNAMED
    table = _PERMITS[condition.code]
    worst = max((table[each] for each in purposes), key=_WORST.index)
    names = ", ".join(LABELS[each].lower() for each in LABELS if each in purposes and table[each] == worst)
    if worst == FITS:
        return worst, f"It allows: {names}."
    if worst == LOOK and condition.code == "DS" and "disease" in purposes:
        return worst, f"Look whether the disease that the purpose names is {condition.detail}."
    told = "It does not cover" if worst == CONFLICT else "It may or may not cover"
    return worst, f"{told}: {names}."
