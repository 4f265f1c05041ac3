"""An application form as a value: what it may say, what its questions accept, and what answers lack."""

import json
import re
from copy import deepcopy

import pytest

from domains.catalog.purposes import LABELS
from domains.errors import InvalidInput
from domains.projects import changes, questions
from domains.projects.application_forms import bundled, spelled

SPEC = questions.parse(bundled())
WHOLE = json.loads(bundled())


def changed(path: str, value: object) -> str:
    """Return the bundled form with one value changed; `path` is keys and indexes with dots."""
    whole = deepcopy(WHOLE)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    part = whole
    for step in steps:
        part = part[step]
    part[last] = value
    return json.dumps(whole)


FIRST = "pages.0.sections.0.questions.0"
LAW = "pages.0.sections.1.questions"


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("title", "", "form.title"),
        ("pages", [], "form.pages"),
        ("pages", {}, "form.pages"),
        ("colour", "red", "unknown key"),
        ("pages.0", "page", "pages[0] must be an object"),
        ("pages.0.id", "Not A Name", "pages[0].id"),
        ("pages.1.id", "project", "pages has one name twice"),
        ("pages.1.sections.0.id", "aims", "sections has one name twice"),
        ("pages.0.sections.0.safe", "houses", "pages[0].sections[0].safe"),
        (f"{FIRST}.type", "file", "questions[0].type"),
        (f"{FIRST}.type", ["text"], "questions[0].type"),
        (f"{FIRST}.required", "yes", "questions[0].required"),
        (f"{FIRST}.label", "x" * 301, "questions[0].label"),
        (f"{FIRST}.choices", [{"value": "a", "label": "A"}], "questions[0].choices"),
        (f"{FIRST}.id", "summary", "question lay_summary must be asked"),
        (f"{FIRST}.id", "purpose", "questions has one name twice"),
        (f"{LAW}.0.choices", [{"value": "a", "label": "A"}, {"value": "a", "label": "B"}], "one name twice"),
        (f"{LAW}.1.shown_if", {"question": "outputs_planned", "is": "x"}, "earlier question"),
        (f"{LAW}.1.shown_if", {"question": "linking", "is": "yes"}, "earlier question"),
        (f"{LAW}.1.shown_if", {"question": "legal_basis", "is": "magic"}, "no answer to legal_basis"),
        (f"{FIRST}.shown_if", {"question": "legal_basis", "is": "other"}, "earlier question"),
        ("pages.0.sections.0.questions.2.choices", [{"value": "war", "label": "War"}], "offers “war”"),
    ],
)
def test_a_form_that_cannot_be_used_says_where(path, value, place):
    with pytest.raises(InvalidInput) as refused:
        questions.parse(changed(path, value))
    assert refused.value.code == "form_invalid"
    assert place in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "null", "x" * 200_001])
def test_what_is_no_json_object_is_no_form(text):
    with pytest.raises(InvalidInput):
        questions.parse(text)


def test_a_form_asks_a_bounded_number_of_questions():
    whole = deepcopy(WHOLE)
    for number in range(3):
        rows = [{"id": f"q{number}_{i}", "type": "text", "label": "Q"} for i in range(90)]
        section = {"id": f"s{number}", "title": "S", "safe": "data", "questions": rows}
        whole["pages"][0]["sections"].append(section)
    with pytest.raises(InvalidInput, match="more than 200"):
        questions.parse(json.dumps(whole))


def test_the_bundled_form_covers_the_five_safes_and_every_code():
    assert {section.safe for section in SPEC.sections} == set(questions.SAFES)
    assert dict(SPEC.questions["purpose_codes"].choices) == LABELS
    assert spelled(bundled()) == bundled()
    assert SPEC.page("people").title == "Safe people and settings"
    assert SPEC.page("nowhere") is None


@pytest.mark.parametrize(
    ("name", "raw", "kept"),
    [
        ("funding", "  The council  ", "The council"),
        ("funding", "", None),
        ("experience", "One\r\ntwo", "One\ntwo"),
        ("legal_basis", "consent", "consent"),
        ("ethics_needed", "yes", "yes"),
        ("purpose_codes", ["methods", "health"], ["health", "methods"]),
        ("purpose_codes", "health", ["health"]),
        ("purpose_codes", [], None),
        ("ends_on", "2027-12-31", "2027-12-31"),
        ("ends_on", "  ", None),
    ],
)
def test_an_answer_is_kept_in_one_spelling(name, raw, kept):
    assert questions.read(SPEC.questions[name], raw) == kept


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("funding", "x" * 301),
        ("funding", "a\0b"),
        ("funding", ["a"]),
        ("funding", True),
        ("experience", "x" * 8001),
        ("legal_basis", "magic"),
        ("ethics_needed", "maybe"),
        ("purpose_codes", ["war"]),
        ("purpose_codes", [["health"]]),
        ("purpose_codes", {"health": True}),
        ("ends_on", "31.12.2027"),
        ("ends_on", "2027-02-30"),
    ],
)
def test_an_answer_that_does_not_fit_says_to_which_question(name, raw):
    with pytest.raises(InvalidInput, match=re.escape(f"“{SPEC.questions[name].label}”")):
        questions.read(SPEC.questions[name], raw)


@pytest.mark.parametrize(
    ("raw", "kept"), [("12.50", "12.50"), (3, "3"), (0.5, "0.5"), ("1e3", "1000"), ("", None)]
)
def test_a_number_is_kept_exactly(raw, kept):
    number = questions.Question("n", "number", "N", "", required=False)
    assert questions.read(number, raw) == kept


@pytest.mark.parametrize("raw", ["twelve", "NaN", float("inf"), "1e99999999", "0e99999999", True, "9" * 31])
def test_a_number_that_is_none_or_too_long_is_refused(raw):
    with pytest.raises(InvalidInput):
        questions.read(questions.Question("n", "number", "N", "", required=False), raw)


def test_what_hangs_on_an_answer_is_asked_and_required_only_with_it():
    told = {"lay_summary": "S", "purpose": "P"}
    assert questions.missing(SPEC, told) == []
    lacking = questions.missing(SPEC, told | {"ethics_needed": "yes", "legal_basis": "other"})
    assert [one.id for one in lacking] == ["legal_basis_other", "ethics_reference"]
    ids = {one.id for one in questions.asked(SPEC, told | {"ethics_needed": "no"}, SPEC.pages[0])}
    assert "ethics_why_not" in ids
    assert "ethics_reference" not in ids


def test_a_condition_on_a_question_that_is_not_asked_does_not_hold():
    whole = deepcopy(WHOLE)
    law = whole["pages"][0]["sections"][1]["questions"]
    law.append({"id": "a", "type": "yes_no", "label": "A", "shown_if": {"question": "linked", "is": "yes"}})
    law.append({"id": "b", "type": "text", "label": "B", "shown_if": {"question": "a", "is": "yes"}})
    law.insert(0, {"id": "linked", "type": "yes_no", "label": "L"})
    spec = questions.parse(json.dumps(whole))
    b = spec.questions["b"]
    assert questions.is_asked(spec, b, {"linked": "yes", "a": "yes"})
    assert not questions.is_asked(spec, b, {"linked": "no", "a": "yes"})


def test_words_that_changed_are_told_apart_from_those_that_stayed():
    pieces = changes.by_word("Costs of care for adults.", "Costs of intensive care for adults.")
    assert [(piece.mark, piece.text) for piece in pieces] == [
        ("", "Costs of "),
        ("+", "intensive "),
        ("", "care for adults."),
    ]
    assert "".join(p.text for p in pieces if p.mark != "-") == "Costs of intensive care for adults."
    assert changes.by_word("same", "same") == ()
    assert [p.mark for p in changes.by_word("", "new")] == ["+"]


def test_a_long_text_made_to_take_hours_is_compared_quickly():
    before, after = "a b " * 1200, "b a a " * 800
    pieces = changes.by_word(before, after)
    assert "".join(p.text for p in pieces if p.mark != "+") == before
    assert [p.mark for p in changes.by_word("a " * 4000, "b " * 4000)] == ["-", "+"]


def test_versions_are_compared_question_by_question_and_what_is_gone_is_shown():
    before = {"purpose": "P", "funding": "Council", "legal_basis": "consent"}
    after = {"purpose": "P", "legal_basis": "public_task"}
    spec = questions.parse(changed("pages.1.sections.0.questions.0.id", "skills"))
    found = changes.compared(spec, after, before=before | {"experience": "Years"}, spec_before=SPEC)
    lines = {line.id: line for part in found for line in part.lines}
    assert not lines["purpose"].is_changed
    assert [p.mark for p in lines["funding"].pieces] == ["-"]
    assert "A task in the public interest" in lines["legal_basis"].text
    assert found[-1].title == "Asked before, and no more"
    assert [line.id for line in found[-1].lines] == ["experience"]
    plain = changes.parts(SPEC, before)
    assert not any(line.is_changed for part in plain for line in part.lines)
