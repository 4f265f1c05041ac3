"""The editor of access policies as a form: rules and conditions as lines that can be added, moved and taken away.

Everything is in the fields that were posted, so nothing is lost and no script is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from domains.catalog import conditions
from domains.catalog.policy import FORMAT, MOST_CONDITIONS, MOST_RULES, Fault, PolicyInvalid, Then, parse
from domains.catalog.rules import epsilon_to_rho
from domains.errors import InvalidInput
from privacy.loss import epsilon_of

ANSWERS = {
    Then.ALLOW.value: "Approve automatically",
    Then.REFER.value: "Let people decide",
    Then.REFUSE.value: "Refuse",
}


@dataclass
class Part:
    """One field of a condition on the page; `value` is what was typed or chosen."""

    name: str
    id: str
    kind: str
    label: str
    choices: Mapping[str, str]
    value: Any = ""
    fault: str = ""


@dataclass
class Line:
    """One condition on the page."""

    kind: conditions.Kind
    parts: list[Part]
    faults: list[str] = field(default_factory=list)

    def value(self) -> dict[str, Any]:
        """Return the condition as it would be written; what cannot be read stays as it was typed."""
        return {"is": self.kind.name, **{part.name.rsplit("-", 1)[1]: _value(part) for part in self.parts}}


@dataclass
class Block:
    """One rule on the page, with its sentence once it can be read."""

    then: str
    title: str
    lines: list[Line]
    faults: list[str] = field(default_factory=list)
    sentence: str = ""

    def value(self) -> dict[str, Any]:
        """Return the rule as it would be written."""
        return {"then": self.then, "title": self.title, "when": [line.value() for line in self.lines]}


class Editor:
    """A policy that is being written; `delta` converts between the ε on the page and the ρ that is kept."""

    def __init__(self, delta: float, blocks: list[Block] | None = None) -> None:
        self.delta = delta
        self.blocks = blocks or []
        self.faults: list[str] = []

    @classmethod
    def of(cls, document: Mapping[str, Any], delta: float) -> Editor:
        """Show a document."""
        blocks = []
        for place, rule in enumerate(document["rules"]):
            lines = [
                _line(f"r-{place}-c-{index}", one["is"], _shown(one, delta))
                for index, one in enumerate(rule["when"])
            ]
            blocks.append(Block(rule["then"], rule.get("title", ""), lines))
        made = cls(delta, blocks)
        made.say()
        return made

    @classmethod
    def posted(cls, data: QueryDict, delta: float) -> Editor:
        """Read what was posted, whatever is in it."""
        blocks = []
        for place in range(MOST_RULES):
            prefix = f"r-{place}"
            if f"{prefix}-then" not in data:
                break
            lines = []
            for index in range(MOST_CONDITIONS):
                kind = data.get(f"{prefix}-c-{index}-is", "")
                if kind not in conditions.KINDS:
                    break
                lines.append(_posted_line(f"{prefix}-c-{index}", kind, data))
            blocks.append(Block(data[f"{prefix}-then"], data.get(f"{prefix}-title", ""), lines))
        return cls(delta, blocks)

    def document(self) -> dict[str, Any]:
        """Return what is written as a document, with losses in ρ where they can be read."""
        rules = [block.value() for block in self.blocks]
        for rule in rules:
            for one in rule["when"]:
                if "rho" in one:
                    one["rho"] = self._rho(one["rho"])
        return {"format": FORMAT, "rules": rules}

    def _rho(self, typed: str) -> Any:
        try:
            return epsilon_to_rho(typed, self.delta)
        except InvalidInput:
            return typed  # the reader refuses it, with its place

    def do(self, command: str, data: QueryDict) -> None:
        """Change the lines as a pressed button says; what it does not know, or cannot be, changes nothing."""
        what, *numbers = command.split("-")
        places = [int(one) for one in numbers if one.isascii() and one.isdigit() and len(one) < 4]
        if command == "add" and len(self.blocks) < MOST_RULES:
            self.blocks.append(Block(Then.REFER.value, "", []))
        elif places and len(places) == len(numbers) and places[0] < len(self.blocks):
            self._change(what, places, data)
        self._number()
        self.say()

    def _change(self, what: str, places: list[int], data: QueryDict) -> None:
        place, block = places[0], self.blocks[places[0]]
        kind = data.get(f"r-{place}-new", "")
        if what == "with" and kind in conditions.KINDS and len(block.lines) < MOST_CONDITIONS:
            block.lines.append(_line("", kind, {}))
        elif what == "drop" and len(places) == 1:
            del self.blocks[place]
        elif what == "drop" and places[1] < len(block.lines):
            del block.lines[places[1]]
        elif what in ("up", "down"):
            other = place + (1 if what == "down" else -1)
            if 0 <= other < len(self.blocks):
                self.blocks[place], self.blocks[other] = self.blocks[other], block

    def _number(self) -> None:
        """Give every field the name that its place now has."""
        for place, block in enumerate(self.blocks):
            for index, line in enumerate(block.lines):
                values = {part.name.rsplit("-", 1)[1]: part.value for part in line.parts}
                block.lines[index] = _line(f"r-{place}-c-{index}", line.kind.name, values)

    def say(self) -> None:
        """Write beside each rule that can be read what it says."""
        for block, rule in zip(self.blocks, self.document()["rules"], strict=True):
            rest = {
                "then": "refer",
                "when": rule["when"],
                "title": "",
            }  # whatever a rule that allows still lacks
            try:
                read = parse({"format": FORMAT, "rules": [rest]}).rules[0]
                block.sentence = type(read)(Then(rule["then"]), read.when).in_words(self.delta)
            except (PolicyInvalid, ValueError):
                block.sentence = ""

    def blame(self, refused: PolicyInvalid) -> None:
        """Put each fault beside what it is about."""
        for fault in refused.faults:
            self._place(fault)

    def _place(self, fault: Fault) -> None:
        if fault.rule is None:
            self.faults.append(fault.text)
            return
        block = self.blocks[fault.rule]
        if fault.condition is None:
            block.faults.append(fault.text)
            return
        line = block.lines[fault.condition]
        line.faults.append(_in_epsilon(fault))
        for part in line.parts:
            if part.name.endswith(f"-{fault.field}"):
                part.fault = _in_epsilon(fault)


def _in_epsilon(fault: Fault) -> str:
    """Say of a loss what the page asks for."""
    return "Loss: an ε between 0 and 100, such as 0.1." if fault.field == "rho" else fault.text


def _line(prefix: str, kind: str, values: Mapping[str, Any]) -> Line:
    known = conditions.KINDS[kind]
    parts = []
    for one in known.fields:
        name, first = f"{prefix}-{one.name}", next(iter(one.choices or {}), "")
        begun = {"choice": first, "several": [], "clock": "08:00" if one.name == "from" else "18:00"}
        value = values.get(one.name, begun.get(one.kind, ""))
        label = "Loss, as ε" if one.kind == "rho" else one.label
        parts.append(Part(name, f"id_{name}", one.kind, label, one.choices or {}, value))
    return Line(known, parts)


def _posted_line(prefix: str, kind: str, data: QueryDict) -> Line:
    values: dict[str, Any] = {}
    for one in conditions.KINDS[kind].fields:
        name = f"{prefix}-{one.name}"
        values[one.name] = data.getlist(name) if one.kind == "several" else data.get(name, "")[:10_000]
    return _line(prefix, kind, values)


def _value(part: Part) -> Any:
    """Return a part as a document has it, or as it was typed where it cannot be read."""
    if part.kind == "whole":
        typed = str(part.value).strip()
        return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else typed
    if part.kind == "names":
        return [name.strip() for name in str(part.value).replace("\n", ",").split(",") if name.strip()]
    return part.value


def _shown(condition: Mapping[str, Any], delta: float) -> dict[str, Any]:
    """Return a condition's values as the page writes them."""
    return {
        name: epsilon_text(value, delta) if name == "rho" else ", ".join(value) if condition["is"] == "columns"
        and name == "of" else value
        for name, value in condition.items()
    }  # fmt: skip


def epsilon_text(rho: int, delta: float) -> str:
    """Write ρ as the shortest ε that becomes exactly this ρ again."""
    epsilon = epsilon_of(rho, delta)
    texts = (f"{epsilon:.{digits}g}" for digits in range(1, 18))
    return next((text for text in texts if _is_same(text, rho, delta)), f"{epsilon:.17g}")


def _is_same(text: str, rho: int, delta: float) -> bool:
    try:
        return epsilon_to_rho(text, delta) == rho
    except InvalidInput:
        return False
