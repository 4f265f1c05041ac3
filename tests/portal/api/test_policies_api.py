"""Access policies over REST: everything that the pages do, for the people who may."""

import pytest

from domains.people.permissions import Permission
from tests import cast, make
from tests.portal.api.kit import call_as

pytestmark = pytest.mark.django_db
POLICIES = "datasets/support2/policies/"
DOCUMENT = make.rules(("refuse", [{"is": "loss", "test": "over", "epsilon": "1"}]), ("allow", make.limits()))


@pytest.fixture
def given() -> cast.Cast:
    made = cast.cast()
    cast.dataset(made)
    return made


def test_a_policy_is_proposed_tried_activated_and_ended(given):
    alice, rita, sam = call_as(given.alice), call_as(given.rita), call_as(given.sam)
    made = alice.post(POLICIES, {"document": DOCUMENT})
    assert made.status_code == 201
    assert made.json()["phase"] == "proposed"
    assert made.json()["in_words"][0] == "Refuse where it costs more than ε 1."
    assert sam.get(POLICIES).json() == []
    assert sam.get(f"{POLICIES}1/").status_code == 404
    key = rita.post(f"{POLICIES}1/dry-runs/", {"days": 30}).json()["id"]
    seen = rita.get(f"{POLICIES}1/dry-runs/{key}/").json()
    assert (seen["count"], seen["results"], seen["dry_run"]["days"]) == (0, [], 30)
    assert [one["id"] for one in rita.get(f"{POLICIES}1/dry-runs/").json()] == [key]
    active = rita.post(f"{POLICIES}1/activate/", {"dry_run": key}).json()
    assert (active["phase"], active["activated_by"]["name"]) == ("active", "Rita")
    assert active["dry_run_sha256"] == seen["dry_run"]["sha256"]
    assert sam.get(f"{POLICIES}1/").json()["document"] == active["document"]
    assert alice.post(f"{POLICIES}1/end/").json()["phase"] == "ended"


def test_who_may_only_read_changes_nothing_and_strangers_learn_nothing(given):
    alice, rita = call_as(given.alice), call_as(given.rita)
    alice.post(POLICIES, {"document": DOCUMENT})
    key = rita.post(f"{POLICIES}1/dry-runs/").json()["id"]
    for name, propose, activate in (
        ("rita", 403, None), ("alice", None, 403), ("sam", 403, 404), ("theo", 403, 404), ("charlie", 403, 404)
    ):  # fmt: skip
        person = call_as(getattr(given, name))
        if propose:
            assert person.post(POLICIES, {"document": DOCUMENT}).status_code == propose
            assert person.post(f"{POLICIES}try/", {"document": DOCUMENT}).status_code == propose
        if activate:
            assert person.post(f"{POLICIES}1/activate/", {"dry_run": key}).status_code == activate
    rita.post(f"{POLICIES}1/activate/", {"dry_run": key})
    for name, status in (("sam", 404), ("charlie", 404), ("ada", 404), ("theo", 200), ("alice", 200)):
        assert call_as(getattr(given, name)).get(f"{POLICIES}1/dry-runs/{key}/").status_code == status
    assert call_as(given.sam).get(f"{POLICIES}1/dry-runs/").json() == []
    assert call_as(given.sam).post(f"{POLICIES}1/dry-runs/").status_code == 403
    reading = call_as(given.rita, Permission.CATALOGUE_READ)
    assert reading.post(f"{POLICIES}1/dry-runs/").status_code == 403


def test_activating_needs_ones_own_dry_run(given):
    alice, rita = call_as(given.alice), call_as(given.rita)
    alice.post(POLICIES, {"document": DOCUMENT})
    theirs = alice.post(f"{POLICIES}1/dry-runs/").json()["id"]
    refused = rita.post(f"{POLICIES}1/activate/", {"dry_run": theirs})
    assert (refused.status_code, refused.json()["code"]) == (409, "dry_run_missing")
    assert rita.post(f"{POLICIES}1/activate/", {"dry_run": "0" * 26}).status_code == 404
    assert rita.post(f"{POLICIES}1/activate/").status_code == 422


def test_faults_are_named_rule_by_rule(given):
    wrong = make.rules(("allow", []), ("refuse", [{"is": "row_count"}]))
    refused = call_as(given.alice).post(POLICIES, {"document": wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "policy_invalid")
    assert [(fault["rule"], fault["condition"]) for fault in refused.json()["faults"]] == [
        (1, None), (1, None), (2, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("epsilon", ["-0.1", "NaN", "Infinity", "many", None, "101"])
def test_a_policys_amounts_make_sense(given, epsilon):
    document = make.rules(("refuse", [{"is": "loss", "test": "over", "epsilon": epsilon}]))
    assert call_as(given.alice).post(POLICIES, {"document": document}).status_code == 422


@pytest.mark.parametrize("document", [None, [], "x", {"format": 1}, {"format": 1, "rules": [1]}])
def test_what_is_no_policy_is_refused(given, document):
    assert call_as(given.alice).post(POLICIES, {"document": document}).status_code == 422


def test_rules_are_tried_before_they_are_proposed(given):
    body = call_as(given.alice).post(f"{POLICIES}try/", {"document": DOCUMENT, "days": 365}).json()
    assert body["counts"]["total"] == 0
    assert call_as(given.alice).post(f"{POLICIES}try/", {"document": DOCUMENT, "days": 3}).status_code == 422


def test_the_language_says_what_can_be_written_here(given):
    language = call_as(given.sam).get(f"{POLICIES}language/").json()
    assert language["columns"] == ["age", "charges", "sex"]
    assert {one["name"] for one in language["templates"]} >= {"people", "small"}
    for template in language["templates"]:
        made = call_as(given.alice).post(POLICIES, {"document": template["document"]})
        assert made.status_code == 201, made.content


def test_listing_policies_costs_the_same_for_one_and_for_many(given, django_assert_max_num_queries):
    alice, rita = call_as(given.alice), call_as(given.rita)

    def counted() -> int:
        with django_assert_max_num_queries(30) as seen:
            assert rita.get(POLICIES).status_code == 200
        return len(seen)

    alice.post(POLICIES, {"document": DOCUMENT})
    rita.post(f"{POLICIES}1/activate/", {"dry_run": rita.post(f"{POLICIES}1/dry-runs/").json()["id"]})
    one = counted()
    for _ in range(3):
        alice.post(POLICIES, {"document": DOCUMENT})
    assert counted() == one
