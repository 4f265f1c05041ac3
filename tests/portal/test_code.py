"""Code in colours and the difference of two texts: nothing is lost, and what changed is marked word by word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import code

OLD = "SELECT sex, COUNT(*) AS n\nFROM support2\nWHERE age >= 60\nGROUP BY sex"
NEW = "SELECT sex, COUNT(*) AS n\nFROM support2\nWHERE age >= 65\nGROUP BY sex"


def test_words_of_the_language_are_told_apart():
    (first, *_) = code.lines("SELECT 'x' AS n -- why\nFROM t")
    found = {piece.text.strip(): piece.css for piece in first.pieces if piece.css}
    assert (found["SELECT"], found["'x'"], found["-- why"]) == ("hl-keyword", "hl-string", "hl-comment")
    assert code.lines("def f(): return 1", "python")[0].pieces[0].css == "hl-keyword"
    assert code.language_of(' {"marginals": []}') == "json"
    assert any(piece.css for piece in code.lines('{"a": 1}')[0].pieces)


def test_only_the_words_that_differ_are_marked():
    found = code.changes(OLD, NEW)
    assert [(line.mark, line.text) for line in found if line.mark != " "] == [
        ("-", "WHERE age >= 60"),
        ("+", "WHERE age >= 65"),
    ]
    marked = [(line.mark, piece.text) for line in found for piece in line.pieces if piece.is_changed]
    assert marked == [("-", "60"), ("+", "65")]


def test_a_line_that_is_wholly_another_is_marked_as_a_whole():
    found = code.changes("a", "zzz")
    assert [(line.mark, line.text) for line in found] == [("-", "a"), ("+", "zzz")]
    assert not any(piece.is_changed for line in found for piece in line.pieces)


def test_a_long_change_is_marked_line_by_line(monkeypatch):
    monkeypatch.setattr(code, "MOST_WORDS", 3)
    assert not any(piece.is_changed for line in code.changes(OLD, NEW) for piece in line.pieces)


TEXT = st.text(alphabet="ab \n'\"-<>&{},1", max_size=60)


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_nothing_is_lost_or_added(before, after):
    found = code.changes(before, after)
    lexed = [line.text for line in code.lines(after)]
    assert [line.text for line in found if line.mark != "-"] == lexed
    assert [line.text for line in found if line.mark != "+"] == [line.text for line in code.lines(before)]
    assert "\n".join(lexed).split() == after.split()


@pytest.mark.parametrize("text", ["", "\n", "a\n\nb\n", "\n a"])
def test_lines_are_those_of_the_text(text):
    assert [line.text for line in code.lines(text)] == (text.splitlines() or [""])
