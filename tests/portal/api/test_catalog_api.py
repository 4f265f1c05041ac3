"""The catalogue over REST: everyone reads what is public, owners make datasets, and nobody else can."""

from __future__ import annotations

import io

import pytest

from domains.catalog import storage
from domains.catalog.models import Dataset, DatasetVersion
from domains.people.permissions import Permission, Role
from tests import cast
from tests.portal.api.kit import call_as

pytestmark = pytest.mark.django_db
WORDS = {"area": "intensive-care", "population": "Patients", "title": "SUPPORT2", "slug": "support2"}
SCHEMA = {"columns": cast.COLUMNS, "max_units": 10_000, "declared_rows": 9_105}


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def test_the_catalogue_is_listed_searched_and_narrowed(given):
    cast.dataset(given)
    cast.dataset(given, "stroke")
    cast.draft_dataset(given, "secret")
    sam = call_as(given.sam)
    found = lambda **params: {row["slug"] for row in sam.get("datasets/", **params).json()["results"]}  # noqa: E731
    assert found() == {"support2", "stroke"}
    assert found(search="stroke") == {"stroke"}
    assert found(area="intensive-care") == {"support2", "stroke"}
    assert found(area="elsewhere") == set()
    assert sam.get("datasets/", area="not a slug").status_code == 422


def test_a_dataset_shows_schema_budget_and_how_to_ask(given):
    dataset = cast.dataset(given)
    grant = cast.granted(cast.approved(given, dataset), by=given.ada)
    body = call_as(given.sam).get("datasets/support2/").json()
    assert body["area"] == {"slug": "intensive-care", "name": "Intensive care"}
    assert body["population"]["unit_label"] == "one patient"
    assert body["current"]["number"] == 1
    age = body["version"]["columns"][0]
    assert (age["name"], age["lower"], age["upper"], age["source"]) == ("age", "18", "110", "protocol")
    assert body["version"]["declared_rows"] == 9_000
    assert body["ask"]["table"] == "support2"
    assert [each["id"] for each in body["ask"]["grants"]] == [grant.pk]
    assert body["has_mock"] is True
    assert (
        body["budget"] is None
    )  # published without a ledger here; see the requests' tests for the whole road
    assert call_as(given.charlie).get("datasets/support2/").json()["ask"]["grants"] == []


def test_nothing_private_is_in_what_is_shown(given):
    dataset = cast.dataset(given)
    text = call_as(given.alice).get("datasets/support2/").content.decode()
    text += call_as(given.alice).get("datasets/support2/versions/1/").content.decode()
    assert dataset.current.sha256 not in text


@pytest.mark.parametrize("who", ["rita", "sam", "ada", "theo", "charlie"])
@pytest.mark.parametrize(
    "path", ["", "versions/", "versions/1/", "mock/", "policies/", "stewards/", "uploads/"]
)
def test_a_draft_is_not_there_for_anyone_else(given, who, path):
    cast.draft_dataset(given)
    assert call_as(getattr(given, who)).get(f"datasets/support2/{path}").status_code == 404


def test_an_owner_describes_declares_and_edits(given):
    alice = call_as(given.alice)
    made = alice.post("datasets/", WORDS)
    assert made.status_code == 201
    assert made.json()["roles"] == ["area_owner", "dataset_owner"]
    declared = alice.put("datasets/support2/schema/", SCHEMA)
    assert declared.status_code == 200
    assert [column["name"] for column in declared.json()["columns"]] == ["age", "sex", "charges"]
    edited = alice.patch("datasets/support2/", {"summary": "Seriously ill adults."})
    assert (edited.json()["summary"], edited.json()["title"]) == ("Seriously ill adults.", "SUPPORT2")
    again = alice.put("datasets/support2/schema/", SCHEMA | {"max_units": 20_000})
    assert (again.json()["number"], again.json()["max_units"]) == (1, 20_000)


@pytest.mark.parametrize("who", ["rita", "sam", "ada", "theo", "charlie"])
def test_nobody_else_describes_a_dataset(given, who):
    response = call_as(getattr(given, who)).post("datasets/", WORDS)
    assert response.status_code == 403
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"area": "none"}, "not_found"),
        ({"population": "none"}, "not_found"),
        ({"slug": "Not Good"}, "invalid_input"),
        ({"slug": "under_score"}, "slug_invalid"),
        ({"tick": "0.001"}, "invalid_input"),
        ({"tick": "0"}, "tick_invalid"),
        ({"tick": "NaN"}, "invalid_input"),
        ({"title": " "}, "invalid_input"),
        ({"title": "x" * 161}, "invalid_input"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(given, change, code):
    response = call_as(given.alice).post("datasets/", WORDS | change)
    assert response.json()["code"] == code
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ({"name": "age", "kind": "integer", "lower": 1, "upper": 2}, "source_missing"),
        ({"name": "age", "kind": "integer", "lower": 1, "upper": 2, "source": "data"}, "invalid_input"),
        (
            {"name": "age", "kind": "integer", "lower": "NaN", "upper": 2, "source": "protocol"},
            "invalid_input",
        ),
        ({"name": "age", "kind": "integer", "lower": 3, "upper": 2, "source": "protocol"}, "schema_invalid"),
        ({"name": "sex", "kind": "category", "codes": [["f"]], "source": "codebook"}, "schema_invalid"),
        ({"name": "sex", "kind": "category", "codes": [{"a": 1}], "source": "codebook"}, "schema_invalid"),
        ({"name": "a\0b", "kind": "text"}, "invalid_input"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_and_the_old_one_stays(given, column, code):
    cast.draft_dataset(given)
    response = call_as(given.alice).put("datasets/support2/schema/", SCHEMA | {"columns": [column]})
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert DatasetVersion.objects.get().columns.count() == 3


def test_a_file_goes_to_staging_and_only_its_owners_see_what_was_found(given):
    alice = call_as(given.alice)
    alice.post("datasets/", WORDS)
    file = io.BytesIO(b"age,sex,charges\n70,male,1\n")
    file.name = "support2.csv"
    sent = alice.upload("datasets/support2/uploads/", file, purpose="data")
    assert sent.status_code == 201, sent.content
    assert (sent.json()["status"], sent.json()["format"], sent.json()["version"]) == ("received", "csv", 1)
    key = sent.json()["id"]
    assert alice.get(f"uploads/{key}/").json()["id"] == key
    assert [row["id"] for row in alice.get("datasets/support2/uploads/").json()] == [key]
    for user in (given.rita, given.sam, given.ada, given.charlie):
        assert call_as(user).get(f"uploads/{key}/").status_code in {403, 404}
        assert call_as(user).post(f"uploads/{key}/discard/").status_code in {403, 404}
    assert alice.post(f"uploads/{key}/conform/").status_code == 409  # not checked yet
    assert alice.post(f"uploads/{key}/discard/").json()["status"] == "discarded"


def test_a_file_is_sent_as_a_form_and_without_an_idempotency_key(given):
    alice = call_as(given.alice)
    alice.post("datasets/", WORDS)
    assert alice.post("datasets/support2/uploads/", {"file": "x"}).status_code == 415
    response = alice.http.post(
        "/api/v1/datasets/support2/uploads/",
        {"file": io.BytesIO(b"a\n1\n")},
        format="multipart",
        headers={"Idempotency-Key": "one"},
    )
    assert response.json()["code"] == "idempotency_not_for_files"


def test_publishing_asks_for_a_made_file_and_the_owners_word(given):
    cast.draft_dataset(given)
    alice = call_as(given.alice)
    assert alice.post("datasets/support2/publish/", {"attested": False}).json()["code"] == "not_attested"
    response = alice.post("datasets/support2/publish/", {"attested": True, "dataset_epsilon": "3"})
    assert (response.status_code, response.json()["code"]) == (409, "not_conformed")


def test_the_mock_is_downloaded_as_csv_and_parquet(given, tmp_path):
    dataset = cast.dataset(given)
    for kind, data in (("csv", b"age\n70\n"), ("parquet", b"PAR1 made up PAR1")):
        path = storage._mock_path(dataset.current.mock_sha256, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sam = call_as(given.sam)
    table = sam.get("datasets/support2/mock/")
    assert b"".join(table.streaming_content) == b"age\n70\n"
    assert table["Content-Disposition"] == 'attachment; filename="support2-v1-mock.csv"'
    assert table["Content-Type"].startswith("text/csv")
    columns = sam.get("datasets/support2/mock/parquet/")
    assert b"".join(columns.streaming_content) == b"PAR1 made up PAR1"


def test_a_mock_that_is_not_there_is_not_found(given):
    cast.dataset(given)
    response = call_as(given.sam).get("datasets/support2/mock/")
    assert (response.status_code, response.json()["code"]) == (404, "no_mock")


def test_owners_stop_and_reviewers_do_not(given):
    cast.dataset(given)
    alice, rita = call_as(given.alice), call_as(given.rita)
    assert rita.post("datasets/support2/freeze/", {"reason": "No."}).status_code == 403
    assert alice.post("datasets/support2/freeze/", {}).status_code == 422
    assert alice.post("datasets/support2/freeze/", {"reason": "An error."}).json()["status"] == "frozen"
    assert alice.post("datasets/support2/unfreeze/", {"reason": "Mended."}).json()["status"] == "published"
    assert alice.post("datasets/support2/withdraw/", {"reason": "Over."}).json()["status"] == "withdrawn"
    assert alice.post("datasets/support2/freeze/", {"reason": "Again."}).status_code == 409


def test_care_is_shared_by_address_and_ended(given):
    cast.dataset(given)
    alice = call_as(given.alice)
    body = {"user": given.rita.email.upper(), "role": "dataset_reviewer"}
    rows = alice.post("datasets/support2/stewards/", body).json()
    assert {(row["user"]["name"], row["role"]) for row in rows} == {
        ("Alice", "dataset_owner"),
        ("Rita", "dataset_reviewer"),
    }
    key = next(row["id"] for row in rows if row["user"]["name"] == "Rita")
    assert call_as(given.rita).post(f"datasets/support2/stewards/{key}/end/").status_code == 403
    assert len(alice.post(f"datasets/support2/stewards/{key}/end/").json()) == 1
    assert alice.post(f"datasets/support2/stewards/{key}/end/").status_code == 404


@pytest.mark.parametrize("name", ["nobody@hospital.example", "sam@hospital.example"])
def test_nobody_learns_by_naming_people_who_has_an_account(given, name):
    cast.dataset(given)
    response = call_as(given.alice).post(
        "datasets/support2/stewards/", {"user": name, "role": "dataset_owner"}
    )
    assert response.json()["code"] == "person_unknown"
    assert response.json()["detail"].replace(name, "…") == "Nobody here with the role owner is “…”."


def test_versions_are_started_read_and_retired(given):
    dataset = cast.dataset(given)
    alice = call_as(given.alice)
    assert alice.post("datasets/support2/versions/").json()["number"] == 2
    assert alice.post("datasets/support2/versions/").json()["code"] == "draft_exists"
    assert [row["number"] for row in alice.get("datasets/support2/versions/").json()] == [2, 1]
    assert [row["number"] for row in call_as(given.sam).get("datasets/support2/versions/").json()] == [1]
    assert call_as(given.sam).get("datasets/support2/versions/2/").status_code == 404
    cast.published(dataset)
    assert (
        alice.post("datasets/support2/versions/1/retire/", {"reason": "Old."}).json()["status"] == "retired"
    )
    assert (
        call_as(given.rita).post("datasets/support2/versions/2/retire/", {"reason": "No."}).status_code == 403
    )


def test_a_second_person_lets_an_uploaded_mock_out(given):
    cast.draft_dataset(given)
    DatasetVersion.objects.update(mock_origin="uploaded", mock_sha256="b" * 64)
    assert call_as(given.alice).post("datasets/support2/versions/1/approve-mock/").status_code == 403
    assert call_as(given.sam).post("datasets/support2/versions/1/approve-mock/").status_code == 404
    response = call_as(given.rita).post("datasets/support2/versions/1/approve-mock/")
    assert (response.status_code, response.json()["number"]) == (200, 1)


def test_areas_and_populations_are_read_by_all_and_made_by_those_who_may(given):
    ada, sam, alice = call_as(given.ada), call_as(given.sam), call_as(given.alice)
    area = ada.post("areas/", {"name": "Covid", "slug": "covid"})
    assert (area.status_code, area.json()["seats"]) == (201, [])
    seat = ada.post("areas/covid/seats/", {"user": given.rita.email, "role": "area_reviewer"}).json()[
        "seats"
    ][0]
    assert (seat["user"]["name"], seat["role"]) == ("Rita", "area_reviewer")
    assert sam.get("areas/covid/").json()["seats"] == [seat]
    assert (
        sam.post("areas/covid/seats/", {"user": given.rita.email, "role": "area_reviewer"}).status_code == 403
    )
    assert ada.post(f"areas/covid/seats/{seat['id']}/end/").json()["seats"] == []
    assert ada.post(f"areas/covid/seats/{'0' * 26}/end/").status_code == 404
    people = {"area": "intensive-care", "name": "Others", "unit_label": "one person", "delta": "0.0000001"}
    assert alice.post("populations/", people).json()["name"] == "Others"
    assert alice.post("populations/", people | {"name": "More", "area": "covid"}).status_code == 403
    assert {row["name"] for row in sam.get("populations/").json()["results"]} == {"Patients", "Others"}


def test_a_token_reaches_no_further_than_its_scopes(given):
    cast.dataset(given)
    reading = call_as(given.alice, Permission.CATALOGUE_READ)
    assert reading.get("datasets/support2/").status_code == 200
    for response in (
        reading.post("datasets/", WORDS | {"slug": "other"}),
        reading.post("datasets/support2/freeze/", {"reason": "No."}),
        reading.put("datasets/support2/schema/", SCHEMA),
        reading.post("datasets/support2/policies/", {"document": {}}),
    ):
        assert response.status_code == 403
    assert call_as(given.sam, Permission.PROJECT_READ).get("datasets/").status_code == 403


def test_lists_cost_the_same_for_one_row_and_for_twenty(given, django_assert_max_num_queries):
    cast.dataset(given)
    sam = call_as(given.sam)

    def counted(path: str) -> int:
        with django_assert_max_num_queries(20) as seen:
            assert sam.get(path).status_code == 200
        return len(seen)

    sam.get("me/")  # the token's first use is noted once
    few = {path: counted(path) for path in ("datasets/", "areas/", "populations/")}
    for number in range(19):
        cast.dataset(given, f"more-{number}")
    assert {path: counted(path) for path in few} == few


def test_of_the_caller_only_the_caller_is_told(given):
    body = call_as(given.alice, Permission.CATALOGUE_READ).get("me/").json()
    assert body["name"] == "Alice"
    assert body["roles"] == [Role.OWNER.value]
