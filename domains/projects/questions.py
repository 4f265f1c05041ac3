"""A form as a value: pages, sections by the Five Safes, questions; read from JSON, and what answers lack. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from domains.catalog.purposes import CODES
from domains.errors import InvalidInput

SAFES = ("projects", "people", "settings", "data", "outputs")
CHOOSING = ("choice", "several")
TYPES = ("text", "long_text", "yes_no", "date", "number", *CHOOSING)
# Every form asks these: reviewers, the public register and rules for automation rely on them.
CORE = {"lay_summary": "long_text", "purpose": "long_text", "purpose_codes": "several"}
YES_NO = (("yes", "Yes"), ("no", "No"))
MOST_QUESTIONS, MOST_SPEC = 200, 200_000
MOST = {"text": 300, "long_text": 8000, "number": 30, "date": 10}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Answers = Mapping[str, Any]


@dataclass(frozen=True)
class Condition:
    """A question is asked only if another one was answered so."""

    question: str
    value: str


@dataclass(frozen=True)
class Question:
    """One question: `choices` are (value, label)."""

    id: str
    type: str
    label: str
    help: str
    required: bool
    choices: tuple[tuple[str, str], ...] = ()
    shown_if: Condition | None = None


@dataclass(frozen=True)
class Section:
    """Questions that are answered and reviewed together, under one of the Five Safes."""

    id: str
    title: str
    safe: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Page:
    """What is filled in and kept at once."""

    id: str
    title: str
    sections: tuple[Section, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(question for section in self.sections for question in section.questions)


@dataclass(frozen=True)
class Spec:
    """A whole form."""

    title: str
    pages: tuple[Page, ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        return tuple(section for page in self.pages for section in page.sections)

    @property
    def questions(self) -> dict[str, Question]:
        return {question.id: question for page in self.pages for question in page.questions}

    def page(self, name: str) -> Page | None:
        """Return the page of that name, if there is one."""
        return next((page for page in self.pages if page.id == name), None)


@lru_cache(maxsize=64)
def parse(text: str) -> Spec:
    """Return a form from its JSON, or raise InvalidInput that names the place and what belongs there."""
    if len(text) > MOST_SPEC:
        raise _wrong("form", f"is longer than {MOST_SPEC:,} characters")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("form", "is not JSON") from error
    part = _Part(raw, "form", {"title", "pages"})
    pages = tuple(_page(each, f"pages[{index}]") for index, each in enumerate(part.parts("pages")))
    spec = Spec(part.words("title"), pages)
    _check_whole(spec)
    return spec


def _wrong(place: str, what: str) -> InvalidInput:
    return InvalidInput(f"The form cannot be used: {place} {what}.", code="form_invalid")


class _Part:
    """One object of the JSON, read key by key; what it does not know is an error, not ignored."""

    def __init__(self, raw: Any, place: str, known: set[str]) -> None:
        if not isinstance(raw, dict):
            raise _wrong(place, "must be an object")
        if unknown := sorted(set(raw) - known):
            raise _wrong(place, f"has an unknown key “{unknown[0][:40]}”")
        self.raw, self.place = raw, place

    def words(self, key: str, *, most: int = 300, needed: bool = True) -> str:
        value = self.raw.get(key, "")
        if not isinstance(value, str) or len(value) > most or "\0" in value or (needed and not value.strip()):
            raise _wrong(f"{self.place}.{key}", f"must be text of at most {most} characters")
        return value.strip()

    def name(self, key: str = "id") -> str:
        value = self.words(key)
        if not _NAME.fullmatch(value):
            raise _wrong(f"{self.place}.{key}", "must be lower-case letters, digits and _")
        return value

    def one_of(self, key: str, allowed: Sequence[str]) -> str:
        value = self.raw.get(key)
        if value not in allowed:
            raise _wrong(f"{self.place}.{key}", f"must be one of {', '.join(allowed)}")
        return str(value)

    def flag(self, key: str) -> bool:
        value = self.raw.get(key, False)
        if not isinstance(value, bool):
            raise _wrong(f"{self.place}.{key}", "must be true or false")
        return value

    def parts(self, key: str) -> list[Any]:
        value = self.raw.get(key)
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_QUESTIONS:
            raise _wrong(f"{self.place}.{key}", f"must list 1 to {MOST_QUESTIONS} entries")
        return value


def _page(raw: Any, place: str) -> Page:
    part = _Part(raw, place, {"id", "title", "sections"})
    rows = enumerate(part.parts("sections"))
    sections = tuple(_section(each, f"{place}.sections[{index}]") for index, each in rows)
    return Page(part.name(), part.words("title"), sections)


def _section(raw: Any, place: str) -> Section:
    part = _Part(raw, place, {"id", "title", "safe", "questions"})
    rows = enumerate(part.parts("questions"))
    questions = tuple(_question(each, f"{place}.questions[{index}]") for index, each in rows)
    return Section(part.name(), part.words("title"), part.one_of("safe", SAFES), questions)


def _question(raw: Any, place: str) -> Question:
    part = _Part(raw, place, {"id", "type", "label", "help", "required", "choices", "shown_if"})
    kind = part.one_of("type", TYPES)
    if (kind in CHOOSING) != ("choices" in part.raw):
        raise _wrong(f"{place}.choices", "belongs to questions of type choice and several, and only there")
    choices: tuple[tuple[str, str], ...] = YES_NO if kind == "yes_no" else ()
    if kind in CHOOSING:
        rows = enumerate(part.parts("choices"))
        choices = tuple(_choice(each, f"{place}.choices[{index}]") for index, each in rows)
        _once([value for value, _ in choices], f"{place}.choices")
    condition = None
    if "shown_if" in part.raw:
        inner = _Part(part.raw["shown_if"], f"{place}.shown_if", {"question", "is"})
        condition = Condition(inner.name("question"), inner.words("is"))
    words = part.words("help", most=1000, needed=False)
    return Question(part.name(), kind, part.words("label"), words, part.flag("required"), choices, condition)


def _choice(raw: Any, place: str) -> tuple[str, str]:
    part = _Part(raw, place, {"value", "label"})
    return part.name("value"), part.words("label")


def _once(names: Sequence[str], place: str) -> None:
    if len(set(names)) != len(names):
        raise _wrong(place, "has one name twice")


def _check_whole(spec: Spec) -> None:
    _once([page.id for page in spec.pages], "pages")
    _once([section.id for section in spec.sections], "sections")
    asked = [question for page in spec.pages for question in page.questions]
    _once([question.id for question in asked], "questions")
    if len(asked) > MOST_QUESTIONS:
        raise _wrong("form", f"asks more than {MOST_QUESTIONS} questions")
    before: dict[str, Question] = {}
    for question in asked:
        if question.shown_if is not None:
            _check_condition(question, question.shown_if, before)
        before[question.id] = question
    for name, kind in CORE.items():
        if name not in before or before[name].type != kind or before[name].shown_if is not None:
            raise _wrong(f"question {name}", f"must be asked of everybody, as {kind}")
    codes = {value for value, _ in before["purpose_codes"].choices}
    if unknown := sorted(codes - set(CODES)):
        raise _wrong("question purpose_codes", f"offers “{unknown[0]}”; choose from {', '.join(CODES)}")


def _check_condition(question: Question, condition: Condition, before: Mapping[str, Question]) -> None:
    place = f"question {question.id}: shown_if"
    other = before.get(condition.question)
    if other is None or not other.choices:
        raise _wrong(place, "must name an earlier question that offers choices")
    if condition.value not in {value for value, _ in other.choices}:
        raise _wrong(place, f"“{condition.value[:40]}” is no answer to {condition.question}")


def is_asked(spec: Spec, question: Question, answers: Answers) -> bool:
    """Answer whether a question is asked, given the other answers; what hangs on a question not asked is not either."""
    if question.shown_if is None:
        return True
    other = spec.questions[question.shown_if.question]
    given = answers.get(other.id)
    values = given if isinstance(given, list) else [given]
    return question.shown_if.value in values and is_asked(spec, other, answers)


def asked(spec: Spec, answers: Answers, page: Page | None = None) -> Iterator[Question]:
    """Yield the questions that are asked, in order: of one page, or of the whole form."""
    for question in spec.questions.values() if page is None else page.questions:
        if is_asked(spec, question, answers):
            yield question


def missing(spec: Spec, answers: Answers, page: Page | None = None) -> list[Question]:
    """Return the required questions that are asked and not answered."""
    return [one for one in asked(spec, answers, page) if one.required and not answers.get(one.id)]


def read(question: Question, raw: Any) -> str | list[str] | None:
    """Return an answer as it is kept, None for none; raise InvalidInput that says how to write it."""
    if raw in (None, "", [], ()):
        return None
    if question.type == "several":
        given = raw if isinstance(raw, list) else [raw]
        if not all(isinstance(one, str) for one in given) or set(given) - {v for v, _ in question.choices}:
            raise _bad(question, "choose from what is offered")
        return [value for value, _ in question.choices if value in given]
    if question.type == "number" and isinstance(raw, (int, float, Decimal)) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str) or "\0" in raw:
        raise _bad(question, "write text")
    return _one(question, "\n".join(raw.strip().splitlines())) or None


def _one(question: Question, value: str) -> str:
    if question.choices and value not in {v for v, _ in question.choices}:
        raise _bad(question, "choose from what is offered")
    if (most := MOST.get(question.type)) and len(value) > most:
        raise _bad(question, f"write at most {most:,} characters")
    if question.type == "date" and value:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise _bad(question, "write a date as 2027-12-31") from error
    if question.type == "number" and value:
        try:
            number = Decimal(value)
        except InvalidOperation as error:
            raise _bad(question, "write a number") from error
        if not number.is_finite():
            raise _bad(question, "write a number")
        return f"{number:f}" if abs(number.adjusted()) <= MOST["number"] else _too_large(question)
    return value


def _too_large(question: Question) -> str:
    raise _bad(question, "write a smaller number")


def _bad(question: Question, how: str) -> InvalidInput:
    return InvalidInput(f"“{question.label}”: {how}.", code="answer_invalid")


def in_words(question: Question, value: Any) -> str:
    """Return an answer as people read it."""
    labels: dict[str, str] = dict(question.choices)
    if not value:
        return ""
    if isinstance(value, list):
        return "\n".join(str(labels.get(one, one)) for one in value)
    return str(labels.get(value, value))
