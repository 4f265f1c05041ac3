"""An access policy as a value: an ordered list of rules that allow, refer or refuse. Pure.

Deny overrides: of all rules that hold, one that refuses wins over one that refers, and that over one that allows.
Where no rule allows, people decide. So the order of the rules is for readers alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domains.catalog import conditions
from domains.catalog.conditions import Condition, Unreadable
from domains.errors import InvalidInput

FORMAT = 1
MOST_RULES, MOST_CONDITIONS, MOST_TITLE = 30, 12, 80


class Then(StrEnum):
    """What a rule says of a request for which all its conditions hold."""

    ALLOW = "allow"
    REFER = "refer"
    REFUSE = "refuse"


ANSWERS = [then.value for then in Then]
_VERBS = {
    Then.ALLOW: "Approve automatically",
    Then.REFER: "Let people decide",
    Then.REFUSE: "Refuse",
}


@dataclass(frozen=True)
class Rule:
    """One rule: its answer, and the conditions that must all hold; without any it always holds."""

    then: Then
    when: tuple[Condition, ...]
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return {"then": self.then.value, "title": self.title, "when": [dict(one) for one in self.when]}

    def in_words(self, delta: float) -> str:
        """Say the rule in a sentence, with losses as the ε that they imply at `delta`."""
        if not self.when:
            return f"{_VERBS[self.then]}, always."
        asked = [conditions.in_words(one, delta) for one in self.when]
        *rest, last = asked
        return (
            f"{_VERBS[self.then]} where {', '.join(rest)} and {last}."
            if rest
            else (f"{_VERBS[self.then]} where {last}.")
        )


@dataclass(frozen=True)
class Document:
    """The rules of one version of a policy."""

    rules: tuple[Rule, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values."""
        return {"format": FORMAT, "rules": [rule.to_dict() for rule in self.rules]}

    def canonical(self) -> str:
        """Return the one spelling of this document, which is stored and hashed."""
        return canonical_of(self.to_dict())

    def sha256(self) -> str:
        """Return the document's hash as 64 hexadecimal digits."""
        return sha256_of(self.canonical())

    def in_words(self, delta: float) -> list[str]:
        """Return a sentence for each rule."""
        return [rule.in_words(delta) for rule in self.rules]

    @property
    def automates(self) -> bool:
        """Whether there is anything that it may approve without a person."""
        return any(rule.then == Then.ALLOW for rule in self.rules)


def canonical_of(value: Any) -> str:
    """Return the one spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sha256_of(text: str) -> str:
    """Return the hash of a document's stored spelling."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Fault:
    """What is wrong with a document: in which rule and condition, counted from 0, or in the whole."""

    text: str
    rule: int | None = None
    condition: int | None = None
    field: str = ""


class PolicyInvalid(InvalidInput):
    """A document is not in the language of policies; `faults` name every place."""

    code = "policy_invalid"

    def __init__(self, faults: Collection[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0]
        super().__init__(first.text if first.rule is None else f"Rule {first.rule + 1}: {first.text}")

    def to_list(self) -> list[dict[str, Any]]:
        """Return the faults as JSON values; rules and conditions are counted from 1."""
        return [
            {
                "rule": None if fault.rule is None else fault.rule + 1,
                "condition": None if fault.condition is None else fault.condition + 1,
                "field": fault.field,
                "text": fault.text,
            }
            for fault in self.faults
        ]


def parse(data: Any, columns: Collection[str] | None = None) -> Document:
    """Read a document that somebody wrote, or raise PolicyInvalid with every fault; `columns` are those that exist."""
    faults = _faults_of_whole(data)
    if faults:
        raise PolicyInvalid(faults)
    rules = []
    for place, given in enumerate(data["rules"]):
        rule, wrong = _rule(place, given, columns)
        faults += wrong
        if rule is not None and not wrong:
            faults += _unbounded(place, rule)
            rules.append(rule)
    if faults:
        raise PolicyInvalid(faults)
    return Document(tuple(rules))


def load(text: str) -> Document:
    """Read a document from its stored spelling."""
    return parse(json.loads(text))


def _faults_of_whole(data: Any) -> list[Fault]:
    if not isinstance(data, Mapping) or set(data) != {"format", "rules"} or data["format"] != FORMAT:
        return [Fault(f"A policy is an object with “format”: {FORMAT} and “rules”.")]
    if isinstance(data["format"], bool):
        return [Fault(f"A policy is an object with “format”: {FORMAT} and “rules”.")]
    if not isinstance(data["rules"], list) or not 1 <= len(data["rules"]) <= MOST_RULES:
        return [Fault(f"A policy has between 1 and {MOST_RULES} rules.")]
    return []


def _rule(place: int, data: Any, columns: Collection[str] | None) -> tuple[Rule | None, list[Fault]]:
    """Read one rule; return it with what is wrong in it."""
    if not isinstance(data, Mapping) or not {"then", "when"} <= set(data) <= {"then", "when", "title"}:
        return None, [Fault("A rule is an object with “then”, “when” and perhaps “title”.", place)]
    then, title, when = data["then"], data.get("title", ""), data["when"]
    faults = []
    if not isinstance(then, str) or then not in list(Then):
        faults.append(Fault("“then” is allow, refer or refuse.", place, field="then"))
    if not isinstance(title, str) or len(title.strip()) > MOST_TITLE or any(ord(one) < 32 for one in title):
        faults.append(Fault(f"A title is one line of at most {MOST_TITLE} characters.", place, field="title"))
    if not isinstance(when, list) or len(when) > MOST_CONDITIONS:
        return None, [*faults, Fault(f"“when” lists at most {MOST_CONDITIONS} conditions.", place)]
    asked = []
    for index, one in enumerate(when):
        try:
            asked.append(conditions.read(one, columns))
        except Unreadable as error:
            faults.append(Fault(str(error), place, index, error.field))
    if faults:
        return None, faults
    return Rule(Then(then), tuple(asked), title.strip()), []


def _unbounded(place: int, rule: Rule) -> list[Fault]:
    """Refuse an allowing rule without limits: automation never has a blank cheque."""
    if rule.then != Then.ALLOW:
        return []
    capped = {one["is"] for one in rule.when if one.get("test") == "at_most"}
    faults = []
    if "loss" not in capped:
        faults.append(
            Fault(
                "Say how much one request may cost at most: add the condition “Loss of the request”.", place
            )
        )
    if not capped & {"automatic_loss", "automatic_approvals"}:
        faults.append(
            Fault(
                "Say how much automation may approve within a day, 7 days or 30 days: add a condition on the loss or "
                "the number that it approved.",
                place,
            )
        )
    return faults


def schema() -> dict[str, Any]:
    """Return the language as a JSON Schema, for those who write documents by program."""
    kinds = []
    for kind in conditions.KINDS.values():
        parts = {field.name: _schema_of(field) for field in kind.fields}
        kinds.append(
            {
                "type": "object",
                "title": kind.label,
                "description": kind.meaning,
                "properties": {"is": {"type": "string", "enum": [kind.name]}, **parts},
                "required": ["is", *parts],
                "additionalProperties": False,
            }
        )
    rule = {
        "type": "object",
        "properties": {
            "then": {"type": "string", "enum": [one.value for one in Then]},
            "title": {"type": "string", "maxLength": MOST_TITLE},
            "when": {"type": "array", "items": {"oneOf": kinds}, "maxItems": MOST_CONDITIONS},
        },
        "required": ["then", "when"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "format": {"type": "integer", "enum": [FORMAT]},
            "rules": {"type": "array", "items": rule, "minItems": 1, "maxItems": MOST_RULES},
        },
        "required": ["format", "rules"],
        "additionalProperties": False,
    }


def _schema_of(field: conditions.Field) -> dict[str, Any]:
    """Return one part of a condition as a JSON Schema."""
    names = {"type": "string", "enum": list(field.choices or {})}
    kinds: dict[str, dict[str, Any]] = {
        "choice": names,
        "several": {"type": "array", "items": names, "minItems": 1},
        "names": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": conditions.MOST_NAMES,
        },
        "whole": {"type": "integer", "minimum": 0, "maximum": 100_000},
        "rho": {
            "type": "integer",
            "minimum": 0,
            "maximum": conditions.MOST_RHO,
            "description": "ρ in units of 1e-12.",
        },
        "clock": {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"},
    }
    return kinds[field.kind]
