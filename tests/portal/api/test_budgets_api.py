"""Budgets over REST: members see every cap they meet, owners theirs, strangers none."""

import pytest

from domains.catalog import actions as catalog
from tests import make


def by_scope(rows):
    return {row["scope"]: row for row in rows}


def test_a_member_sees_every_cap_a_question_meets(node, call):
    rows = by_scope(call("sam").get(f"budgets/grants/{node.grant}/").json())
    assert set(rows) == {"population", "dataset", "grant", "person"}
    for row in rows.values():
        assert row["left"]["rho_units"] == row["limit"]["rho_units"] > 0
        assert row["epsilon_used"] == 0
    assert 0.99 < rows["grant"]["epsilon_limit"] <= 1
    assert 2.99 < rows["dataset"]["epsilon_limit"] <= 3


def test_a_reservation_shows_at_once_on_every_cap(node, call):
    cost = make.request(make.Status.APPROVED, on=node.access()).revision.rho
    for row in call("sam").get(f"budgets/grants/{node.grant}/").json():
        assert row["reserved"]["rho_units"] == cost
        assert row["limit"]["rho_units"] - row["left"]["rho_units"] == cost


def test_others_do_not_see_a_persons_cap_as_theirs(node, call):
    for name in ("alice", "ada", "theo"):
        rows = by_scope(call(name).get(f"budgets/grants/{node.grant}/").json())
        assert set(rows) == {"population", "dataset", "grant"}


def test_what_a_loss_would_do_is_shown_before_anything_is_asked(node, call):
    rows = call("sam").get(f"budgets/grants/{node.grant}/effect/", epsilon="0.5").json()
    assert all(row["fits"] and row["similar_left"] >= 1 for row in rows)
    assert all(row["epsilon_after"] > row["epsilon_before"] == 0 for row in rows)
    more = by_scope(
        [
            row["balance"] | row
            for row in call("sam").get(f"budgets/grants/{node.grant}/effect/", epsilon="2").json()
        ]
    )
    assert not more["grant"]["fits"]
    assert more["dataset"]["fits"]


@pytest.mark.parametrize("epsilon", ["0", "-1", "NaN", "inf", "much", "", None])
def test_a_loss_that_is_none_is_refused(node, call, epsilon):
    params = {} if epsilon is None else {"epsilon": epsilon}
    assert call("sam").get(f"budgets/grants/{node.grant}/effect/", **params).status_code in {400, 422}


def test_my_budgets_are_those_that_concern_me(node, call):
    assert set(by_scope(call("sam").get("budgets/").json())) >= {"population", "dataset", "grant"}
    assert set(by_scope(call("alice").get("budgets/").json())) >= {"dataset", "grant"}
    assert call("charlie").get("budgets/").json() == []
    assert call("").get("budgets/").status_code == 401


def test_a_dataset_shows_its_cap_to_those_it_concerns(node, call):
    for name in ("alice", "sam", "ada", "theo"):
        answer = call(name).get("budgets/datasets/support2/")
        assert answer.json()["scope"] == "dataset"
    assert call("charlie").get("budgets/datasets/support2/").status_code == 403
    assert call("charlie").get("budgets/datasets/another/").status_code == 404


def test_a_foreign_grants_budget_is_not_found(node, call):
    for path in (f"budgets/grants/{node.grant}/", f"budgets/grants/{node.grant}/effect/?epsilon=1"):
        assert call("charlie").get(path).status_code == 404
    assert call("sam").get(f"budgets/grants/{'0' * 26}/").status_code == 404


def test_who_names_no_pure_epsilon_publishes_and_allocates_none(node, call):
    for row in call("sam").get(f"budgets/grants/{node.grant}/").json():
        assert row["limit"]["pure_units"] == 0
    effect = call("sam").get(f"budgets/grants/{node.grant}/effect/", epsilon="0.1", accounting="pure").json()
    assert [row["fits"] for row in effect] == [False] * 4


def test_pure_caps_are_published_by_owners_and_allocated_by_an_administrator(node, call):
    others = make.population("Stroke patients")
    made = catalog.create_dataset(
        area=make.area(), population=others, title="Stroke", slug="stroke", by=make.person("alice")
    )
    make.draft_version(made, rows=20)
    caps = {"dataset_epsilon": "3", "population_epsilon": "4"}
    pure = {"dataset_pure_epsilon": "2", "population_pure_epsilon": "2.5"}
    published = call("alice").post("datasets/stroke/publish/", {"attested": True} | caps | pure)
    assert published.status_code == 200
    grant = make.project(title="Strokes", slug="stroke").grants.get().pk
    body = {"epsilon": "1", "pure_epsilon": "2.000001"}
    above = call("ada").post(f"grants/{grant}/allocate/", body)
    assert (above.status_code, above.json()["code"]) == (422, "above_cap")
    body = {"epsilon": "1", "pure_epsilon": "1.5", "person_pure_epsilon": "0.5"}
    assert call("ada").post(f"grants/{grant}/allocate/", body).status_code == 200
    rows = by_scope(call("sam").get(f"budgets/grants/{grant}/").json())
    held = {scope: row["limit"]["pure_units"] / 10**12 for scope, row in rows.items()}
    assert held == {"population": 2.5, "dataset": 2, "grant": 1.5, "person": 0.5}
    assert 2.49 < rows["grant"]["epsilon_limit"] <= 2.5 + 1e-9  # Σ pure ε + ε(ρ, δ)
    effect = call("sam").get(f"budgets/grants/{grant}/effect/", epsilon="0.25", accounting="pure").json()
    left = {row["balance"]["scope"]: row["similar_left"] for row in effect}
    assert left == {"population": 10, "dataset": 8, "grant": 6, "person": 2}
