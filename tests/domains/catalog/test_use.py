"""Conditions of use: declared by owners, kept sound by the database, and compared with a purpose, code by code."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from domains.audit.models import AuditEvent
from domains.catalog import actions, queries, using
from domains.catalog.models import UseCondition
from domains.catalog.purposes import CODES
from domains.catalog.use import NEEDING, TERMS, Condition, parse
from domains.errors import DomainError, InvalidInput
from domains.projects.fitness import _PERMITS, fit
from tests import make

TODAY = date(2027, 5, 1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([("XX", "")], "is no code"),
        ([("NCU", ""), ("NCU", "")], "declared once"),
        ([("GRU", ""), ("HMB", "")], "Choose one"),
        ([("DS", " ")], "name the disease"),
        ([("NCU", "yes")], "takes no detail"),
        ([("TS", "soon")], "2030-12-31"),
        ([("DS", "x" * 200)], "at most"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, says):
    with pytest.raises(InvalidInput, match=says):
        parse(given)


def test_conditions_come_in_the_ontologys_order_and_words():
    found = parse([("IRB", ""), ("DS", " heart  failure ")])
    assert [each.in_words for each in found] == [
        "Research on a disease: heart failure",
        "Ethics approval required",
    ]
    assert found[0].term.iri == "http://purl.obolibrary.org/obo/DUO_0000007"


@pytest.mark.parametrize(
    ("condition", "purposes", "outcome", "why"),
    [
        (("NRES", ""), [], "pass", "anything"),
        (("GRU", ""), ["health", "disease"], "pass", "allows"),
        (("GRU", ""), ["health", "clinical_care"], "fail", "clinical care"),
        (("GRU", ""), [], "warn", "names no kind"),
        (("HMB", ""), ["health"], "pass", "health"),
        (("HMB", ""), ["health", "general"], "fail", "general research"),
        (("HMB", ""), ["methods"], "warn", "may or may not"),
        (("DS", "sepsis"), ["disease"], "warn", "is sepsis"),
        (("DS", "sepsis"), ["disease", "health"], "fail", "health"),
        (("DS", "sepsis"), ["quality"], "warn", "evaluation"),
        (("POA", ""), ["ancestry"], "pass", "ancestry"),
        (("POA", ""), ["disease"], "fail", "disease"),
        (("NPU", ""), ["commercial", "health"], "fail", "commercial"),
        (("NPU", ""), ["health"], "warn", "not for profit"),
        (("NCU", ""), ["health"], "pass", "No commercial"),
        (("NCU", ""), [], "warn", "names no kind"),
        (("TS", "2027-04-30"), ["health"], "fail", "passed"),
        (("TS", "2027-05-01"), ["health"], "pass", "to come"),
        (("MOR", "2027-05-02"), ["health"], "warn", "published"),
        (("MOR", "2027-05-01"), ["health"], "pass", "passed"),
        (("US", "Ann"), ["health"], "warn", "Ann"),
        (("IS", "Charité"), ["health"], "warn", "Charité"),
    ],
)
def test_a_purpose_is_compared_with_each_condition(condition, purposes, outcome, why):
    (found,) = fit([Condition(*condition)], purposes, today=TODAY)
    assert found.outcome == outcome
    assert why in found.reason


@pytest.mark.parametrize("code", TERMS)
def test_every_code_has_an_answer_for_every_purpose(code):
    detail = ("2027-01-01" if TERMS[code].is_date else "x") if code in NEEDING else ""
    for purposes in ([], *([each] for each in CODES), list(CODES)):
        (found,) = fit(parse([(code, detail)]), purposes, today=TODAY)
        assert found.outcome in {"pass", "warn", "fail"}
        assert found.reason.endswith(".")
    assert all(set(table) == set(CODES) for table in _PERMITS.values())


@pytest.fixture
def dataset(db):
    return make.catalogued() if hasattr(make, "catalogued") else make.dataset()


def test_an_owner_declares_them_and_they_are_found(dataset):
    alice, sam = make.person("alice"), make.person("sam")
    actions.declare_use(dataset, [("HMB", ""), ("TS", "2030-12-31")], by=alice)
    actions.declare_use(dataset, [("NCU", ""), ("GRU", "")], by=alice)
    assert [each.code for each in using.conditions_of(dataset)] == ["GRU", "NCU"]
    assert list(queries.catalogue(sam, use="NCU")) == [dataset]
    assert not queries.catalogue(sam, use="TS").exists()
    assert "Time limit on use: 2030-12-31" in str(AuditEvent.objects.order_by("-index").first().__dict__)
    for name in ("rita", "sam", "ada", "theo", "charlie"):
        with pytest.raises(DomainError):
            actions.declare_use(dataset, [], by=make.person(name))
    for wrong in (
        {"code": "XX"},
        {"code": "DS"},
        {"code": "IRB", "detail": "x"},
        {"code": "NCU"},
        {"code": "HMB"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            UseCondition.objects.create(dataset=dataset, **wrong)
