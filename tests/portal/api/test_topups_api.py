"""Larger budgets, cuts, caps, lines and the calculator over REST."""

from tests import make


def account(call, node, scope="grant"):
    rows = call("sam").get(f"budgets/grants/{node.grant}/").json()
    return next(row["account"] for row in rows if row["scope"] == scope)


def test_a_larger_budget_goes_from_the_ask_to_the_limit(node, call):
    asked = call("sam").post(f"grants/{node.grant}/ask_for_more/", {"epsilon": "2", "reason": "More."})
    assert asked.status_code == 201
    path = f"budgets/topups/{asked.json()['id']}/"
    assert call("charlie").get(path).status_code == 404
    assert call("sam").post(f"{path}propose/", {"epsilon": "2"}).status_code == 403
    assert call("ada").post(f"{path}propose/", {"epsilon": "1.5"}).json()["status"] == "proposed"
    assert call("ada").post(f"{path}confirm/").status_code == 403
    assert call("theo").post(f"{path}confirm/").status_code == 403
    assert call("alice").post(f"{path}confirm/").json()["status"] == "confirmed"
    assert (
        1.49
        < call("sam").get(f"budgets/accounts/{account(call, node)}/").json()["balance"]["epsilon_limit"]
        <= 1.5
    )
    rows = call("theo").get("budgets/topups/", grant=node.grant, status="confirmed").json()["results"]
    assert [row["asked_epsilon"] for row in rows] == ["2.000000"]


def test_asks_are_declined_and_taken_back(node, call):
    made = call("ada").post(f"grants/{node.grant}/top_up/", {"epsilon": "2", "reason": "More."}).json()
    assert made["status"] == "proposed"
    path = f"budgets/topups/{made['id']}/"
    assert call("alice").post(f"{path}decline/", {}).status_code == 422
    assert call("alice").post(f"{path}decline/", {"reason": "No."}).json()["answer"] == "No."
    again = call("sam").post(f"grants/{node.grant}/ask_for_more/", {"epsilon": "2", "reason": "More."}).json()
    assert call("sam").post(f"budgets/topups/{again['id']}/withdraw/").json()["status"] == "withdrawn"
    assert (
        call("sam").post(f"grants/{node.grant}/top_up/", {"epsilon": "2", "reason": "x"}).status_code == 403
    )
    assert (
        call("alice").post(f"grants/{node.grant}/ask_for_more/", {"epsilon": "2", "reason": "x"}).status_code
        == 403
    )


def test_a_cut_names_the_requests_that_are_in_review_again(node, call):
    analysis = make.request(make.Status.APPROVED, on=node.access(), epsilon="0.5")
    path = f"budgets/accounts/{account(call, node)}/cut/"
    body = {"epsilon": "0.2", "reason": "Less."}
    assert call("sam").post(path, body).status_code == 403
    assert call("charlie").post(path, body).status_code == 404
    assert call("ada").post(path, body).json()["in_review_again"] == [analysis.pk]


def test_a_higher_cap_waits_for_a_reviewer_and_a_persons_does_not(node, call):
    make.request(make.Status.APPROVED, on=node.access())
    body = {"epsilon": "5", "reason": "A larger study."}
    cap = (
        call("alice")
        .post(f"budgets/accounts/{account(call, node, 'dataset')}/raise/", body)
        .json()["proposal"]
    )
    assert call("alice").post(f"budgets/caps/{cap}/confirm/").status_code == 403
    assert call("sam").get(f"budgets/caps/{cap}/").status_code == 404
    assert call("rita").get("budgets/caps/").json()["results"][0]["id"] == cap
    assert call("rita").post(f"budgets/caps/{cap}/confirm/").json()["status"] == "confirmed"
    own = call("ada").post(f"budgets/accounts/{account(call, node, 'person')}/raise/", body).json()
    assert own["proposal"] is None
    other = {"epsilon": "6", "reason": "More still."}
    cap = (
        call("alice")
        .post(f"budgets/accounts/{account(call, node, 'dataset')}/raise/", other)
        .json()["proposal"]
    )
    assert call("alice").post(f"budgets/caps/{cap}/end/").json()["status"] == "ended"


def test_one_budget_is_whole_for_insiders_and_a_balance_for_others(node, call):
    make.request(make.Status.APPROVED, on=node.access())
    path = f"budgets/accounts/{account(call, node, 'dataset')}/"
    inside, outside = call("alice").get(path, epsilon="0.5").json(), call("sam").get(path).json()
    assert inside["by_person"][0]["name"] == "Sam Scientist"
    assert inside["course"][-1]["reserved"]["rho_units"] > 0
    assert inside["outlook"] is None
    assert [outside[name] for name in ("course", "outlook", "by_project", "by_person")] == [None] * 4
    assert outside["similar_left"] > inside["similar_left"] >= 1
    assert 0.9 < outside["risk"] < 1
    assert call("charlie").get(path).status_code == 404


def test_lines_are_filtered_paged_and_read(node, call):
    analysis = make.request(make.Status.APPROVED, on=node.access())
    rows = call("theo").get("budgets/entries/", scope="grant", kind="RESERVE", page_size=1).json()
    assert [row["kind"] for row in rows["results"]] == ["RESERVE"]
    one = call("theo").get(f"budgets/entries/{rows['results'][0]['seq']}/").json()
    assert one["request"] == analysis.pk
    assert one["reserved"] == one["loss"]
    assert call("charlie").get("budgets/entries/").json()["results"] == []
    assert call("charlie").get(f"budgets/entries/{one['seq']}/").status_code == 404
    assert call("theo").get("budgets/entries/", kind="GIFT").status_code == 422


def test_the_books_are_checked_over_rest(node, call):
    assert call("theo").get("budgets/books/").json()["is_sound"]
    assert call("theo").post("budgets/books/").status_code == 403
    assert call("ada").post("budgets/books/").json()["is_sound"]
    assert call("sam").get("budgets/books/").status_code == 403


def test_the_calculator_needs_no_project(call, node):
    found = call("charlie").get("calculator/", statistic="count", epsilon="1").json()
    back = call("charlie").get("calculator/", statistic="count", error=found["plus_minus_95"]).json()
    assert float(back["epsilon"]) <= 1
    assert call("charlie").get("calculator/", statistic="count").status_code == 422
    assert call("charlie").get("calculator/", statistic="median", epsilon="1").status_code == 422
