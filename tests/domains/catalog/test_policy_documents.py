"""The language of policies: what can be written, in one spelling, and where a fault lies."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.catalog import conditions, policy, templates
from domains.catalog.policy import Document, PolicyInvalid, parse

DELTA = 5e-7
LIMITS = templates.limits(10, 100)


def faults(data, columns=None):
    with pytest.raises(PolicyInvalid) as refused:
        parse(data, columns)
    return refused.value.to_list()


def one(then="refer", when=(), **more):
    return {"format": 1, "rules": [{"then": then, "when": list(when), **more}]}


@pytest.mark.parametrize("template", templates.TEMPLATES.values(), ids=lambda one: one.name)
def test_a_template_is_a_policy_with_a_sentence_for_each_rule(template):
    document = parse(template.make(DELTA))
    assert policy.load(document.canonical()) == document
    assert len(document.in_words(DELTA)) == len(document.rules)
    jsonschema.validate(document.to_dict(), policy.schema())


def test_two_spellings_of_one_policy_have_one_hash():
    written = one("refuse", [{"is": "columns", "test": "any", "of": ["b", "a", "b"]}], title="  Names ")
    other = one("refuse", [{"of": ["a", "b"], "test": "any", "is": "columns"}], title="Names")
    assert parse(written).sha256() == parse(other).sha256()
    assert parse(written).sha256() != parse(one("refer")).sha256()


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"format": 2, "rules": []}, {"format": 1, "rules": []}, {"format": True, "rules": [{}]},
     {"format": 1, "rules": [{"then": "refer", "when": []}] * 31}, {"format": 1, "rules": {}}],
)  # fmt: skip
def test_what_is_no_policy_at_all_is_said_of_the_whole(data):
    assert faults(data)[0]["rule"] is None


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"is": "row_count", "test": "over", "number": 10}, "is"),  # nothing private can be asked
        ("loss", "is"),
        ({"is": ["loss"]}, "is"),
        ({"is": "loss", "test": "at_most", "rho": 1.5}, "rho"),
        ({"is": "loss", "test": "at_most", "rho": True}, "rho"),
        ({"is": "loss", "test": "at_most", "rho": -1}, "rho"),
        ({"is": "loss", "test": "at most", "rho": 1}, "test"),
        ({"is": "loss", "test": "at_most", "rho": 1, "why": "?"}, "is"),
        ({"is": "aggregates", "test": "only", "of": []}, "of"),
        ({"is": "aggregates", "test": "only", "of": ["secret"]}, "of"),
        ({"is": "columns", "test": "any", "of": ["income"]}, "of"),
        ({"is": "columns", "test": "any", "of": ["a\nb"]}, "of"),
        ({"is": "time", "test": "inside", "days": ["mon"], "from": "8:00", "to": "18:00"}, "from"),
        ({"is": "time", "test": "inside", "days": ["noday"], "from": "08:00", "to": "18:00"}, "days"),
        ({"is": "version_age", "test": "over", "days": None}, "days"),
    ],
)
def test_a_fault_names_its_rule_condition_and_part(condition, field):
    found = faults({"format": 1, "rules": [*one()["rules"], *one("refuse", [condition])["rules"]]}, ["age"])
    assert [(fault["rule"], fault["condition"], fault["field"]) for fault in found] == [(2, 1, field)]


def test_every_fault_is_named_at_once():
    rules = [
        {"then": "maybe", "when": [{"is": "x"}], "title": "x" * 81},
        {"then": "refer"},
        {"then": "refer", "when": 3},
    ]
    found = faults({"format": 1, "rules": rules})
    assert [fault["rule"] for fault in found] == [1, 1, 1, 2, 3]


def test_automation_never_has_a_blank_cheque():
    assert len(faults(one("allow"))) == 2
    assert len(faults(one("allow", LIMITS[:1]))) == 1
    assert len(faults(one("allow", [LIMITS[0] | {"test": "over"}, LIMITS[1]]))) == 1
    number = {"is": "automatic_approvals", "test": "at_most", "number": 3, "per": "person", "within": "day"}
    assert parse(one("allow", [LIMITS[0], number])).automates


def test_a_rule_without_conditions_says_that_it_always_holds():
    assert parse(one("refuse")).in_words(DELTA) == ["Refuse, always."]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(sorted(conditions.KINDS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["is", "test", "of", "rho", "then", "when"]), inner, max_size=4)
    ),
    max_leaves=4,
)


@given(st.lists(JSON, min_size=1, max_size=3))
def test_whatever_is_written_is_read_whole_or_refused_with_its_place(rules):
    try:
        document = parse({"format": 1, "rules": rules})
    except PolicyInvalid as refused:
        assert_places(refused.to_list())
    else:
        assert isinstance(document, Document)
        jsonschema.validate(json.loads(document.canonical()), policy.schema())


def assert_places(found):
    assert found
    assert all(fault["text"] and fault["rule"] for fault in found)
