"""Further tables over REST: owners add, declare and remove them, everybody reads what is declared of them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from domains.catalog import storage
from tests import cast, hospital, make
from tests.portal.api.kit import call_as

pytestmark = pytest.mark.django_db
UNITS = {"columns": cast.COLUMNS, "unit_column": "sno", "max_units": 10_000}


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def alice(given: cast.Cast) -> Any:
    cast.draft_dataset(given)
    caller = call_as(given.alice)
    assert caller.put("datasets/support2/schema/", UNITS).status_code == 200
    return caller


def test_an_owner_adds_declares_and_removes_tables(alice: Any):
    assert alice.post("datasets/support2/tables/", {"name": "visits"}).status_code == 201
    made = alice.post("datasets/support2/tables/", {"name": "groups", "is_public": True}).json()
    assert [(table["name"], table["is_public"]) for table in made["tables"]] == [
        ("visits", False),
        ("groups", True),
    ]
    declared = alice.put("datasets/support2/tables/visits/schema/", hospital.VISITS)
    assert declared.status_code == 200, declared.content
    body = alice.put("datasets/support2/tables/groups/schema/", hospital.GROUPS).json()
    assert body["name"] == "support2"
    visits, groups = body["tables"]
    assert (visits["unit_column"], visits["max_rows"], groups["key"]) == ("sno", 4, "dzgroup")
    day = next(column for column in visits["columns"] if column["name"] == "day")
    assert (day["lower"], day["upper"]) == ("1989-06-12", "1990-06-11")
    left = alice.post("datasets/support2/tables/groups/remove/").json()
    assert [table["name"] for table in left["tables"]] == ["visits"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Visits"}, 422, "table_name_invalid"),
        ({"name": "support2"}, 422, "table_name_invalid"),
        ({"name": "visits"}, 422, "table_exists"),
        ({}, 422, "invalid_input"),
    ],
)
def test_a_name_that_does_not_do_is_refused(alice: Any, body: dict[str, Any], status: int, code: str):
    alice.post("datasets/support2/tables/", {"name": "visits"})
    refused = alice.post("datasets/support2/tables/", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "change",
    [
        {"lower": "1989-13-01"},
        {"lower": "726265"},
        {"lower": 5},
        {"kind": "integer"},
        {"upper": "1989-06-11"},
        {"lower": True},
        {"lower": ["1989-06-12"]},
    ],
)
def test_a_bound_that_is_no_day_is_refused(alice: Any, change: dict[str, Any]):
    day = hospital.VISITS["columns"][2] | change
    assert alice.put("datasets/support2/schema/", UNITS | {"columns": [day]}).status_code == 422


@pytest.mark.parametrize("who", ["rita", "sam", "ada", "theo", "charlie"])
def test_nobody_else_touches_a_drafts_tables(given: cast.Cast, alice: Any, who: str):
    alice.post("datasets/support2/tables/", {"name": "visits"})
    other = call_as(getattr(given, who))
    for answer in (
        other.post("datasets/support2/tables/", {"name": "wards"}),
        other.put("datasets/support2/tables/visits/schema/", hospital.VISITS),
        other.post("datasets/support2/tables/visits/remove/"),
    ):
        assert answer.status_code == 404  # a draft is its owners' own
    found = alice.get("datasets/support2/versions/1/").json()
    assert [(table["name"], table["columns"]) for table in found["tables"]] == [("visits", [])]


def test_an_upload_names_the_table_that_it_is_for(alice: Any):
    alice.post("datasets/support2/tables/", {"name": "visits"})

    def send(table: str) -> Any:
        file = io.BytesIO(b"sno,measure\n1,hrt\n")
        file.name = "visits.csv"
        return alice.upload("datasets/support2/uploads/", file, table=table)

    assert send("visits").json()["table"] == "visits"
    assert send("wards").status_code == 404


def test_each_published_table_has_its_mock_and_its_rows_have_no_way_out():
    dataset = hospital.dataset(rows=20)
    sam = call_as(make.person("sam"))
    body = sam.get("datasets/hospital/").json()
    assert [table["name"] for table in body["version"]["tables"]] == ["visits", "groups"]
    groups = sam.get("datasets/hospital/mock/", table="groups")
    assert b"".join(groups.streaming_content).count(b"\n") == 1 + len(hospital.CLASSES)
    assert "hospital-v1-groups-mock.csv" in groups["Content-Disposition"]
    visits = sam.get("datasets/hospital/mock/parquet/", table="visits")
    assert b"".join(visits.streaming_content) == storage.mock_paths_of(dataset.current)["visits"].read_bytes()
    assert sam.get("datasets/hospital/mock/", table="wards").status_code == 404
    text = sam.get("datasets/hospital/").content.decode()
    assert not any(table.sha256 in text for table in dataset.current.tables.all())
