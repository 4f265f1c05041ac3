"""Projects and grants over REST: proposed by scientists, decided by reviewers, funded by administrators."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction

from domains.ledger import accounts
from domains.people.permissions import Permission
from domains.projects.models import Project
from tests import cast
from tests.portal.api.kit import call_as

pytestmark = pytest.mark.django_db
WORDS = {
    "area": "intensive-care",
    "title": "Costs of care",
    "lay_summary": "What care costs.",
    "purpose": "Fair payment.",
    "datasets": ["support2"],
}


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def funded(given):
    """Give the dataset and its population their caps, as a first publication does."""
    dataset = cast.dataset(given)
    with transaction.atomic():
        accounts.open_population(given.population, epsilon=Decimal(5), by=given.alice)
        accounts.open_dataset(dataset, epsilon=Decimal(3), by=given.alice)
    return dataset


def test_the_whole_road_to_a_usable_grant(given, funded):
    sam, rita, ada = call_as(given.sam), call_as(given.rita), call_as(given.ada)
    made = sam.post("projects/", WORDS | {"members": [given.charlie.email]})
    assert made.status_code == 201
    key, grant = made.json()["id"], made.json()["grants"][0]["id"]
    assert {row["user"]["name"] for row in made.json()["members"]} == {"Sam", "Charlie"}
    assert sam.post(f"projects/{key}/submit/").json()["status"] == "in_review"
    seen = rita.get(f"projects/{key}/").json()
    assert (seen["may_review"], seen["purpose"]) == (True, "Fair payment.")
    vote = {"version": seen["version"], "vote": "approve"}
    assert rita.post(f"projects/{key}/review/", vote).json()["status"] == "approved"
    checks = sam.get(f"grants/{grant}/usable/").json()
    assert checks["ok"] is False
    assert [row["code"] for row in checks["checks"] if not row["ok"]] == ["grant_granted"]
    allocated = ada.post(
        f"grants/{grant}/allocate/", {"epsilon": "1", "person_epsilon": "0.5", "valid_days": 30}
    )
    assert (allocated.status_code, allocated.json()["status"]) == (200, "granted")
    assert sam.get(f"grants/{grant}/usable/").json()["ok"] is True
    assert rita.get(f"grants/{grant}/usable/").json()["ok"] is False  # a reviewer is no member
    assert sam.get("datasets/support2/").json()["budget"]["scope"] == "dataset"


@pytest.mark.parametrize("who", ["sam", "rita", "alice", "theo", "charlie"])
def test_nobody_but_an_administrator_allocates(given, funded, who):
    grant = cast.approved(given, funded).grants.get()
    response = call_as(getattr(given, who)).post(f"grants/{grant.pk}/allocate/", {"epsilon": "1"})
    assert response.status_code == (404 if who == "charlie" else 403)
    grant.refresh_from_db()
    assert grant.status == "requested"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"epsilon": "0"}, 422),
        ({"epsilon": "-1"}, 422),
        ({"epsilon": "NaN"}, 422),
        ({"epsilon": "3.000001"}, 422),  # above the dataset's cap
        ({"epsilon": "1", "person_epsilon": "0"}, 422),
        ({"epsilon": "1", "valid_days": 0}, 422),
        ({"epsilon": "1", "pure_epsilon": "-0.1"}, 422),
        ({"epsilon": "1", "pure_epsilon": "0.000001"}, 422),  # the dataset has no pure ε
    ],
)
def test_a_budget_makes_sense(given, funded, body, status):
    grant = cast.approved(given, funded).grants.get()
    assert call_as(given.ada).post(f"grants/{grant.pk}/allocate/", body).status_code == status


def test_a_budget_waits_for_the_projects_approval(given, funded):
    grant = cast.proposal(given, funded).grants.get()
    response = call_as(given.ada).post(f"grants/{grant.pk}/allocate/", {"epsilon": "1"})
    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")


@pytest.mark.parametrize(
    "path", ["", "submit/", "review/", "withdraw/", "suspend/", "reinstate/", "close/", "members/"]
)
def test_a_stranger_finds_nothing(given, path):
    project = cast.approved(given, cast.dataset(given))
    client = call_as(given.charlie)
    body = {"version": 1, "vote": "approve", "reason": "x", "report": "x", "user": given.charlie.email}
    response = (
        client.post(f"projects/{project.pk}/{path}", body) if path else client.get(f"projects/{project.pk}/")
    )
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert client.get("projects/").json()["results"] == []
    assert client.get("grants/").json()["results"] == []
    grant = project.grants.get()
    assert client.get(f"grants/{grant.pk}/").status_code == 404
    assert client.post(f"grants/{grant.pk}/revoke/", {"reason": "x"}).status_code == 404


@pytest.mark.parametrize("who", ["alice", "rita", "ada", "theo"])
def test_only_scientists_propose(given, who):
    cast.dataset(given)
    assert call_as(getattr(given, who)).post("projects/", WORDS).status_code == 403
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"area": "none"}, 404, "not_found"),
        ({"datasets": ["none"]}, 404, "not_found"),
        ({"datasets": ["draft"]}, 404, "not_found"),
        ({"datasets": []}, 422, "invalid_input"),
        ({"datasets": "support2"}, 422, "invalid_input"),
        ({"members": ["rita@hospital.example"]}, 422, "person_unknown"),
        ({"members": ["nobody@hospital.example"]}, 422, "person_unknown"),
        ({"title": ""}, 422, "invalid_input"),
        ({"purpose": "x" * 8001}, 422, "invalid_input"),
    ],
)
def test_a_proposal_that_does_not_fit_is_refused(given, change, status, code):
    cast.dataset(given)
    cast.draft_dataset(given, "draft")
    response = call_as(given.sam).post("projects/", WORDS | change)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Project.objects.exists()


def test_an_edit_carries_the_version_that_was_read(given):
    project = cast.proposal(given, cast.dataset(given))
    sam = call_as(given.sam)
    edited = sam.patch(f"projects/{project.pk}/", {"version": 1, "title": "Better"})
    assert (edited.json()["title"], edited.json()["version"], edited.json()["purpose"]) == (
        "Better",
        2,
        "Fair payment.",
    )
    stale = sam.patch(f"projects/{project.pk}/", {"version": 1, "title": "Lost"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale")
    assert sam.get(f"projects/{project.pk}/").json()["title"] == "Better"
    assert sam.patch(f"projects/{project.pk}/", {"title": "No version"}).status_code == 422


def test_a_no_says_why_and_everyone_on_it_reads_it(given):
    project = cast.proposal(given, cast.dataset(given))
    sam, rita = call_as(given.sam), call_as(given.rita)
    sam.post(f"projects/{project.pk}/submit/")
    assert rita.post(f"projects/{project.pk}/review/", {"version": 1, "vote": "deny"}).status_code == 422
    body = {"version": 1, "vote": "request_changes", "reason": "Name the funder."}
    assert rita.post(f"projects/{project.pk}/review/", body).json()["status"] == "changes_requested"
    review = sam.get(f"projects/{project.pk}/").json()["reviews"][0]
    assert (review["reviewer"]["name"], review["reason"]) == ("Rita", "Name the funder.")
    stale = rita.post(f"projects/{project.pk}/review/", body)
    assert stale.status_code == 409


def test_a_project_is_stopped_withdrawn_and_closed(given):
    dataset = cast.dataset(given)
    sam, rita = call_as(given.sam), call_as(given.rita)
    draft, project = cast.proposal(given, dataset), cast.approved(given, dataset)
    assert sam.post(f"projects/{draft.pk}/withdraw/").json()["status"] == "withdrawn"
    assert (
        rita.post(f"projects/{project.pk}/suspend/", {"reason": "A complaint."}).json()["status"]
        == "suspended"
    )
    own = rita.post(f"projects/{project.pk}/reinstate/", {"reason": "Well."})
    assert (own.status_code, own.json()["code"]) == (403, "separation_of_duties")
    assert sam.post(f"projects/{project.pk}/close/", {"report": "Nothing."}).json()["status"] == "closed"


def test_people_join_and_leave(given):
    project = cast.approved(given, cast.dataset(given))
    sam, rita, charlie = call_as(given.sam), call_as(given.rita), call_as(given.charlie)
    body = {"user": given.charlie.email}
    assert sam.post(f"projects/{project.pk}/members/", body).status_code == 403
    assert len(rita.post(f"projects/{project.pk}/members/", body).json()["members"]) == 2
    assert charlie.get(f"projects/{project.pk}/").status_code == 200
    assert charlie.post(f"projects/{project.pk}/members/{given.charlie.pk}/end/").status_code == 204
    assert charlie.get(f"projects/{project.pk}/").status_code == 404
    assert sam.post(f"projects/{project.pk}/members/{given.charlie.pk}/end/").status_code == 404


def test_a_grant_is_paused_and_ended_by_the_datasets_owner(given):
    project = cast.approved(given, cast.dataset(given))
    grant = cast.granted(project, by=given.ada)
    alice, sam = call_as(given.alice), call_as(given.sam)
    for path in ("suspend", "revoke", "reinstate"):
        assert sam.post(f"grants/{grant.pk}/{path}/", {"reason": "Mine."}).status_code == 403
    assert alice.post(f"grants/{grant.pk}/suspend/", {"reason": "Wait."}).json()["status"] == "suspended"
    assert sam.get(f"grants/{grant.pk}/usable/").json()["ok"] is False
    assert alice.post(f"grants/{grant.pk}/reinstate/", {"reason": "Go."}).json()["status"] == "granted"
    ended = alice.post(f"grants/{grant.pk}/revoke/", {"reason": "The contract ended."}).json()
    assert (ended["status"], ended["ended_reason"]) == ("revoked", "The contract ended.")
    assert alice.post(f"grants/{grant.pk}/revoke/", {}).status_code == 422


def test_lists_are_narrowed(given):
    first, second = cast.dataset(given), cast.dataset(given, "stroke")
    one, two = cast.approved(given, first), cast.proposal(given, second, title="Strokes")
    sam = call_as(given.sam)
    ids = lambda path, **params: {row["id"] for row in sam.get(path, **params).json()["results"]}  # noqa: E731
    assert ids("projects/") == {one.pk, two.pk}
    assert ids("projects/", status="draft") == {two.pk}
    assert ids("projects/", search="strok") == {two.pk}
    assert sam.get("projects/", status="odd").status_code == 422
    assert ids("grants/", dataset="support2") == {one.grants.get().pk}
    assert ids("grants/", project=two.pk) == {two.grants.get().pk}
    assert ids("grants/", status="granted") == set()
    assert ids("grants/", mine="true") == {one.grants.get().pk, two.grants.get().pk}
    alice = call_as(given.alice)
    assert alice.get("grants/", mine="true").json()["results"] == []


def test_a_token_that_may_only_read_changes_nothing(given):
    project = cast.proposal(given, cast.dataset(given))
    reading = call_as(given.sam, Permission.PROJECT_READ, Permission.CATALOGUE_READ)
    assert reading.get(f"projects/{project.pk}/").status_code == 200
    for path in ("submit", "withdraw"):
        assert reading.post(f"projects/{project.pk}/{path}/").status_code == 403
    assert reading.post("projects/", WORDS).status_code == 403
    blind = call_as(given.sam, Permission.CATALOGUE_READ)
    assert blind.get(f"projects/{project.pk}/").status_code == 404


def test_lists_cost_the_same_for_one_row_and_for_twenty(given, django_assert_max_num_queries):
    dataset = cast.dataset(given)
    cast.granted(cast.approved(given, dataset), by=given.ada)
    sam = call_as(given.sam)

    def counted(path: str) -> int:
        with django_assert_max_num_queries(20) as seen:
            assert sam.get(path).status_code == 200
        return len(seen)

    sam.get("me/")  # the token's first use is noted once
    few = {path: counted(path) for path in ("projects/", "grants/")}
    for _ in range(19):
        cast.granted(cast.approved(given, dataset), by=given.ada)
    assert {path: counted(path) for path in few} == few
