"""The access policy: deny overrides, silence means people, and every outcome says why, by rule and version."""

import dataclasses
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.catalog import conditions, policy, templates
from domains.requests.policy import DAY, Allow, Earlier, Facts, Policy, Refer, Refuse, assess
from privacy.loss import Loss

DELTA = 5e-7
BOTH = frozenset({"commercial", "health"})  # purposes
FACTS = Facts(
    kind="query",
    mechanisms=frozenset({"gaussian"}),
    aggregates=frozenset({"count"}),
    columns=frozenset({"sex", "age"}),
    purposes=frozenset({"health"}),
    loss=Loss(50, 0),
    is_proven=True,
    weekday=0,
    minute=9 * 60,
    version_days=10,
)
LIMITS = templates.limits(100, 250)
OLD = {"then": "allow", "title": "Small", "when": LIMITS}


def made(*rules, of_project=False) -> Policy:
    document = policy.parse({"format": 1, "rules": list(rules)})
    return Policy("01P", 3, document, document.sha256(), DELTA, is_of_project=of_project)


def facts(**changes) -> Facts:
    loss = changes.pop("loss", None) or Loss(changes.pop("rho", 50), changes.pop("delta", 0))
    return dataclasses.replace(FACTS, loss=loss, **changes)


def used(*rhos, days=1, grant=True, person=True):
    return tuple(Earlier(days * DAY - 1, rho, grant, person) for rho in rhos)


def rule(then, *when, title=""):
    return {"then": then, "title": title, "when": list(when)}


ORDER = [Allow, Refer, Refuse]


def test_without_an_active_policy_people_decide():
    verdict = assess(FACTS, None)
    assert isinstance(verdict, Refer)
    assert "no active policy" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ({"is": "loss", "test": "at_most", "rho": 50}, {}, {"rho": 51}),
        ({"is": "loss", "test": "over", "rho": 50}, {"rho": 51}, {}),
        ({"is": "kind", "test": "workload"}, {"kind": "workload"}, {}),
        ({"is": "aggregates", "test": "only", "of": ["count", "sum"]}, {}, {"aggregates": frozenset({"mean", "sum"})}),
        ({"is": "aggregates", "test": "any", "of": ["sum"]}, {"aggregates": frozenset({"mean", "sum"})}, {}),
        ({"is": "mechanisms", "test": "only", "of": ["gaussian"]}, {}, {"mechanisms": frozenset({"threshold"})}),
        ({"is": "mechanisms", "test": "any", "of": ["laplace"]}, {"mechanisms": frozenset({"laplace"})}, {}),
        ({"is": "columns", "test": "only", "of": ["age", "sex"]}, {}, {"columns": frozenset({"age", "income"})}),
        ({"is": "columns", "test": "only", "of": ["age"]}, {"columns": frozenset()}, {}),
        ({"is": "columns", "test": "any", "of": ["income"]}, {"columns": frozenset({"age", "income"})}, {}),
        ({"is": "purposes", "test": "only", "of": ["health", "methods"]}, {}, {"purposes": BOTH}),
        ({"is": "purposes", "test": "only", "of": ["health"]}, {}, {"purposes": frozenset()}),
        ({"is": "purposes", "test": "any", "of": ["commercial"]}, {"purposes": BOTH}, {}),
        ({"is": "unknown_keys", "test": "yes"}, {"delta": 1}, {}),
        ({"is": "unknown_keys", "test": "no"}, {}, {"delta": 1}),
        ({"is": "version_age", "test": "over", "days": 10}, {"version_days": 11}, {}),
        ({"is": "version_age", "test": "at_most", "days": 10}, {}, {"version_days": 11}),
    ],
)  # fmt: skip
def test_each_condition_falls_on_its_own_side(condition, yes, no):
    refused = made(rule("refuse", condition))
    assert isinstance(assess(facts(**yes), refused), Refuse)
    assert isinstance(assess(facts(**no), refused), Refer)


OFFICE = {"is": "time", "test": "inside", "days": ["mon", "fri"], "from": "08:00", "to": "18:00"}
NIGHT = {"is": "time", "test": "inside", "days": ["sun"], "from": "22:00", "to": "06:00"}


@pytest.mark.parametrize(
    ("condition", "weekday", "minute", "inside"),
    [
        (OFFICE, 0, 8 * 60, True),
        (OFFICE, 0, 8 * 60 - 1, False),
        (OFFICE, 4, 18 * 60 - 1, True),
        (OFFICE, 4, 18 * 60, False),
        (OFFICE, 1, 9 * 60, False),
        (NIGHT, 6, 23 * 60, True),
        (NIGHT, 0, 5 * 60, True),  # the night that began on Sunday
        (NIGHT, 0, 6 * 60, False),
        (NIGHT, 6, 5 * 60, False),  # the night that began on Saturday
    ],
)
def test_hours_are_the_nodes_and_may_reach_over_midnight(condition, weekday, minute, inside):
    at = facts(weekday=weekday, minute=minute)
    assert isinstance(assess(at, made(rule("refuse", condition))), Refuse) is inside
    outside = condition | {"test": "outside"}
    assert isinstance(assess(at, made(rule("refuse", outside))), Refuse) is not inside


@pytest.mark.parametrize(
    ("per", "within", "earlier", "holds"),
    [
        ("grant", "day", used(200), True),
        ("grant", "day", used(201), False),
        ("grant", "day", used(201, days=2), True),
        ("grant", "week", used(201, days=7), False),
        ("grant", "week", used(201, days=8), True),
        ("grant", "month", used(100, 101, days=30), False),
        ("grant", "month", used(201, days=31), True),
        ("grant", "month", used(201, grant=False), True),
        ("person", "month", used(201, grant=False), False),
        ("person", "month", used(201, person=False), True),
    ],
)
def test_what_automation_approved_counts_by_grant_or_person_within_its_period(per, within, earlier, holds):
    share = {"is": "automatic_loss", "test": "at_most", "rho": 250, "per": per, "within": within}
    verdict = assess(facts(earlier=earlier), made(rule("allow", LIMITS[0], share)))
    assert isinstance(verdict, Allow) is holds


def test_earlier_automatic_approvals_are_counted_without_this_one():
    few = {"is": "automatic_approvals", "test": "at_most", "number": 2, "per": "grant", "within": "day"}
    allowed = made(rule("allow", LIMITS[0], few))
    assert isinstance(assess(facts(earlier=used(1, 1)), allowed), Allow)
    assert isinstance(assess(facts(earlier=used(1, 1, 1)), allowed), Refer)


def test_deny_overrides_and_then_people():
    allow, refer, refuse = rule("allow", *LIMITS), rule("refer"), rule("refuse")
    assert isinstance(assess(FACTS, made(allow)), Allow)
    assert isinstance(assess(FACTS, made(allow, refer)), Refer)
    assert isinstance(assess(FACTS, made(allow, refer, refuse)), Refuse)


def test_one_rule_that_allows_is_enough_and_the_others_are_no_reasons():
    other = rule("allow", *LIMITS, {"is": "kind", "test": "workload"})
    verdict = assess(FACTS, made(other, rule("allow", *LIMITS)))
    assert isinstance(verdict, Allow)
    assert verdict.reasons == []


def test_why_automation_did_not_fire_names_rule_version_and_what_is_missing():
    verdict = assess(facts(rho=101, earlier=used(200)), made(rule("allow", *LIMITS, title="Small")))
    finding = next(one for one in verdict.findings if one.rule == "rule_1")
    assert (finding.outcome, finding.version) == ("warn", 3)
    assert finding.text.startswith("“Small”: it would be approved automatically, but")
    assert "it costs at most" in finding.text
    assert "with it, it would be" in finding.text


@pytest.mark.parametrize("kind", sorted(conditions.KINDS))
def test_every_condition_can_be_tested_said_and_missed(kind):
    example = {
        "loss": {"test": "over", "rho": 10**6},
        "automatic_loss": {"test": "over", "rho": 10**6, "per": "person", "within": "week"},
        "automatic_approvals": {"test": "over", "number": 1, "per": "grant", "within": "day"},
        "kind": {"test": "workload"},
        "aggregates": {"test": "any", "of": ["sum"]},
        "mechanisms": {"test": "any", "of": ["laplace"]},
        "columns": {"test": "any", "of": ["income"]},
        "purposes": {"test": "any", "of": ["commercial"]},
        "unknown_keys": {"test": "yes"},
        "time": {"test": "outside", "days": ["mon"], "from": "08:00", "to": "18:00"},
        "version_age": {"test": "over", "days": 30},
    }[kind]
    verdict = assess(FACTS, made(rule("refer", {"is": kind, **example})))
    missed = next(one for one in verdict.findings if one.rule == "rule_1")
    assert missed.outcome == "pass"
    assert "does not apply" in missed.text


def test_somebody_on_the_project_who_made_the_policy_leaves_it_to_people():
    assert isinstance(assess(FACTS, made(rule("allow", *LIMITS), of_project=True)), Refer)
    assert isinstance(assess(FACTS, made(rule("refuse"), of_project=True)), Refuse)


def test_automation_touches_only_what_the_engine_proves():
    verdict = assess(facts(is_proven=False), made(rule("allow", *LIMITS)))
    assert isinstance(verdict, Refer)
    assert any("does not prove" in reason for reason in verdict.reasons)


def test_the_facts_hold_nothing_that_was_computed_from_private_rows():
    """A new fact has to be argued for here: each of these is public, or about earlier approvals."""
    assert {field.name for field in dataclasses.fields(Facts)} == {
        "kind", "mechanisms", "aggregates", "columns", "purposes", "loss", "is_proven", "weekday", "minute",
        "version_days", "earlier",
    }  # fmt: skip


def test_the_actor_in_the_audit_log_names_the_policy_and_its_version():
    assert made(OLD).actor == "policy:01P:v3"


NAMES = st.sets(st.sampled_from(["sex", "age", "income"]))
ASKED = st.builds(
    facts,
    rho=st.integers(1, 400),
    delta=st.integers(0, 1),
    columns=NAMES.map(frozenset),
    weekday=st.integers(0, 6),
    minute=st.integers(0, 24 * 60 - 1),
    earlier=st.lists(st.integers(0, 300), max_size=3).map(lambda rhos: used(*rhos)),
)
CONDITIONS = st.one_of(
    st.builds(
        lambda test, rho: {"is": "loss", "test": test, "rho": rho},
        st.sampled_from(["at_most", "over"]),
        st.integers(0, 400),
    ),
    st.builds(
        lambda test, of: {"is": "columns", "test": test, "of": sorted(of)},
        st.sampled_from(["only", "any"]),
        NAMES.filter(bool),
    ),
    st.sampled_from([OFFICE, NIGHT, {"is": "unknown_keys", "test": "yes"}]),
)
RULES = st.one_of(
    st.builds(lambda more: rule("allow", *LIMITS, *more), st.lists(CONDITIONS, max_size=2)),
    st.builds(
        lambda then, when: rule(then, *when),
        st.sampled_from(["refer", "refuse"]),
        st.lists(CONDITIONS, max_size=3),
    ),
)


@given(ASKED, st.lists(RULES, min_size=1, max_size=4), st.randoms())
def test_the_order_of_rules_changes_nothing(asked, rules, random):
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert type(assess(asked, made(*rules))) is type(assess(asked, made(*shuffled)))


@given(ASKED, st.lists(RULES, min_size=1, max_size=3), RULES)
def test_a_further_rule_that_does_not_allow_never_makes_it_kinder(asked, rules, more):
    before = ORDER.index(type(assess(asked, made(*rules))))
    after = ORDER.index(type(assess(asked, made(*rules, more))))
    assert after >= before if more["then"] != "allow" else after <= before


@given(st.integers(1, 2000), st.integers(0, 500))
def test_under_limits_a_costlier_request_is_never_judged_more_kindly(rho, before):
    limited = made(rule("refuse", {"is": "loss", "test": "over", "rho": 1000}), rule("allow", *LIMITS))
    here = ORDER.index(type(assess(facts(rho=rho, earlier=used(before)), limited)))
    assert ORDER.index(type(assess(facts(rho=rho + 1, earlier=used(before)), limited))) >= here


def four_numbers(rho, unknown, before, auto, month, most, allows):
    """The verdict of the four numbers that policies were before they had rules."""
    if (most is not None and rho > most) or (unknown and not allows):
        return Refuse
    return Allow if rho <= auto and before + rho <= month else Refer


@given(
    st.integers(1, 300),
    st.booleans(),
    st.integers(0, 300),
    st.tuples(st.integers(0, 300), st.integers(0, 300), st.none() | st.integers(0, 300), st.booleans()),
)
def test_migrated_policies_answer_as_their_four_numbers_did(rho, unknown, before, numbers):
    migration = importlib.import_module("domains.catalog.migrations.0004_policy_documents")
    asked = facts(rho=rho, delta=int(unknown), earlier=used(before))
    expected = four_numbers(rho, unknown, before, *numbers)
    assert type(assess(asked, made(*migration.rules_of(*numbers)))) is expected
