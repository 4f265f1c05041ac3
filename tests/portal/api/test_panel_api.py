"""Decisions by several people over REST: rules, blinded votes, standing aside, assignment, and answers taken back."""

import pytest

from domains.catalog import actions as catalog
from domains.people.permissions import Role
from tests import make

SECRET = "The columns are harmless."


@pytest.fixture
def two(node, call):
    """Rita reviews beside Alice, and two people must approve."""
    catalog.assign(
        node.access().dataset, node.user("rita"), role=Role.DATASET_REVIEWER, by=node.user("alice")
    )
    answer = call("alice").post("datasets/support2/approval-rules/set/", {"people": 2})
    assert answer.status_code == 201, answer.json()
    return answer.json()


@pytest.fixture
def waiting(node, two):
    """A request in review under that rule."""
    return make.request(make.Status.IN_REVIEW, on=node.access()).pk


def test_a_rule_over_rest(call, two):
    path = "datasets/support2/approval-rules/"
    assert (two["number"], two["is_looser"], two["people"]) == (1, False, 2)
    assert call("rita").post(f"{path}set/", {"people": 1}).status_code == 403
    assert call("alice").post(f"{path}set/", {"people": 0}).status_code == 422
    assert call("alice").post(f"{path}set/", {"people": 1}).json()["activated_at"] is None
    assert call("alice").post(f"{path}2/confirm/").status_code == 403
    assert call("rita").post(f"{path}2/confirm/").json()["activated_by"]["name"] == "Rita Reviewer"
    assert call("alice").post(f"{path}2/withdraw/").status_code == 409
    assert call("alice").post(f"{path}9/withdraw/").status_code == 404
    assert [row["number"] for row in call("charlie").get(path).json()] == [2, 1]


def test_votes_are_hidden_until_ones_own_is_cast(call, waiting):
    vote = {"revision": 1, "vote": "approve", "reason": SECRET}
    cast = call("alice").post(f"requests/{waiting}/review/", vote).json()
    assert [row["reason"] for row in cast["specification"]["reviews"]] == [SECRET]
    assert cast["quorum"] == {
        "needed": 2,
        "organisations": 0,
        "has_owner": False,
        "has_reviewer": False,
        "in_words": "2 approvals by different people",
        "approvals": 1,
        "is_reachable": True,
    }
    for name in ("rita", "sam", "theo"):
        for path in (f"requests/{waiting}/", "requests/", "queue/", "notices/"):
            assert SECRET not in call(name).get(path).content.decode(), (name, path)
    assert call("rita").get(f"requests/{waiting}/").json()["specification"]["reviews"] == []
    done = call("rita").post(f"requests/{waiting}/review/", vote | {"reason": ""}).json()
    assert (done["status"], len(done["specification"]["reviews"]), done["quorum"]) == ("approved", 2, None)


def test_standing_aside_and_assignment(call, node, waiting):
    rita = node.user("rita").pk
    assert call("rita").get("queue/", assigned="mine").json()["results"] == []
    assert call("sam").post(f"requests/{waiting}/assign/", {"person": rita}).status_code == 403
    assert call("charlie").post(f"requests/{waiting}/assign/", {"person": rita}).status_code == 404
    assert call("alice").post(f"requests/{waiting}/assign/", {"person": "0" * 26}).status_code == 422
    done = call("alice").post(f"requests/{waiting}/assign/", {"person": rita})
    assert done.json()["assigned_to"]["name"] == "Rita Reviewer"
    (line,) = call("rita").get("queue/", assigned="mine").json()["results"]
    assert (line["quorum"]["approvals"], line["assigned_to"]["id"]) == (0, rita)
    assert call("rita").get("queue/", assigned="yours").status_code == 422
    assert call("rita").post(f"requests/{waiting}/recuse/", {}).status_code == 422
    aside = call("rita").post(f"requests/{waiting}/recuse/", {"reason": "A relative."}).json()
    assert (aside["escalation"], aside["assigned_to"], aside["quorum"]["is_reachable"]) == (
        "unreachable",
        None,
        False,
    )
    vote = {"revision": 1, "vote": "approve"}
    refused = call("rita").post(f"requests/{waiting}/review/", vote)
    assert (refused.status_code, refused.json()["code"]) == (403, "recused")


def test_an_answer_is_taken_back(call, node):
    key = make.answered(on=node.access()).pk
    assert call("sam").get(f"requests/{key}/result/").status_code == 200
    assert call("sam").get(f"requests/{key}/result/csv/").status_code == 200
    body = {"reason": "A small cell."}
    statuses = {name: call(name).post(f"requests/{key}/result/revoke/", body).status_code for name in
                ("sam", "ada", "theo", "charlie")}  # fmt: skip
    assert statuses == {"sam": 403, "ada": 404, "theo": 403, "charlie": 404}
    done = call("alice").post(f"requests/{key}/result/revoke/", body)
    assert done.json()["release"]["status"] == "revoked", done.json()
    for path in ("", "csv/", "parquet/", "bundle/", "payload/"):
        gone = call("sam").get(f"requests/{key}/result/{path}")
        assert (gone.status_code, gone.json()["code"]) == (404, "release_revoked")
    assert call("sam").get(f"requests/{key}/receipt/").status_code == 404
    assert call("sam").get(f"requests/{key}/incident/").status_code == 403
    found = call("theo").get(f"requests/{key}/incident/").json()
    assert (found["reason"], [row["form"] for row in found["downloads"]]) == (
        "A small cell.",
        ["json", "csv"],
    )
    assert "A small cell" not in call("sam").get(f"requests/{key}/").content.decode()
