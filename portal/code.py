"""Code as people read it: words of the language told apart, and what changed between two texts, word by word.

Only names of CSS classes come from here; the text itself is escaped where it is written.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from pygments.lexer import Lexer
from pygments.lexers.data import JsonLexer
from pygments.lexers.python import PythonLexer
from pygments.lexers.sql import SqlLexer
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, String

_LEXERS: dict[str, type[Lexer]] = {"sql": SqlLexer, "python": PythonLexer, "json": JsonLexer}
_CLASSES = (  # the first that a token belongs to
    (Comment, "hl-comment"),
    (Keyword, "hl-keyword"),
    (Name.Builtin, "hl-name"),
    (Name.Function, "hl-name"),
    (Name.Tag, "hl-name"),
    (Number, "hl-number"),
    (String, "hl-string"),
    (Literal, "hl-number"),
    (Operator, "hl-operator"),
)
MOST_WORDS = 2_000  # of a changed stretch; a longer one is marked by whole lines
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of one line: its text, the class that colours it, and whether the other text lacks it."""

    text: str
    css: str = ""
    is_changed: bool = False


@dataclass(frozen=True)
class Line:
    """One line: mark is "+", "-" or a space."""

    pieces: tuple[Piece, ...]
    mark: str = " "

    @property
    def text(self) -> str:
        """The line without its marks."""
        return "".join(piece.text for piece in self.pieces)


def language_of(text: str) -> str:
    """Return what a request is written in: a workload is JSON, everything else here is SQL."""
    return "json" if text.lstrip().startswith("{") else "sql"


def lines(text: str, language: str = "") -> list[Line]:
    """Return a text line by line, its words coloured as those of its language."""
    found: list[list[Piece]] = [[]]
    for kind, value in _lexer(language or language_of(text)).get_tokens(text):
        css = next((css for group, css in _CLASSES if kind in group), "")
        for place, part in enumerate(value.split("\n")):
            if place:
                found.append([])
            if part:
                found[-1].append(Piece(part, css))
    return [Line(tuple(pieces)) for pieces in found[: max(1, len(text.splitlines()))]]


@cache
def _lexer(language: str) -> Lexer:
    kept = {"stripnl": False, "ensurenl": False}
    return _LEXERS[language](**kept)


def changes(before: str, after: str) -> list[Line]:
    """Return `after`, and what it lacks of `before`, line by line; words that differ in changed lines are marked."""
    old, new = lines(before), lines(after)
    matcher = difflib.SequenceMatcher(
        None, [line.text for line in old], [line.text for line in new], autojunk=False
    )
    found: list[Line] = []
    for what, i, j, k, m in matcher.get_opcodes():
        if what == "equal":
            found += new[k:m]
            continue
        gone, come = _word_by_word(old[i:j], new[k:m]) if what == "replace" else (old[i:j], new[k:m])
        found += [replace(line, mark="-") for line in gone] + [replace(line, mark="+") for line in come]
    return found


def _word_by_word(old: list[Line], new: list[Line]) -> tuple[list[Line], list[Line]]:
    """Mark in two stretches the words that the other lacks; where none stays, all is changed and nothing marked."""
    one, two = [list(_words(stretch)) for stretch in (old, new)]
    if max(len(one), len(two)) > MOST_WORDS:
        return old, new
    matcher = difflib.SequenceMatcher(None, [w.text for w in one], [w.text for w in two], autojunk=False)
    kept = [block for block in matcher.get_matching_blocks() if block.size]
    if not any(one[n].text.strip() for block in kept for n in range(block.a, block.a + block.size)):
        return old, new
    of_old = {n for block in kept for n in range(block.a, block.a + block.size)}
    of_new = {n for block in kept for n in range(block.b, block.b + block.size)}
    return _lines_of(one, of_old), _lines_of(two, of_new)


def _words(stretch: Iterable[Line]) -> Iterator[Piece]:
    for line in stretch:
        for piece in line.pieces:
            yield from (replace(piece, text=word) for word in _WORDS.findall(piece.text))
        yield Piece("\n")


def _lines_of(words: list[Piece], kept: set[int]) -> list[Line]:
    found: list[Line] = []
    row: list[Piece] = []
    for place, word in enumerate(words):
        if word.text == "\n":
            found.append(Line(tuple(row)))
            row = []
            continue
        is_changed = place not in kept
        if row and (row[-1].css, row[-1].is_changed) == (word.css, is_changed):
            row[-1] = replace(row[-1], text=row[-1].text + word.text)
        else:
            row.append(Piece(word.text, word.css, is_changed))
    return found
