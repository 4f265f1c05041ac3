"""What changed between two handed-in versions of an application, word by word. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domains.projects.questions import Question, Spec, in_words

_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
# Past so many words, a comparison word by word would take long and say little.
MOST_WORDS = 5000


@dataclass(frozen=True)
class Piece:
    """A run of text: `mark` is "+" where it was added, "-" where it was taken away, "" where it stayed."""

    mark: str
    text: str


@dataclass(frozen=True)
class Line:
    """One question with its answer; `pieces` says how it differs from the version before, empty if it does not."""

    id: str
    label: str
    text: str
    pieces: tuple[Piece, ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(self.pieces)


@dataclass(frozen=True)
class Part:
    """A section as it is read and reviewed; what is left over of an earlier form has no id."""

    id: str
    title: str
    safe: str
    lines: tuple[Line, ...]


def by_word(before: str, after: str) -> tuple[Piece, ...]:
    """Return how `before` became `after`, runs of words at a time; nothing if they are equal."""
    if before == after:
        return ()
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if not old or not new or len(old) + len(new) > MOST_WORDS:
        return tuple(piece for piece in (Piece("-", before), Piece("+", after)) if piece.text)
    found: list[Piece] = []
    matcher = difflib.SequenceMatcher(
        None, old, new
    )  # leaves frequent words out, or text made for it takes hours
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found.append(Piece("", "".join(old[a:b])))
            continue
        pair = (Piece("-", "".join(old[a:b])), Piece("+", "".join(new[c:d])))
        found += [piece for piece in pair if piece.text]
    return tuple(found)


def parts(spec: Spec, answers: Mapping[str, Any]) -> list[Part]:
    """Return an application section by section, with nothing to compare it with."""
    return [
        Part(
            section.id,
            section.title,
            section.safe,
            tuple(_line(question, answers) for question in section.questions if answers.get(question.id)),
        )
        for section in spec.sections
    ]


def _line(question: Question, answers: Mapping[str, Any]) -> Line:
    return Line(question.id, question.label, in_words(question, answers.get(question.id)))


def compared(
    spec: Spec, answers: Mapping[str, Any], *, before: Mapping[str, Any], spec_before: Spec
) -> list[Part]:
    """Return an application section by section, with what changed since the version before marked.

    Answers that were taken away are shown too; those to questions that the form asks no more come last.
    """
    old = spec_before.questions
    found = []
    for section in spec.sections:
        lines = []
        for question in section.questions:
            was = in_words(old[question.id], before.get(question.id)) if question.id in old else ""
            line = _line(question, answers)
            if was or line.text:
                lines.append(Line(line.id, line.label, line.text, by_word(was, line.text)))
        found.append(Part(section.id, section.title, section.safe, tuple(lines)))
    gone = [name for name in old if name not in spec.questions and before.get(name)]
    if gone:
        lines = [_taken_away(old[name], before) for name in gone]
        found.append(Part("", "Asked before, and no more", "", tuple(lines)))
    return found


def _taken_away(question: Question, before: Mapping[str, Any]) -> Line:
    return Line(question.id, question.label, "", by_word(in_words(question, before[question.id]), ""))
